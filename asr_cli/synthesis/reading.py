"""A sentence read aloud by a synthesiser, and when each word of it was said.

Nobody's recording is used, so anybody who has the synthesisers can make the same corpus.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_cli.errors import DependencyError

AUDIBLE = 45.0  # dB under the loudest 5 ms: what is quieter at either end of a reading belongs to no word


@dataclass(frozen=True, slots=True)
class Voice:
    """Who reads: a synthesiser's voice, "espeak:en-us+f3" or "flite:slt", and how it is set."""

    name: str
    speed: float = 1.0  # of the voice's own
    pitch: int = 50  # espeak's scale of 0 to 99, as is the range
    pitch_range: int = 50


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: `samples` in [-1, 1], no silence around them, and when each word began and ended, in seconds."""

    samples: NDArray[np.float32]
    rate: int
    times: tuple[tuple[float, float], ...]


def trimmed(samples: NDArray[np.float32], rate: int, starts: Sequence[float], ends: Sequence[float]) -> Reading:
    """The speech alone: it begins and ends with what can be heard, and so do its first and its last word."""
    hop = rate // 200
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.square(frames).mean(axis=1)
    audible = np.flatnonzero(power > power.max() * 10 ** (-AUDIBLE / 10))
    first, last = int(audible[0]) * hop, (int(audible[-1]) + 1) * hop
    length = (last - first) / rate
    moved = [min(max(start - first / rate, 0.0), length) for start in starts]
    stops = [min(max(end - first / rate, start), length) for start, end in zip(moved, ends, strict=True)]
    moved[0], stops[-1] = 0.0, length
    return Reading(samples[first:last], rate, tuple(zip(moved, stops, strict=True)))


def library(name: str, package: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DependencyError(f"{name} is needed to synthesise speech; install it (apt install {package})") from error
