"""What is counted: a text's words, its characters, or of each script what it is read by."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from asr_cli.errors import UsageError
from asr_cli.text.characters import is_unspaced

METRICS = {
    "mer": "mixed error rate: Han, kana and other scripts without spaces by character, the rest by word",
    "wer": "word error rate: what stands between spaces",
    "cer": "character error rate: every character, and the space between words",
}

# Kaldi's: an ideographic or no-break space is part of a word there.
TOKEN = re.compile(r"[^ \t\n\r\f\v]+")
APOSTROPHES = str.maketrans("’ʼ", "''")
GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")  # 1,024
LOOSE = re.compile(r"(?<!\d)\.|\.(?!\d)|(?<!\w)'|'(?!\w)|,")


@dataclass(frozen=True, slots=True)
class Rules:
    """How both texts are made comparable before they are counted."""

    normalize: bool = True
    keep_case: bool = False
    keep_punctuation: bool = False

    def __str__(self) -> str:
        if not self.normalize:
            return "none; the text as it is"
        case = "case kept" if self.keep_case else "lower case"
        marks = "kept" if self.keep_punctuation else "removed (not ' inside a word, nor . inside a number)"
        return f"NFKC, {case}, punctuation and symbols {marks}"


class Marks(dict[int, str | None]):
    """For str.translate: a space for punctuation and symbols, nothing for what cannot be seen; filled when asked."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        kind = unicodedata.category(character)
        found: str | None = character
        if kind[0] in "PS" and character not in "'.,":
            found = " "
        elif kind == "Cf" or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
            found = None  # joiners, direction marks, variants of a character's shape
        self[code] = found
        return found


MARKS = Marks()


def normalized(text: str, rules: Rules) -> str:
    """
    >>> normalized("“Well-known,” she said; it’s 1,024.5 ＫＭ。", Rules())
    "well known she said it's 1024.5 km"
    """
    if not rules.normalize:
        return text
    text = unicodedata.normalize("NFKC", text)
    if not rules.keep_case:
        text = text.lower()
    if not rules.keep_punctuation:
        text = LOOSE.sub(" ", GROUPED.sub("", text.translate(APOSTROPHES).translate(MARKS)))
    return " ".join(text.split())


def units(text: str, metric: str, rules: Rules) -> list[str]:
    """The text's units, normalised first."""
    text = normalized(text, rules)
    if metric == "wer":
        return words(text)
    if metric == "cer":
        return list(narrowed(text) if rules.normalize else text.strip())
    return [unit for word in words(text) for unit in mixed(word)]


def words(text: str) -> list[str]:
    return TOKEN.findall(text)


def mixed(word: str) -> Iterator[str]:
    """The characters of unspaced scripts, and what stands between them.

    Hangul is spaced, so a Korean word is one unit.

    >>> list(mixed("用iPhone打电话")), list(mixed("한국어"))
    (['用', 'iPhone', '打', '电', '话'], ['한국어'])
    """
    if word.isascii():
        yield word
        return
    for is_character, run in groupby(word, is_unspaced):
        if is_character:
            yield from run
        else:
            yield "".join(run)


def narrowed(text: str) -> str:
    """The text with spaces only where its scripts have them, so that spacing a Chinese text out is no error.

    >>> narrowed("你 好 big world")
    '你好big world'
    """
    return joined(words(text), lambda left, right: not (is_unspaced(left) or is_unspaced(right)))


def run_together(lines: Iterable[str]) -> str:
    """The lines in one, a space between them except between characters of unspaced scripts.

    >>> run_together(["你好", "世界", "big", "", "world"])
    '你好世界 big world'
    """
    return joined(lines, lambda left, right: not (is_unspaced(left) and is_unspaced(right)))


def joined(pieces: Iterable[str], is_spaced: Callable[[str, str], bool]) -> str:
    """is_spaced: whether a space belongs between two characters, a piece's last and the next one's first."""
    parts: list[str] = []
    for piece in filter(None, map(str.strip, pieces)):
        if parts and is_spaced(parts[-1][-1], piece[0]):
            parts.append(" ")
        parts.append(piece)
    return "".join(parts)


def parsed_metrics(text: str) -> tuple[str, ...]:
    """
    >>> parsed_metrics("wer,CER"), parsed_metrics("all")
    (('wer', 'cer'), ('mer', 'wer', 'cer'))
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in METRICS and name != "all":
            raise UsageError(f"{name!r} is no error rate; known: {', '.join(METRICS)}, all")
    if not names:
        raise UsageError(f"--metric names no error rate; known: {', '.join(METRICS)}, all")
    return tuple(METRICS) if "all" in names else tuple(dict.fromkeys(names))
