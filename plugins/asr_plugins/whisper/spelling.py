"""Byte-level tokens to words: which words a text has, and which tokens each took.

Scripts with spaces are divided where the text has spaces, those without at every character. A mark belongs to the word
it stands at. A character is never divided, though its bytes may come in several tokens; one token may hold several
characters.
"""

import codecs
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asr_cli.text.characters import is_leading, is_trailing, is_unspaced

OPENING = frozenset("\"'-–—„‚»")  # belong to the word behind them if there is a space before them
QUOTES = frozenset("\"'")  # else to the one before
JOINER = "\u200d"  # makes one emoji of two
SPOKEN = frozenset("%‰&@#*/\\§")  # marks that are words


@dataclass(frozen=True, slots=True)
class Part:
    """Characters of one word, and how many tokens it took until they were complete.

    n_ids: 0 if they are the next characters of the last token of the word before.
    """

    text: str
    n_ids: int


@dataclass(frozen=True, slots=True)
class Spelled:
    """A word with the whitespace before it; without a text where special tokens stand between words."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    @property
    def n_ids(self) -> int:
        return sum(part.n_ids for part in self.parts)


def are_marks(text: str) -> bool:
    """Whether there is nothing in it that is spoken."""
    return all(c.isspace() or (unicodedata.category(c)[0] == "P" and c not in SPOKEN) for c in text)


def spell(tokens: Iterable[bytes | None]) -> list[Spelled]:
    """The words of a text, token by token; None stands for a special one."""
    return [Spelled(tuple(word)) for run in runs(tokens) for word in attached(divided(run))]


def runs(tokens: Iterable[bytes | None]) -> Iterator[list[Part]]:
    """The parts of each stretch without special tokens; a stretch of those is a lone part without text."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    run: list[Part] = []
    n_ids = n_special = 0  # since the last complete character; since the last run
    for token in tokens:
        if token is None and not decoder.getstate()[0]:
            if run:
                yield run
                run = []
            n_special += 1
            continue
        if n_special:
            yield [Part("", n_special)]
            n_special = 0
        n_ids += 1
        text = decoder.decode(token or b"")  # a special token within a character does not end it
        if text:
            run.append(Part(text, n_ids))
            n_ids = 0
    rest = decoder.decode(b"", final=True)
    if rest or n_ids:
        run.append(Part(rest, n_ids))
    if run:
        yield run
    if n_special:
        yield [Part("", n_special)]


def divided(run: Iterable[Part]) -> Iterator[list[Part]]:
    """The parts of each word of a run; marks that stand alone are still words."""
    word: list[Part] = []
    text = ""
    for part in run:
        piece, n_ids = "", part.n_ids
        for character in part.text:
            if begins(text + piece, character):
                yield [*word, Part(piece, n_ids)] if piece else word
                word, text, n_ids = [], "", 0 if piece else n_ids
                piece = ""
            piece += character
        word.append(Part(piece, n_ids))
        text += piece
    if word:
        yield word


def begins(word: str, character: str) -> bool:
    """Whether a character does not go on with the word so far."""
    if not word or word.isspace() or word.endswith(JOINER):
        return False
    if character.isspace() != word[-1].isspace():
        return character.isspace()
    if is_trailing(character) or character in QUOTES or all(c.isspace() or is_leading(c) for c in word):
        return False
    return is_unspaced(character) or any(map(is_unspaced, word))


def attached(words: Iterable[list[Part]]) -> Iterator[list[Part]]:
    """Marks that stand alone go to the word before them, and opening ones to the word behind."""
    before: list[Part] = []
    opening: list[Part] = []
    for word in words:
        text = "".join(part.text for part in word)
        if not are_marks(text):
            if before:
                yield before
            before, opening = [*opening, *word], []
        elif opening or not before or opens(text):
            opening += word
        else:
            before += word
    if before or opening:
        yield [*before, *opening]


def opens(text: str) -> bool:
    last = text.rstrip()[-1:]
    return text[0].isspace() if last in OPENING else last != "" and is_leading(last)
