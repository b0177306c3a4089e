"""The fewest insertions, deletions and substitutions that make the hypothesis of the reference (Levenshtein 1966).

The table of distances has a row for each unit of the hypothesis and a column for each of the reference, and is never
written down: a row is two numbers with a bit for each column (Myers 1999, in the form of Hyyro 2003), so a row costs a
dozen operations of Python's long integers. Rows are kept for one block of the hypothesis at a time and computed again
from the block's first row when the way back needs them: memory grows with n * sqrt(n), not with n * n.

Often several alignments have equally few errors. The way back takes Kaldi's: at each step, from the end, what
compute-wer would do (an insertion rather than a deletion, either rather than a substitution or a match), so that not
only the sum but each of the three counts is compute-wer's.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

CORRECT, SUBSTITUTION, DELETION, INSERTION = "=", "S", "D", "I"
WHOLE_BITS = 1 << 27  # a table of no more bits is kept in one block
MASK_BYTES = 1 << 26  # that the units' columns may take


class Row(NamedTuple):
    """Differences of distance between neighbours in one row of the table; bit j stands for column j + 1.

    up, down: where the distance is one more, one less, than in the column to the left.
    inserted: where it is one more than in the row above.
    """

    up: int
    down: int
    inserted: int


def steps(reference: Sequence[str], hypothesis: Sequence[str]) -> str:
    """The alignment, a letter a step: = correct, S substitution, D deletion, I insertion.

    >>> steps("a b c".split(), "a x c d".split())
    '=S=I'
    """
    if list(reference) == list(hypothesis):
        return CORRECT * len(reference)
    if not reference or not hypothesis:
        return DELETION * len(reference) + INSERTION * len(hypothesis)
    return "".join(way_back(reference, hypothesis))[::-1]


def way_back(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[str]:
    """The steps from the end to the beginning."""
    row, column = len(hypothesis), len(reference)
    for first, rows in blocks(reference, hypothesis):
        while column and row > first:
            up, _, inserted = rows[row - first - 1]
            if inserted >> (column - 1) & 1:
                row -= 1
                yield INSERTION
            elif up >> (column - 1) & 1:
                column -= 1
                yield DELETION
            else:
                row, column = row - 1, column - 1
                yield CORRECT if hypothesis[row] == reference[column] else SUBSTITUTION
    yield from DELETION * column + INSERTION * row


def blocks(reference: Sequence[str], hypothesis: Sequence[str]) -> Iterator[tuple[int, list[Row]]]:
    """The table's rows in blocks, the last block first, each with the index of its first row."""
    columns = columns_of(reference)
    everywhere = (1 << len(reference)) - 1
    is_small = len(reference) * len(hypothesis) <= WHOLE_BITS
    n_rows = len(hypothesis) if is_small else isqrt(len(hypothesis))
    above = Row(everywhere, 0, 0)  # nothing is heard yet: each column is one more deletion
    entries = []
    for first in range(0, len(hypothesis), n_rows):
        entries.append((first, above))
        if first + n_rows < len(hypothesis):
            for unit in hypothesis[first : first + n_rows]:
                above = next_row(above, columns(unit), everywhere)
    for first, above in reversed(entries):
        rows = []
        for unit in hypothesis[first : first + n_rows]:
            above = next_row(above, columns(unit), everywhere)
            rows.append(above)
        yield first, rows


def next_row(above: Row, equal: int, everywhere: int) -> Row:
    """The row under another. equal: the columns whose unit is the row's own."""
    up, down, _ = above
    free = ((((equal & up) + up) ^ up) | equal | down) & everywhere  # no more than diagonally above
    inserted = down | (everywhere ^ (free | up))
    removed = up & free
    shifted = ((inserted << 1) | 1) & everywhere
    return Row(((removed << 1) & everywhere) | (everywhere ^ (free | shifted)), shifted & free, inserted)


def columns_of(reference: Sequence[str]) -> Callable[[str], int]:
    """Where a unit stands in the reference, a bit for each place."""
    places: dict[str, list[int]] = {}
    for column, unit in enumerate(reference):
        places.setdefault(unit, []).append(column)
    n_bytes = len(reference) // 8 + 1

    def columns(unit: str) -> int:
        found = bytearray(n_bytes)
        for column in places.get(unit, ()):
            found[column >> 3] |= 1 << (column & 7)
        return int.from_bytes(found, "little")

    # As many different words as a long recording has would not fit, and its few frequent ones are most of it.
    return lru_cache(maxsize=max(64, MASK_BYTES // n_bytes))(columns)
