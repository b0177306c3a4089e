"""Which utterances are learned from together, and in what order: known from the seed and the epoch alone."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

POOL = 50  # batches whose utterances are sorted by length together: more alike, and less mixed


def divide(seconds: Sequence[float], order: Sequence[int], batch_seconds: float) -> list[list[int]]:
    """Batches of the utterances in that order, none of which, padded to its longest, is longer than batch_seconds.

    >>> divide([1.0, 2.0, 3.0], [0, 1, 2], 4.0)
    [[0, 1], [2]]
    """
    found: list[list[int]] = []
    longest = 0.0
    for index in order:
        longest = max(longest, seconds[index])
        if not found or longest * (len(found[-1]) + 1) > batch_seconds:
            found.append([])
            longest = seconds[index]
        found[-1].append(index)
    return found


def shuffled(seconds: Sequence[float], batch_seconds: float, seed: int, epoch: int) -> list[list[int]]:
    """The batches of an epoch: utterances of like lengths, in random company and order."""
    chance = random.Random(f"order/{seed}/{epoch}")
    order = list(range(len(seconds)))
    chance.shuffle(order)
    mean = sum(seconds) / max(1, len(seconds))
    n_pool = max(1, int(POOL * batch_seconds / max(mean, 1e-3)))
    pools = [sorted(order[at : at + n_pool], key=lambda i: seconds[i]) for at in range(0, len(order), n_pool)]
    found = [batch for pool in pools for batch in divide(seconds, pool, batch_seconds)]
    chance.shuffle(found)
    return found


@dataclass(frozen=True, slots=True)
class Order:
    """The steps of all epochs. world: how many processes; accumulate: batches that each of them has in a step.

    A step's batches are the same however they are spread: two processes with one each, or one with two.
    """

    seconds: Sequence[float]
    batch_seconds: float
    seed: int
    world: int = 1
    accumulate: int = 1

    def steps(self, epoch: int) -> list[list[list[int]]]:
        """Of each step of an epoch, its world * accumulate batches; the last step is filled up with the first's."""
        found = shuffled(self.seconds, self.batch_seconds, self.seed, epoch)
        n_together = self.world * self.accumulate
        missing = -len(found) % n_together
        found += [found[i % len(found)] for i in range(missing)]
        return [found[at : at + n_together] for at in range(0, len(found), n_together)]

    def walk(self, epoch: int, position: int, rank: int) -> Iterator[list[tuple[int, int]]]:
        """The batches of one process from a step on, for ever, each as (epoch, utterance)."""
        while True:
            for step in islice(self.steps(epoch), position, None):
                for batch in step[rank :: self.world]:
                    yield [(epoch, index) for index in batch]
            epoch, position = epoch + 1, 0
