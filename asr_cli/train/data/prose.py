"""Books as a recogniser would hear them: bare lower-case words, and for each what was taken from it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

MARKS = ("", ",", ".", "?")
LETTER = "A-Za-zÀ-ÖØ-öø-ÿ"
# A word (or number), what stands before the next one: marks, quotes, spaces.
WORD = re.compile(rf"\d[\d,.]*\d|\d|[{LETTER}]+(?:['’][{LETTER}]+)*")
TITLES = frozenset(("mr", "mrs", "ms", "dr", "st", "messrs", "prof", "rev", "hon", "capt", "col", "gen", "lieut", "jr",
                    "sr", "esq", "viz", "vs", "no", "vol"))  # fmt: skip
ENDS = re.compile(r"[.!…]")
PAUSES = re.compile(r"[,;:—–]|--|\.\s*\.")
# After a semicolon, what goes on with the sentence; before anything else speech would begin another.
JOINING = frozenset(("and", "but", "or", "nor", "for", "yet", "so", "while", "whilst", "though", "although", "as",
                     "that", "which", "who", "whom", "when", "where"))  # fmt: skip
OPENING = re.compile(r"[“‘(\[]|(?:^|[\s—-])[\"'](?=$)")
SHORTEST = 3  # words; a paragraph of fewer without a mark at its end is a heading


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, the mark that followed it, and whether it had a capital of its own.

    capital: None where only the place asked for one, and nothing else in the book tells.
    """

    word: str
    mark: str = ""
    capital: bool | None = False


def read_books(paths: Iterable[Path]) -> list[list[Token]]:
    """The tokens of each book."""
    return [list(settled(tokens(path.read_text(encoding="utf-8")))) for path in paths]


def tokens(text: str) -> Iterator[Token]:
    for paragraph in re.split(r"\n\s*\n", text.replace("_", "")):
        if is_prose(paragraph):
            yield from tokens_of(" ".join(paragraph.split()))


def is_prose(paragraph: str) -> bool:
    """Neither a heading nor a table of contents."""
    bare = paragraph.strip().rstrip("\"'”’)]")
    ends = bare.endswith((".", "?", "!", ",", ":", ";", "—", "-"))
    return ends and len(bare.split()) >= SHORTEST and not bare.isupper()


def tokens_of(paragraph: str) -> Iterator[Token]:
    found = list(WORD.finditer(paragraph))
    fresh = True  # whether the place alone would ask for a capital
    for match, after in pairwise([*found, None]):
        assert match is not None
        between = paragraph[match.end() : after.start() if after else len(paragraph)]
        word = match.group().replace("’", "'")
        mark = mark_in(between, word, after.group() if after else None)
        capital = word[0].isupper() and not (word.isupper() and len(word) > 1)
        yield Token(spoken(word), mark, None if fresh and word[0].isupper() else capital)
        fresh = mark in (".", "?") or OPENING.search(between) is not None


def mark_in(between: str, word: str, following: str | None) -> str:
    """The mark a transcript would have: of what stands between two words, the strongest.

    >>> mark_in('!" ', "Never", "He"), mark_in('!" ', "Never", "said"), mark_in(". ", "Mr", "Pip")
    ('.', ',', '')
    """
    if "?" in between:
        return "?"
    if following is None:
        return "."
    is_abbreviation = word.lower() in TITLES or (len(word) == 1 and word not in ("I", "a", "A"))
    if ENDS.search(between) and not (is_abbreviation and between.strip() == "."):
        return "." if following[0].isupper() or following[0].isdigit() else ","
    if ";" in between and following.lower() not in JOINING:
        return "."
    return "," if PAUSES.search(between) else ""


def spoken(word: str) -> str:
    """As a vocabulary of spoken words has it; a number is one, whatever its digits."""
    return "0" if word[0].isdigit() else word.lower()


def settled(book: Iterable[Token]) -> Iterator[Token]:
    """Where only the place asked for a capital, what the word has elsewhere in the book, if it is ever elsewhere."""
    book = list(book)
    proper: Counter[str] = Counter(token.word for token in book if token.capital is True)
    common: Counter[str] = Counter(token.word for token in book if token.capital is False)
    for token in book:
        if token.capital is None and proper[token.word] + common[token.word]:
            token = replace(token, capital=proper[token.word] > common[token.word])
        yield token
