"""Marked tokens to sentences: the same words at the same times, with marks and capitals put on."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from asr_cli.punctuation.blocks import COMMA, ENDS, LONGEST, PAUSE, QUESTION, STOP, Marked
from asr_cli.text.characters import is_unspaced
from asr_cli.transcript import Segment, Word

ASCII = {COMMA: ",", STOP: ".", QUESTION: "?", PAUSE: ","}
OWN_ENDS = frozenset("。．！？!?…｡")
OWN_MARKS = OWN_ENDS | frozenset(".,;:，；：、､")
CLOSERS = "\"'”’»)]}）］｝」』】〉》〕"
# A point belongs to these, and to letters such as those of "a.m.".
ABBREVIATIONS = frozenset(("mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "no.", "prof.", "jr.", "sr."))


def sentences(marked: Iterable[Marked]) -> Iterator[Segment]:
    """Yield each sentence when its end comes; a run of hundreds of words without any is given away in parts."""
    words: list[Word] = []
    begins = True
    for one in marked:
        if not one.token.words:
            continue
        words.extend(written(one, begins))
        begins = is_over(one)
        if begins or len(words) >= LONGEST:
            yield Segment(tuple(words))
            words = []
    if words:
        yield Segment(tuple(words))


def written(one: Marked, begins: bool) -> Iterator[Word]:
    first, *others = one.token.words
    first = replace(first, text=capitalized(first.text)) if begins or one.capital else first
    *others, last = (first, *others)
    yield from others
    yield replace(last, text=last.text + mark_after(last.text, one.mark))


def capitalized(text: str) -> str:
    """The first letter large, where the word is not written in some way of its own.

    >>> capitalized(" hello"), capitalized(" IBM"), capitalized(" iPhone"), capitalized(" 3rd"), capitalized("好")
    (' Hello', ' IBM', ' iPhone', ' 3rd', '好')
    """
    bare = text.lstrip()
    if has_mark(text) or bare != bare.lower() or not bare[:1].isalpha():
        return text
    return text[: len(text) - len(bare)] + bare[0].upper() + bare[1:]


def mark_after(text: str, mark: str) -> str:
    """The mark as the word's script writes it; none after a word that brought its own."""
    if not mark or has_mark(text):
        return ""
    return mark if is_unspaced(text[-1]) else ASCII[mark]


def has_mark(text: str) -> bool:
    return text.rstrip(CLOSERS)[-1:] in OWN_MARKS


def is_over(one: Marked) -> bool:
    """Whether a sentence ends here, by the mark that is put on or by the one that the word brought."""
    text = one.token.words[-1].text
    if not has_mark(text):
        return one.mark in ENDS
    bare = text.strip().rstrip(CLOSERS)
    if not bare.endswith("."):
        return bare[-1] in OWN_ENDS
    has_points = "." in bare[:-1] or len(bare) == 2  # "a.m.", "J."
    is_abbreviation = bare.lower() in ABBREVIATIONS or (has_points and bare[0].isalpha())
    return one.mark in ENDS or not is_abbreviation
