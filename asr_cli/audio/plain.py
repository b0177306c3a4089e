"""WAV files that are what we want already, 16 kHz of 16 bits: read as they are, without starting a decoder.

That takes a fiftieth of a second or more, as long as recognising a short utterance; a corpus has millions of them. The
samples are those that ffmpeg gives, and whatever is not quite regular is left to it.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE
from asr_cli.audio.source import Opened
from asr_cli.errors import AsrError, InputError

PCM = 1
BYTES_PER_SAMPLE = 2
FULL_SCALE = 32768.0  # of int16, as ffmpeg has it
MOST_CHANNELS = 2  # beyond two, their order is a matter of layouts


@dataclass(frozen=True, slots=True)
class Plain:
    """Where the samples of a file are, in bytes."""

    path: str
    first: int
    size: int
    n_channels: int

    @property
    def n_frames(self) -> int:
        return self.size // (self.n_channels * BYTES_PER_SAMPLE)


def plain(opened: Opened, start: float) -> Plain | None:
    """The samples of a regular file from `start` seconds on; None for anything else."""
    if opened.path is None or opened.size is None or opened.head[:4] != b"RIFF" or opened.head[8:12] != b"WAVE":
        return None
    found = find_samples(opened.path, opened.head, opened.size)
    if found is None or start == 0:
        return found
    n_bytes = round(start * SAMPLE_RATE) * found.n_channels * BYTES_PER_SAMPLE
    if n_bytes >= found.size:
        return None
    return Plain(found.path, found.first + n_bytes, found.size - n_bytes, found.n_channels)


def find_samples(path: str, head: bytes, file_size: int) -> Plain | None:
    n_channels = 0
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            whole = n_channels and 0 < size <= file_size - at and size % (n_channels * BYTES_PER_SAMPLE) == 0
            return Plain(path, at, size, n_channels) if whole else None
        if name == b"fmt ":
            if n_channels or size < 16 or at + 16 > len(head):
                return None
            tag, n_channels, rate, rate_bytes, frame_bytes, bits = struct.unpack_from("<HHIIHH", head, at)
            usual = (PCM, SAMPLE_RATE, 8 * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE * n_channels)
            if (tag, rate, bits, frame_bytes) != usual or not 1 <= n_channels <= MOST_CHANNELS:
                return None
            if rate_bytes != rate * frame_bytes:
                return None
        at += size + size % 2
    return None


class PlainReader:
    """The samples of such a file; keeps what `decoder.Decoder` promises."""

    failure: AsrError | None = None
    report = ""

    def __init__(self, found: Plain, name: str) -> None:
        self.n_channels = found.n_channels
        self._name = name
        self._left = found.n_frames
        try:
            self._file: IO[bytes] = Path(found.path).open("rb")  # noqa: SIM115 - closed where the reader is
            self._file.seek(found.first)
        except OSError as error:
            raise InputError(f"cannot read {name}: {error.strerror}; check its permissions") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, n_frames: int) -> NDArray[np.float32]:
        """The next frames, (n_frames, n_channels); fewer only at the end."""
        frame_bytes = self.n_channels * BYTES_PER_SAMPLE
        try:
            n_bytes = min(n_frames, self._left) * frame_bytes
            data = self._file.read(n_bytes)
        except OSError as error:
            raise InputError(f"cannot read {self._name}: {error.strerror or error}") from error
        if len(data) < n_bytes:
            raise InputError(f"{self._name} became shorter while it was read; try again when it is complete")
        self._left -= n_bytes // frame_bytes
        samples = np.frombuffer(data, dtype="<i2")
        return (samples.astype(np.float32) / np.float32(FULL_SCALE)).reshape(-1, self.n_channels)

    def finish(self) -> int:
        return 0
