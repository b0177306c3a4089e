"""A shell command whose output is the recording, as a wav.scp may name one that is trusted."""

import io
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from asr_cli.audio.address import MAX_SAID, without_password
from asr_cli.errors import DependencyError, InputError

SHELL = "/bin/sh"  # what Kaldi's own tools run them with
END_SECONDS = 30.0  # for a command that has closed its output to end
PATIENCE = 0.3  # seconds for its last words, which a process that it left behind may hold open


@dataclass(frozen=True, slots=True)
class Command:
    """A source: the output of this text, run by the shell each time that it is opened."""

    text: str

    @property
    def name(self) -> str:
        """How messages call it: its beginning, without passwords."""
        text = without_password(" ".join(self.text.split()))
        return text if len(text) <= MAX_SAID else f"{text[: MAX_SAID - 3]}..."


@contextmanager
def open_command(text: str) -> Iterator[io.RawIOBase]:
    """Run a command and read its output; reading to the end of one that fails is an InputError with its last words.

    It is a process group of its own: Ctrl-C is not its to answer, and leaving early ends it with all that it started.
    """
    command = Command(text)
    # Without a buffer, whose lock a thread that waits for a slow command would hold while we end it.
    with Output(started(command), command.name) as output:
        yield output


def started(command: Command) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [SHELL, "-c", command.text],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise DependencyError(f"there is no {SHELL} here to run commands with; name files in the list") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot run {command.name!r}: {reason}") from error


class Output(io.RawIOBase):
    """What a running command writes; its end is one only if the command says so, too."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        assert process.stdout is not None and process.stderr is not None
        self.name = name
        self._process = process
        self._stdout: IO[bytes] = process.stdout
        self._last_words = ""
        self._listener = threading.Thread(target=self._listen, args=(process.stderr,), daemon=True, name="asr-command")
        self._listener.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            n_bytes: int = self._stdout.readinto(buffer)  # type: ignore[attr-defined]
        except ValueError:  # closed by another thread
            return 0
        if not n_bytes and not self.closed:
            self._conclude()
        return n_bytes

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if self._process.returncode is None:  # unknown to be at its end: until we ask, its number is nobody else's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._stdout.close()
        self._listener.join(PATIENCE)

    def _conclude(self) -> None:
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"cannot read {self.name!r}: the command gives no more, and does not end") from error
        if code:
            self._listener.join(PATIENCE)
            how = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
            words = f" ({self._last_words})" if self._last_words else ""
            raise InputError(f"cannot read {self.name!r}: the command {how}{words}; run it by itself to see why")

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr, suppress(OSError, ValueError):
            for line in io.BufferedReader(stderr):  # type: ignore[type-var]
                if text := line[:2000].decode("utf-8", "replace").strip():
                    self._last_words = without_password(text)[:MAX_SAID]
