"""Times of live sound: those of the clock, whatever was lost on the way.

A device's own clock is off by a little, a second in some hours; that is left alone, as a recording of it would be. Only
where no sound came for a while do we look at the wall clock, and put silence for what is missing.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio

LEAST_SECONDS = 0.02  # of a block
MOST_SECONDS = 0.1  # of silence in one block
GAP_SECONDS = 0.5  # between two arrivals, after which we ask whether sound was lost
SETTLE_SECONDS = 0.3  # after a gap, for what was only late: a sound server keeps minutes for a program that was stopped
LEAST_LOST_SECONDS = 0.05  # what is less is the jitter of arrivals
BEHIND_SECONDS = 0.5  # that silence stays behind the clock, for the sound that may still come

Samples = NDArray[np.float32]


class Timeline:
    """Gives samples their times. `at` and `now` are one monotonic clock's, and `at` is when the samples arrived."""

    def __init__(self) -> None:
        self._n_given = 0
        self._until = 0.0  # the clock's time of the last sample given
        self._is_begun = False
        self._held: list[Samples] = []  # since a gap, until it is known how much was lost
        self._held_from = self._held_until = 0.0

    def hear(self, samples: Samples, at: float) -> Iterator[Audio]:
        """The next sound; what is given may come later, and after silence."""
        if not self._held:
            if not self._is_begun or at - self._until <= GAP_SECONDS:
                self._until, self._is_begun = at, True
                yield from self.give(samples)
                return
            self._held_from = at
        self._held.append(samples)
        self._held_until = at
        if at - self._held_from >= SETTLE_SECONDS:
            yield from self.release()

    def release(self) -> Iterator[Audio]:
        """What was held back since a gap, with silence before it for what was lost."""
        held, self._held = self._held, []
        if not held:
            return
        n_held = sum(map(len, held))
        lost = self._held_until - self._until - n_held / SAMPLE_RATE
        if lost >= LEAST_LOST_SECONDS:
            yield from self._silence(lost)
        self._until = max(self._until + n_held / SAMPLE_RATE, self._held_until)
        for samples in held:
            yield from self.give(samples)

    def fill(self, now: float, *, behind: float = BEHIND_SECONDS) -> Iterator[Audio]:
        """Silence for a device that is gone, up to a little before now."""
        if not self._is_begun:
            self._until, self._is_begun = now, True
        yield from self._silence(now - behind - self._until)

    def give(self, samples: Samples) -> Iterator[Audio]:
        if len(samples):
            start = self._n_given / SAMPLE_RATE
            self._n_given += len(samples)
            yield Audio(samples, start=start)

    def _silence(self, seconds: float) -> Iterator[Audio]:
        n_left = round(seconds * SAMPLE_RATE)
        self._until += max(n_left, 0) / SAMPLE_RATE
        while n_left > 0:
            n_block = min(n_left, round(MOST_SECONDS * SAMPLE_RATE))
            yield from self.give(np.zeros(n_block, np.float32))
            n_left -= n_block


def at_least(blocks: Iterable[Audio], seconds: float = LEAST_SECONDS) -> Iterator[Audio]:
    """The same sound in blocks that are not shorter, but for the last: some devices call for each 3 ms."""
    waiting: list[Audio] = []
    for block in blocks:
        waiting.append(block)
        if sum(one.duration for one in waiting) >= seconds:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def joined(blocks: list[Audio]) -> Audio:
    return blocks[0] if len(blocks) == 1 else Audio(np.concatenate([one.samples for one in blocks]), blocks[0].start)
