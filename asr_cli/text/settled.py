"""Which words of a text that is still being spoken will stay as they are."""

import re
from collections.abc import Sequence

from asr_cli.text.characters import is_leading, is_trailing, is_wide
from asr_cli.text.words import GOES_ON, Piece, join
from asr_cli.transcript import Word

LETTER = re.compile(r"\s*(?:[A-Za-z]|[0-9]{1,3}|&)")  # what may yet become one word with the letters behind it


def n_settled(pieces: Sequence[Piece], *, sentencepiece: bool) -> int:
    """How many words that these pieces spell are the same whatever pieces follow."""
    begin = last_border(pieces)
    closed = join(pieces[:begin], sentencepiece=sentencepiece)
    return len(closed) + n_closed(join(pieces[begin:], sentencepiece=sentencepiece))


def last_border(pieces: Sequence[Piece]) -> int:
    """The place of the last piece with which a word begins, whatever else is said; 0 where nobody can tell."""
    borders = (at for at in range(len(pieces) - 1, 0, -1) if is_border(pieces[at - 1].text, pieces[at].text))
    return next(borders, 0)


def is_border(left: str, right: str) -> bool:
    """Whether words end and begin between two pieces, whatever else is said: at a character of an unspaced script.

    >>> is_border("你", "好"), is_border("lo", "好"), is_border("hel@@", "你"), is_border("i", "b")
    (True, True, False, False)
    """
    if not left or not right or (left.endswith(GOES_ON) and left != GOES_ON):
        return False
    last, first = left[-1], right[0]
    return (is_wide(last) or is_wide(first)) and not is_leading(last) and not is_trailing(first)


def n_closed(words: Sequence[Word]) -> int:
    """How many words of a spaced script will not change: the last grows, and those before it may be letters that go
    together with it, or with what follows it."""
    count = max(0, len(words) - 2)
    while count and LETTER.fullmatch(words[count - 1].text):
        count -= 1
    return count
