"""What a character asks of the space around it."""

import unicodedata
from functools import lru_cache

# Written wide, and yet with spaces between words.
HANGUL = (("\u1100", "\u11ff"), ("\u3130", "\u318f"), ("\ua960", "\ua97f"), ("\uac00", "\ud7ff"), ("\uffa0", "\uffdc"))
# Thai, Lao and Tibetan; Myanmar; Khmer: words of several characters, and no spaces between them.
RUN_ON = (("\u0e00", "\u0fff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"))
TRAILING = frozenset(".,!?;:%‰°℃℉…·，。．！？；：、％・｡､･゛゜")
LEADING = frozenset("$￥¥£€₩#¿¡")
BINDING = frozenset("@/_＠")


@lru_cache(maxsize=16384)
def is_unspaced(character: str) -> bool:
    """Whether it stands without spaces.

    >>> [c for c in "a1é한ｱ你々〇ー。１𫖯ひไក" if not is_unspaced(c)]
    ['a', '1', 'é', '한']
    """
    return is_wide(character) or any(first <= character <= last for first, last in RUN_ON)


@lru_cache(maxsize=16384)
def is_wide(character: str) -> bool:
    """Whether it is a word of its own: ideographs, kana, full-width forms, and the marks that go with them.

    >>> [c for c in "a1é한ｱ你々〇ー。１𫖯ひไក" if not is_wide(c)]
    ['a', '1', 'é', '한', 'ไ', 'ក']
    """
    if any(first <= character <= last for first, last in HANGUL):
        return False
    return unicodedata.east_asian_width(character) in "WF" or "\uff61" <= character <= "\uff9f"


@lru_cache(maxsize=16384)
def is_trailing(character: str) -> bool:
    """Whether it belongs to what stands before it: closing marks, accents, voiced sound marks."""
    return (
        character in TRAILING
        or character in "\uff9e\uff9f"
        or unicodedata.category(character) in ("Pe", "Pf", "Mn", "Mc", "Me", "Cf")
    )


@lru_cache(maxsize=16384)
def is_leading(character: str) -> bool:
    """Whether it belongs to what stands after it: opening marks, currency signs."""
    return character in LEADING or unicodedata.category(character) in ("Ps", "Pi")
