"""Frames too quiet to be speech: two options of FunASR's that do nothing at their defaults."""

import numpy as np
from numpy.typing import NDArray

from asr_cli.vad.endpoint import EndpointOptions

QUIETEST = -60.0  # decibels of digital silence, by the floor below; no sound is quieter
FLOOR = 1e-6


class Loudness:
    """Takes back votes for speech by a frame's level, and by its distance to the running level of noise."""

    def __init__(self, options: EndpointOptions, sample_rate: int) -> None:
        self._options = options
        self._length, self._shift = sample_rate * 25 // 1000, sample_rate // 100
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._decibels: list[float] = []
        self._noise = -100.0  # not heard yet

    @staticmethod
    def matters(options: EndpointOptions) -> bool:
        return options.decibel_thres > QUIETEST or options.snr_thres > QUIETEST

    def judge(self, votes: bytes, samples: NDArray[np.float32]) -> bytes:
        """votes: 1 or 0 of the next frames. samples: those that came in with them; votes may lag behind."""
        self._measure(samples)
        levels, self._decibels = self._decibels[: len(votes)], self._decibels[len(votes) :]
        return bytes(self._judge(vote, level) for vote, level in zip(votes, levels, strict=True))

    def _judge(self, vote: int, decibel: float) -> int:
        if decibel < self._options.decibel_thres:
            return 0
        if vote:
            return int(decibel - self._noise >= self._options.snr_thres)
        count = max(self._options.noise_frame_num_used_for_snr, 1)
        self._noise = decibel if self._noise < -99.9 else (decibel + self._noise * (count - 1)) / count
        return 0

    def _measure(self, samples: NDArray[np.float32]) -> None:
        x = np.concatenate([self._rest, samples])
        n_frames = max(0, 1 + (len(x) - self._length) // self._shift)
        if n_frames:
            frames = np.lib.stride_tricks.sliding_window_view(x, self._length)[:: self._shift][:n_frames]
            energies = np.einsum("ts,ts->t", frames, frames, dtype=np.float64)
            self._decibels += (10 * np.log10(energies + FLOOR)).tolist()
        self._rest = x[n_frames * self._shift :]
