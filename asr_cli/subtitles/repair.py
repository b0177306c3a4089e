"""Words as they come, made fit to be set: times that run forwards, no line breaks, none too wide to place."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from asr_cli.subtitles.columns import clean, columns, is_blank, may_break
from asr_cli.transcript import Word

# Seconds, some thirty years: no recording is that long, and beyond it floats no longer hold a frame.
ENDLESS = 1e9

TOKEN = re.compile(r"[ \u3000]*[^ \u3000]+")


def repair(words: Iterable[Word], last: float = 0.0) -> Iterator[Word]:
    """The same text with sane times: not before `last`, finite, each word over before the next.

    Words without anything to see in them go; a space among them is kept for the next word.
    """
    held: Word | None = None
    space = ""
    for word in words:
        text = clean(word.text)
        if is_blank(text):
            space = space or text[:1]
            continue
        if space and not text[0].isspace():
            text = " " + text
        space = text[-1:] if text[-1:].isspace() else ""
        start = max(word.start, last) if is_time(word.start) else last
        end = max(word.end, start) if is_time(word.end) else start
        if held is not None:
            yield replace(held, end=min(held.end, start))
        held, last = replace(word, text=text.rstrip(), start=start, end=end), start
    if held is not None:
        yield held


def is_time(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds < ENDLESS


def cut_wide(words: Iterable[Word], width: int) -> Iterator[Word]:
    """Cut words that hold several (a recogniser may give a sentence as one) or that no line can hold.

    A piece's times are its share of the word's, by columns.
    """
    for word in words:
        pieces = TOKEN.findall(word.text)
        if len(pieces) > 1 or columns(word.text) > width:
            pieces = [part for piece in pieces for part in cut_token(piece, width)]
        yield from share(word, pieces) if len(pieces) > 1 else (word,)


def cut_token(token: str, width: int) -> list[str]:
    if columns(token) <= width:
        return [token]
    parts: list[str] = []
    for character in token:
        if parts and not may_break(parts[-1], character):
            parts[-1] += character
        else:
            parts.append(character)
    return [piece for part in parts for piece in ([part] if columns(part) <= 2 * width else chop(part, width))]


def chop(text: str, width: int) -> list[str]:
    """Cut where no rule allows it: twice the width of a line helps nobody."""
    parts = [""]
    for character in text:
        if parts[-1].strip() and columns(character) and columns(parts[-1] + character) > width:
            parts.append("")
        parts[-1] += character
    return parts


def share(word: Word, pieces: list[str]) -> Iterator[Word]:
    total = sum(map(columns, pieces)) or 1
    position, before = word.start, 0
    for piece in pieces:
        before += columns(piece)
        # Never beyond the word's own end, where the product may round to.
        end = min(word.start + (word.end - word.start) * before / total, word.end)
        yield replace(word, text=piece, start=position, end=end)
        position = end
