"""One window after the other (Radford et al. 2022, section 3.8): where a window's text is cut off, the next one begins
at its last complete segment."""

from collections.abc import Sequence
from typing import NamedTuple


class Complete(NamedTuple):
    """n_tokens: how many of a window's are for good. until: up to when (s from its start), None for its end."""

    n_tokens: int
    until: float | None


def complete_part(ids: Sequence[int], first_stamp: int, step: float) -> Complete:
    """What of a window's tokens, its timestamps among them, nothing later can change.

    first_stamp: the token of 0.00 s; those behind it are `step` seconds apart.

    >>> complete_part([100, 7, 8, 150, 150, 9], 100, 0.02)  # "7 8" until 1.00 s, then something that does not end
    Complete(n_tokens=4, until=1.0)
    >>> complete_part([100, 7, 8, 150], 100, 0.02)  # it ends, and nobody speaks after it
    Complete(n_tokens=4, until=None)
    """
    stamps = [token >= first_stamp for token in ids]
    if stamps[-2:] == [False, True]:  # the last segment is closed, and no other one is opened
        return Complete(len(ids), None)
    pairs = [at for at in range(1, len(ids)) if stamps[at - 1] and stamps[at]]
    if not pairs:
        return Complete(len(ids), None)
    return Complete(pairs[-1], (ids[pairs[-1] - 1] - first_stamp) * step)
