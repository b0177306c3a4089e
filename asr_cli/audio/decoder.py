"""One running ffmpeg: bytes in where they must be fed, samples out, its words kept, no trace when closed."""

import re
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE
from asr_cli.audio.ffmpeg import LONGEST_GAP, runnable
from asr_cli.audio.waiting import waiting
from asr_cli.errors import AsrError

FEED_BYTES = 65_536
HEAD_LINES, TAIL_LINES = 400, 40  # a damaged file makes ffmpeg complain once a packet
BYTES_PER_SAMPLE = 4
# The framecrc format: the unit of time, and a line for the first frame: stream, dts, pts, duration, size, checksum.
# Sought anywhere in a line, for ffmpeg may be in the middle of saying something else.
TIME_UNIT = re.compile(r"#tb 0: (\d+)/(\d+)")
FIRST_FRAME = re.compile(r"0, +-?\d+, +(-?\d+), +\d+, +\d+, 0x[0-9a-f]{8}")
FIRST_FRAME_SECONDS = 10.0  # for that line to come; it is written before the samples are
PATIENCE = 0.3  # seconds for a thread to notice that its pipe is closed


class Decoder:
    """A decode command at work. `read` gives float32 of shape (n_frames, n_channels), empty at the end."""

    def __init__(self, command: list[str], read: Callable[[int], bytes] | None = None) -> None:
        self.n_channels = 0  # known once the first samples are there
        self.failure: AsrError | None = None  # what went wrong while feeding
        self._lead: int | None = None  # frames of silence before the first sample; negative: so many are dropped
        self._first_seconds = 0.0
        self._first_known = threading.Event()
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        with runnable(command[0]):
            # A session of its own: Ctrl-C is for us to answer, with everything decoded so far.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if read else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        assert self._process.stdout and self._process.stderr
        self._stdout = self._process.stdout
        self._threads = [started(self._listen, self._process.stderr)]
        if read and self._process.stdin:
            self._threads.append(started(self._feed, self._process.stdin, read))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, n_frames: int) -> NDArray[np.float32]:
        """The next frames; fewer only at the end."""
        if self._lead is None:
            with waiting():
                self.n_channels = read_header(self._stdout)
            self._lead = self._due() if self.n_channels else 0
            self._decoded(max(-self._lead, 0))
        n_silent = min(max(self._lead, 0), n_frames)
        self._lead -= n_silent
        decoded = self._decoded(n_frames - n_silent)
        if not n_silent:
            return decoded
        return np.concatenate([np.zeros((n_silent, max(self.n_channels, 1)), np.float32), decoded])

    def _due(self) -> int:
        """When the first sample is due, in frames: a video's sound may begin late."""
        self._first_known.wait(FIRST_FRAME_SECONDS)
        is_damage = abs(self._first_seconds) > LONGEST_GAP
        return 0 if is_damage else round(self._first_seconds * SAMPLE_RATE)

    def _decoded(self, n_frames: int) -> NDArray[np.float32]:
        frame_bytes = max(self.n_channels, 1) * BYTES_PER_SAMPLE
        with waiting():
            data = self._stdout.read(n_frames * frame_bytes) if self.n_channels else b""
        whole = len(data) - len(data) % frame_bytes
        return np.frombuffer(data[:whole], dtype="<f4").reshape(-1, max(self.n_channels, 1))

    def finish(self) -> int:
        """Wait for the end that was reached; ffmpeg's exit code."""
        code = self._process.wait()
        self._threads[0].join()
        return code

    @property
    def report(self) -> str:
        """What ffmpeg said: the beginning, and the end."""
        return "\n".join([*self._head, *self._tail])

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._stdout.close()
        for thread in self._threads:
            # A feeder may wait for a keyboard or a socket; it is a daemon and ends with its source.
            thread.join(PATIENCE)

    def _listen(self, stderr: IO[bytes]) -> None:
        unit, is_decoding = 0.0, False
        with stderr:
            for raw in stderr:
                line = raw[:2000].decode("utf-8", "surrogateescape").rstrip("\n")
                kept = self._head if len(self._head) < HEAD_LINES else self._tail
                kept.append(line)
                # What comes before quotes the file: a title may look like anything.
                is_decoding = is_decoding or line.startswith("Stream mapping:")
                if not is_decoding or self._first_known.is_set():
                    continue
                if found := TIME_UNIT.search(line):
                    unit = int(found[1]) / int(found[2])
                elif unit and (found := FIRST_FRAME.search(line)):
                    self._first_seconds = int(found[1]) * unit
                    self._first_known.set()
        self._first_known.set()

    def _feed(self, stdin: IO[bytes], read: Callable[[int], bytes]) -> None:
        try:
            # A closed pipe is no failure: ffmpeg stops reading when it has what it wants, or is gone.
            with suppress(BrokenPipeError, ConnectionResetError):
                while data := read(FEED_BYTES):
                    stdin.write(data)
                    stdin.flush()
        except AsrError as error:
            self.failure = error
        finally:
            with suppress(OSError):
                stdin.close()


def started(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True, name="asr-ffmpeg")
    thread.start()
    return thread


def read_header(stdout: IO[bytes]) -> int:
    """The number of channels from a WAV header, leaving the stream at the first sample; 0 if none came."""
    if len(stdout.read(12)) < 12:
        return 0
    n_channels = 0
    while len(chunk := stdout.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            return n_channels
        body = stdout.read(size + size % 2)
        if name == b"fmt " and len(body) >= 4:
            (n_channels,) = struct.unpack_from("<H", body, 2)
    return 0
