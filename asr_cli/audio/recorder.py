"""Live sound into a file while it is heard, so that it is there whatever becomes of the program.

Straight to its own name: a temporary name would hide a recording that was cut short, and nobody can say it again.
"""

import os
import struct
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Protocol, Self

import numpy as np

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.ffmpeg import find_ffmpeg, local_url, runnable
from asr_cli.audio.inputs import MEDIA_SUFFIXES
from asr_cli.errors import AsrError, OutputError, UsageError

BYTES_PER_SAMPLE = 2
HEADER_BYTES = 44
MOST_BYTES = 0xFFFF_FFFF - HEADER_BYTES  # what a WAV header can announce: 37 hours
HEADER_SECONDS = 0.5  # of sound, between two headers
# An index at the end is lost with the program; fragments of a second each have their own.
FRAGMENTED = {".m4a", ".m4b", ".mov", ".mp4"}
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000")
TRIAL = bytes(BYTES_PER_SAMPLE * SAMPLE_RATE // 10)
END_SECONDS = 20.0  # for ffmpeg to finish the file


class Sink(Protocol):
    """Where 16-bit samples go; an OSError or OutputError is the end of it."""

    def write(self, pcm: bytes) -> None: ...
    def close(self) -> None: ...


class Recorder:
    """Writes what it is given to a file of the format that its name says: WAV, or whatever ffmpeg can write.

    Whether that is possible is known when it is made. `add` never waits for the disk; it raises once, after writing
    failed, and ignores what comes later.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.failure: AsrError | None = None
        self._is_told = False
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()  # None is the end
        self._sink = opened(self.path)
        self._thread: threading.Thread | None = threading.Thread(target=self._write, name="asr-recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:  # which is worth more than ours
            with suppress(AsrError):
                self.close()

    def add(self, audio: Audio) -> None:
        self._tell()
        if self.failure is None:
            self._queue.put(int16(audio))

    def close(self) -> None:
        """Finish the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
        self._tell()

    def _tell(self) -> None:
        if self.failure is not None and not self._is_told:
            self._is_told = True
            raise self.failure

    def _write(self) -> None:
        try:
            try:
                while (pcm := self._queue.get()) is not None:
                    self._sink.write(pcm)
            finally:
                self._sink.close()
        except OutputError as error:
            self.failure = error
        except OSError as error:
            self.failure = unwritable(self.path, error)


class WavFile:
    """16-bit mono whose header is right all along: readers believe it, and not the size of the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file  # without a buffer
        self._n_bytes = self._n_told = 0
        self._head()

    def write(self, pcm: bytes) -> None:
        whole(self._file, pcm)
        self._n_bytes += len(pcm)
        if self._n_bytes - self._n_told >= HEADER_SECONDS * SAMPLE_RATE * BYTES_PER_SAMPLE:
            self._head()

    def close(self) -> None:
        with self._file:
            self._head()

    def _head(self) -> None:
        self._file.seek(0)
        whole(self._file, wav_header(min(self._n_bytes, MOST_BYTES)))
        self._file.seek(0, os.SEEK_END)
        self._n_told = self._n_bytes


class Encoder:
    """An ffmpeg that writes the file. It outlives a program that is killed, and then finishes by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the encoder
        with runnable(find_ffmpeg()):
            # A session of its own: Ctrl-C is for us to answer.
            self._process = subprocess.Popen(
                encode_command(path),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                bufsize=0,
                start_new_session=True,
            )

    def write(self, pcm: bytes) -> None:
        assert self._process.stdin is not None
        try:
            whole(self._process.stdin, pcm)
        except OSError:  # it is gone, and says why
            self._process.kill()
            raise OutputError(f"cannot write {str(self._path)!r}: {self._end()}") from None

    def close(self) -> None:
        with self._said:
            if self._process.returncode is None and (why := self._end()):
                raise OutputError(f"cannot write {str(self._path)!r}: {why}")

    def _end(self) -> str:
        """Why it ended, "" if all is well."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "the disk does not answer"
        return last_words(self._said) if code else ""


def opened(path: Path) -> Sink:
    """Ready to be written to; UsageError or OutputError if it cannot be."""
    suffix = path.suffix.lower()
    if suffix not in MEDIA_SUFFIXES:
        raise UsageError(f"{path.name!r} does not say how to write sound; end it in .flac, .wav, .mp3 or .opus")
    is_new = not path.exists()
    try:
        file = path.open("wb", buffering=0)
        if suffix == ".wav":
            return WavFile(file)
        file.close()
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        attempt(path)
    except AsrError:
        if is_new:
            path.unlink(missing_ok=True)
        raise
    return Encoder(path)


def attempt(path: Path) -> None:
    """Write a tenth of a second, so that what ffmpeg cannot do is known before anybody speaks."""
    with runnable(find_ffmpeg()):
        done = subprocess.run(
            encode_command(path), input=TRIAL, capture_output=True, check=False, start_new_session=True
        )
    if done.returncode:
        with tempfile.TemporaryFile() as said:
            said.write(done.stderr)
            why = last_words(said)
        raise OutputError(f"cannot write {str(path)!r}: {why}; .wav and .flac always work")


def encode_command(path: Path) -> list[str]:
    raw = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1")
    fragments = FRAGMENTS if path.suffix.lower() in FRAGMENTED else ()
    # -vn: a suffix that also means video would look for a picture.
    quiet = (find_ffmpeg(), "-hide_banner", "-nostats", "-loglevel", "error", "-y")
    at_once = ("-probesize", "32", "-analyzeduration", "0")
    return [*quiet, *at_once, *raw, "-i", "pipe:0", "-vn", *fragments, "-flush_packets", "1", local_url(path)]


def whole(file: IO[bytes], data: bytes) -> None:
    """Write all of it; a pipe or a disk that is nearly full takes a part."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) or 0 :]


def int16(audio: Audio) -> bytes:
    return np.clip(np.rint(audio.samples * 32768), -32768, 32767).astype("<i2").tobytes()


def wav_header(n_bytes: int) -> bytes:
    """Of 16 kHz mono with n_bytes of 16-bit samples."""
    rate_bytes = SAMPLE_RATE * BYTES_PER_SAMPLE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, rate_bytes, BYTES_PER_SAMPLE, 16)
    riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + n_bytes, b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", n_bytes)


def last_words(said: IO[bytes]) -> str:
    said.seek(0)
    lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "ffmpeg was killed"


def unwritable(path: Path, error: OSError) -> OutputError:
    if isinstance(error, FileNotFoundError):
        return OutputError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    return OutputError(f"cannot write {str(path)!r}: {error.strerror}")
