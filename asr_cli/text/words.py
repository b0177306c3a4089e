"""Recognisers' pieces to words.

A piece is what a vocabulary calls a token: a character, a word, or a part of a word that says whether it goes on
("hel@@", "lo") or where it begins ("▁hel", "lo").

Every character of an unspaced script is a word of its own; anything else is a word as long as its pieces go on. Between
two words there is a space where both sides have one in their script, so none between Chinese and Latin ("用python写"):
nobody speaks it, FunASR and Japanese leave it out, what draws the text can put a gap there, and a search for
"用python" finds it. A mark belongs to the word it stands at, and digits said one by one are one number.

Nothing is lost: a word whose end never came is a word, every mark has a time, and a word is from its first piece's
start to its last piece's end.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from asr_cli.text.abbreviations import abbreviated, least_sure
from asr_cli.text.characters import BINDING, is_leading, is_trailing, is_wide
from asr_cli.transcript import Word

SPECIAL = frozenset((
    "<s>", "</s>", "<S>", "</S>", "<sos>", "<eos>", "<sos/eos>", "<unk>", "<UNK>", "<OOV>", "<blank>", "<pad>",
))  # fmt: skip
GOES_ON, BEGINS = "@@", "▁"
APOSTROPHES = "'’"
RUN = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a recogniser; times in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Part(Piece):
    """One character of an unspaced script, or a run of others; empty where a piece only says that a word begins.

    begins, ends: whether the vocabulary says that a word begins, or ends, with it.
    """

    begins: bool = True
    ends: bool = True


def join(pieces: Iterable[Piece], *, sentencepiece: bool = False) -> tuple[Word, ...]:
    """The words that the pieces of one utterance spell.

    sentencepiece: whether the vocabulary marks where words begin; otherwise a piece without "@@" ends its word.

    >>> [word.text for word in join(Piece(t, 0, 0) for t in ("你", "hel@@", "lo", "world", "3", ".", "5", "%"))]
    ['你', 'hello', ' world', ' 3.5%']
    """
    parts = (part for piece in pieces if piece.text not in SPECIAL for part in divide(piece, sentencepiece))
    return tuple(spaced(abbreviated(list(gather(connected(parts))))))


def divide(piece: Piece, sentencepiece: bool) -> Iterator[Part]:
    """The piece's characters and runs, each with its share of the time."""
    ends = not piece.text.endswith(GOES_ON) or piece.text == GOES_ON
    body = (piece.text if ends else piece.text.removesuffix(GOES_ON)).replace(BEGINS, " ")
    begins = not sentencepiece or body[:1].isspace()
    runs = list(runs_of(body)) or [""]
    share = (piece.end - piece.start) / max(sum(map(len, runs)), 1)
    at = 0
    for i, run in enumerate(runs):
        last = i == len(runs) - 1
        end = piece.end if last else piece.start + share * (at + len(run))
        yield Part(run, piece.start + share * at, end, piece.confidence, begins or i > 0, ends or not last)
        at += len(run)


def connected(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts; one begins a word only if the one before it ended its own."""
    marked = going_on = False
    for part in parts:
        if not part.text:
            marked = part.begins
            continue
        yield replace(part, begins=(part.begins or marked) and not going_on)
        marked, going_on = False, not part.ends


def runs_of(text: str) -> Iterator[str]:
    for stretch in RUN.split(text):
        first = 0
        for i in range(1, len(stretch) + 1):
            if i == len(stretch) or (boundary(stretch[i - 1], stretch[i]) and not is_trailing(stretch[i])):
                yield stretch[first:i]
                first = i


def boundary(left: str, right: str) -> bool:
    return is_wide(left) or is_wide(right)


def gather(parts: Iterable[Part]) -> Iterator[Word]:
    """Words without spaces yet."""
    word: Word | None = None
    before: Part | None = None
    for part in parts:
        if word is not None and before is not None and belongs(word.text, before, part):
            word = Word(word.text + part.text, word.start, part.end, least_sure(word.confidence, part.confidence))
        else:
            if word is not None:
                yield word
            word = Word(part.text, part.start, part.end, part.confidence)
        before = part
    if word is not None:
        yield word


def belongs(word: str, before: Part, part: Part) -> bool:
    """Whether a part goes on with the word that ends with the part before it."""
    last, first = word[-1], part.text[0]
    if is_trailing(first):
        return not (first in APOSTROPHES and last.isalpha()) or is_suffix(word, part)
    if is_leading(last):
        return True
    if boundary(last, first):
        return False
    if not part.begins or last in BINDING or first in BINDING:
        return True
    return is_suffix(word, part) or continues_number(word, before, part)


def is_suffix(word: str, part: Part) -> bool:
    """What is only ever the end of a word, though its piece does not say so: the 's of Tom's, the hyphen of e-mail."""
    if part.text[0] in APOSTROPHES and len(part.text) == 1 and not part.ends:
        return False  # it begins a word, such as 'cause
    if word[-1] == "-":
        return word[-2:-1].isalpha() and part.text[0].isalpha()
    return word[-1].isalpha() and (part.text[0] in APOSTROPHES or part.text[0] == "-" or part.text == "n't")


def continues_number(word: str, before: Part, part: Part) -> bool:
    return is_digit(part) and (is_digit(before) or (word[-1] in ".:" and word[-2:-1].isdigit()))


def is_digit(part: Part) -> bool:
    """Whether it is a digit said on its own, and no more than the beginning or the end of a number."""
    return len(part.text) == 1 and part.text.isdigit() and part.begins and part.ends


def spaced(words: Iterable[Word]) -> Iterator[Word]:
    last = ""
    for word in words:
        yield replace(word, text=f" {word.text}") if last and not boundary(last, word.text[0]) else word
        last = word.text[-1]
