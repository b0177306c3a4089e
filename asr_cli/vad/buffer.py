"""The part of a stream that may still be needed, addressed by samples from the stream's first."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

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


def gather(blocks: Iterable[Audio], seconds: float) -> Iterator[Audio]:
    """Neighbouring blocks joined until they last `seconds`."""
    waiting: list[Audio] = []
    duration = 0.0
    for block in blocks:
        waiting.append(block)
        duration += block.duration
        if duration >= seconds:
            yield joined(waiting)
            waiting, duration = [], 0.0
    if waiting:
        yield joined(waiting)


def joined(blocks: list[Audio]) -> Audio:
    if len(blocks) == 1:
        return blocks[0]
    return Audio(np.concatenate([block.samples for block in blocks]), start=blocks[0].start)
