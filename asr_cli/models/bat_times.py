"""When each token was said, from the frames at which a transducer said it."""

from collections.abc import Sequence
from itertools import groupby, pairwise

LONGEST = 0.4  # s that one token lasts at the most; before it nothing is said
FIRST = 0.5  # of a frame, which what is said in the very first one lasts


def token_times(frames: Sequence[int], frame: float, end: float) -> list[tuple[float, float]]:
    """The start and end of each token in seconds, in order and before `end`: from the frame of the one before to its
    own, since a transducer says a token when it has heard it.

    frames: each of `frame` seconds, never falling. Those of the same frame share the time since the one before.

    >>> token_times([2, 5, 5, 20], 0.08, 1.7)
    [(0.0, 0.16), (0.16, 0.28), (0.28, 0.4), (1.2, 1.6)]
    """
    found: list[tuple[float, float]] = []
    before = 0.0
    for at, group in groupby(frames):
        n_tokens = len(list(group))
        until = min(max(at, FIRST) * frame, end)
        share = min((until - before) / n_tokens, LONGEST)
        borders = [round(until - share * place, 3) for place in range(n_tokens, -1, -1)]
        found += pairwise(borders)
        before = until
    return found
