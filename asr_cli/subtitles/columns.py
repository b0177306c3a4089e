"""How wide text is on a screen, and where a line of it may end."""

import re
import unicodedata
from functools import lru_cache

ZWJ = "\u200d"
EMOJI_STYLE = "\ufe0f"  # asks for the colourful, two column form of the character before it
NO_BREAK_SPACES = "\u00a0\u2007\u202f"

# Never first in a line (JIS X 4051, GB/T 15834): closing marks, small kana, the long vowel mark.
CLOSING = frozenset(
    "。．，、,.;:!?；：！？…‥)]}）］｝」』】〉》〕〗〙”’»›%％‰°℃℉・～〜｡､｣･"
    "ーｰ々〻ゝゞヽヾﾞﾟぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶｧｨｩｪｫｬｭｮｯ"
)
# Never last in a line: what belongs to the text after it.
OPENING = frozenset("(（[［{｛「『【〈《〔〖〘“‘«‹¿¡$＄￥¥£€#＃@＠")
UNITS = frozenset("年月日号號时時点點分秒个個人名歳岁才円元块塊度万萬亿億千百倍次回位章页頁階楼樓部本台つ")


@lru_cache(maxsize=4096)
def character_columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # a skin tone colours the emoji before it
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def columns(text: str) -> int:
    """The display columns of `text`: a CJK character or an emoji takes two, a combining mark none.

    >>> columns("abc"), columns("你好，"), columns("e\u0301")
    (3, 6, 1)
    """
    if text.isascii():
        return len(text)
    width, last = 0, ""
    for character in text:
        if character == EMOJI_STYLE and last and character_columns(last) == 1:
            width += 1
        elif last != ZWJ:  # what is joined to an emoji is drawn in the same place
            width += character_columns(character)
        last = character
    return width


def reading_units(text: str) -> float:
    """How much there is to read: characters; in CJK text two narrow ones count as one."""
    width = columns(text)
    return width / 2 if any(character_columns(c) == 2 for c in text) else float(width)


CONTROL = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
KEPT_SPACES = re.compile(f"[{NO_BREAK_SPACES}\u3000]")


def clean(text: str) -> str:
    """`text` on one line, without anything a file could not hold."""
    if text.isascii() and text.isprintable():
        return text
    text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text if c != "\ufeff")
    return CONTROL.sub(lambda m: m.group() if KEPT_SPACES.fullmatch(m.group()) else " ", text)


def is_blank(text: str) -> bool:
    """Nothing to see in it."""
    return all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in text)


def is_space(character: str) -> bool:
    return character.isspace() and character not in NO_BREAK_SPACES


def breaks_freely(character: str) -> bool:
    """Whether its script puts no spaces between words: kana, ideographs, Thai, Lao, Khmer, Burmese, emoji.

    Hangul is as wide, and spaced.
    """
    if "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7af":
        return False
    return (
        character_columns(character) == 2
        or "\u0e00" <= character <= "\u0eff"
        or "\u1000" <= character <= "\u109f"
        or "\u1780" <= character <= "\u17ff"
    )


def may_break(left: str, right: str) -> bool:
    """Whether a line may end between `left` and `right`, both not empty.

    >>> may_break("你", "好"), may_break("好", "。"), may_break("「", "好"), may_break("2024", "年")
    (True, False, False, False)
    """
    body = right.lstrip()
    before, after = left.rstrip()[-1:], body[:1]
    if not before or not after:
        return False
    spaced = is_space(right[0]) or is_space(left[-1])
    if before in OPENING or (after in CLOSING and not (spaced and any(map(str.isalnum, body[1:])))):
        return False
    if spaced:
        return True
    if before == ZWJ or after == ZWJ or (character_columns(after) == 0):
        return False
    if before.isdigit() and (after in UNITS or after.isdigit()):
        return False
    return breaks_freely(before) or breaks_freely(after)
