"""Texts that went in circles, which is how an autoregressive model fails."""

import zlib
from collections.abc import Hashable, Sequence

LONGEST_UNIT = 30  # tokens; a long sentence
# Laughter and "no no no" are said often, whole phrases are not; a song's refrain comes back four or five times.
SHORT_UNIT, N_SHORT = 3, 20  # tokens; times
N_LONG = 6


def compression_ratio(text: str) -> float:
    """How much shorter zlib writes it; as released with openai-whisper, where more than 2.4 is suspected.

    >>> round(compression_ratio(" and then" * 20), 1), round(compression_ratio(" Nothing is said twice here."), 1)
    (9.0, 0.8)
    """
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def repeats(ids: Sequence[Hashable]) -> bool:
    """Whether the text is going in circles at its end; quick enough to be asked after every token.

    >>> repeats([7, 8, 9, 10] * 6), repeats([7] * 12), repeats(list(range(200)))
    (True, False, False)
    """
    covered: dict[int, int] = {}  # by the length of a unit, how many tokens it repeats over
    for n in range(1, min(LONGEST_UNIT, len(ids) // N_LONG) + 1):
        covered[n] = n + n_alike(ids, n)
        if any(n % shorter == 0 and covered[shorter] >= covered[n] for shorter in covered if shorter < n):
            continue  # what is said twelve times is not another thing that is said six times
        if covered[n] >= n * (N_SHORT if n <= SHORT_UNIT else N_LONG):
            return True
    return False


def n_alike(ids: Sequence[Hashable], n: int) -> int:
    """How many tokens at the end are the same as the one `n` before them."""
    for i in range(len(ids) - 1, n - 1, -1):
        if ids[i] != ids[i - n]:
            return len(ids) - 1 - i
    return len(ids) - n
