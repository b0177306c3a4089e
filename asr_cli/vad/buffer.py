"""The part of a stream that may still be needed, addressed by samples from the stream's first."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio


class Buffer:
    """Blocks of one stream, the oldest forgotten on request."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[int, Audio]] = deque()  # (position of the first sample, block)
        self._start = 0.0
        self.end = 0

    def add(self, block: Audio) -> None:
        if self.end == 0:
            self._start = block.start
        self._blocks.append((self.end, block))
        self.end += len(block.samples)

    def cut(self, first: int, last: int) -> Audio:
        """Samples first to last, less where the stream ended before."""
        pieces = [
            block.samples[max(first - position, 0) : last - position]
            for position, block in self._blocks
            if position < last and position + len(block.samples) > first
        ]
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        return Audio(samples, start=self._start + first / SAMPLE_RATE)

    def forget_before(self, first: int) -> None:
        while self._blocks and self._blocks[0][0] + len(self._blocks[0][1].samples) <= first:
            self._blocks.popleft()


def pieces(blocks: Iterable[Audio], n_samples: int) -> Iterator[Audio]:
    """The stream in pieces of exactly n_samples (the last is shorter), however it came."""
    start, position = 0.0, 0
    parts: list[NDArray[np.float32]] = []
    n_held = 0
    for block in blocks:
        if not position and not parts:
            start = block.start
        samples = block.samples
        while n_held + len(samples) >= n_samples:
            parts.append(samples[: n_samples - n_held])
            samples = samples[n_samples - n_held :]
            yield Audio(joined(parts), start=start + position / SAMPLE_RATE)
            position += n_samples
            parts, n_held = [], 0
        if len(samples):
            parts.append(samples)
            n_held += len(samples)
    if parts:
        yield Audio(joined(parts), start=start + position / SAMPLE_RATE)


def joined(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
