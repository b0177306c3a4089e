"""From whatever rate a device runs at to ours, as the sound comes.

In numpy rather than through ffmpeg: a filter of 4 ms and no second process between the microphone and its words.
"""

from math import gcd

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE

ZEROS = 32  # crossings of the filter on either side: what is folded back lies 90 dB down
ROLLOFF = 0.95  # of the lower half rate, where the filter begins to fall
BETA = 9.0  # of the Kaiser window
N_AT_ONCE = 4096  # samples made at a time; each needs a row of the filter's length in memory

Samples = NDArray[np.float32]


class Resampler:
    """A Kaiser-windowed sinc in phases (Smith & Gossett 1984); any split of the input gives the same output.

    N samples make ceil(N * new / old): the first stands where the first stood, and the filter's delay is taken out.
    """

    def __init__(self, old: int, new: int = SAMPLE_RATE) -> None:
        shared = gcd(old, new)
        self._up, self._down = new // shared, old // shared
        self._phases = phases(self._up, self._down) if old != new else np.ones((1, 1), np.float32)
        self._half = self._phases.shape[1] // 2
        self._kept = np.zeros(self._half, np.float32)  # what the next samples need; silence came before the first
        self._first = -self._half  # where the first of them stands in the input
        self._n_made = 0

    def feed(self, samples: Samples) -> Samples:
        """What can be made so far of these samples and those before."""
        self._kept = np.concatenate([self._kept, samples])
        n_in = self._first + len(self._kept)
        return self._make(n_in - self._half)

    def flush(self) -> Samples:
        """The rest, as though silence followed. Nothing may be fed afterwards."""
        n_in = self._first + len(self._kept)
        self._kept = np.concatenate([self._kept, np.zeros(self._half, np.float32)])
        return self._make(n_in)

    def _make(self, n_ready: int) -> Samples:
        """All output that stands before sample n_ready of the input."""
        n_due = max(-(-n_ready * self._up // self._down), self._n_made)
        pieces = [self._row(at, min(at + N_AT_ONCE, n_due)) for at in range(self._n_made, n_due, N_AT_ONCE)]
        self._n_made = n_due
        n_past = self._n_made * self._down // self._up - self._half - self._first
        n_past = min(max(n_past, 0), len(self._kept))
        self._kept, self._first = self._kept[n_past:], self._first + n_past
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _row(self, start: int, end: int) -> Samples:
        made = np.arange(start, end, dtype=np.int64) * self._down
        windows = np.lib.stride_tricks.sliding_window_view(self._kept, self._phases.shape[1])
        rows = windows[made // self._up - self._half - self._first]  # (n, taps)
        # A product and a sum rather than a matrix product, which rounds differently for another number of rows.
        return np.asarray((rows * self._phases[made % self._up]).sum(axis=1), np.float32)


def phases(up: int, down: int) -> Samples:
    """The filter for each place an output sample may have between two input samples, (up, taps)."""
    width = max(down / up, 1.0)  # in input samples, of one crossing
    half = int(np.ceil(ZEROS * width))
    at = (np.arange(-half, half + 1) - np.arange(up)[:, None] / up) / width
    inside = np.clip(1 - (at / ZEROS) ** 2, 0, None)
    window = np.where(np.abs(at) <= ZEROS, np.i0(BETA * np.sqrt(inside)), 0) / np.i0(BETA)
    taps = np.sinc(at * ROLLOFF) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), np.float32)
