"""Plain tables: columns by display width, the same on a terminal and in a pipe."""

import unicodedata
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    >>> print(table(("A", "B"), [("x", "y"), ("汉字", "z")]))
    A     B
    x     y
    汉字  z
    """
    lines = [list(head), *map(list, rows)]
    widths = [max(columns(line[index]) for line in lines) for index in range(len(head))]
    return "\n".join(
        "  ".join(padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
