"""When each token was said, from the frames at which a transducer said it."""

from collections.abc import Sequence
from itertools import groupby, pairwise

LONGEST = 0.4  # s that one token lasts at the most; behind it nothing is said


def token_times(frames: Sequence[int], frame: float, end: float) -> list[tuple[float, float]]:
    """The start and end of each token in seconds, in order and before `end`: from its frame to that of the next one.

    frames: each of `frame` seconds, never falling. Those of the same frame share the time until the next one.

    >>> token_times([2, 5, 5, 20], 0.08, 1.7)
    [(0.16, 0.4), (0.4, 0.8), (0.8, 1.2), (1.6, 1.7)]
    """
    groups = [(at, len(list(group))) for at, group in groupby(frames)]
    found: list[tuple[float, float]] = []
    for index, (at, n_tokens) in enumerate(groups):
        begin = min(at * frame, end)
        until = min(groups[index + 1][0] * frame, end) if index + 1 < len(groups) else end
        share = min((until - begin) / n_tokens, LONGEST)
        borders = [round(begin + share * place, 3) for place in range(n_tokens + 1)]
        found += pairwise(borders)
    return found
