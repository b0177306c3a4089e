"""Words cut to what a punctuation network reads: words of spaced scripts, single characters of the others."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from asr_cli.transcript import Word

PIECE = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")
ENGLISH = re.compile(r"[a-zA-Z']+")

Cutter = Callable[[str], Iterable[str]]
Place = tuple[str, Word | None]  # a character, and the word it is the last one of


@dataclass(frozen=True, slots=True)
class Token:
    """What the network takes for one; words: those that end with it (none where a word goes on)."""

    text: str
    words: tuple[Word, ...] = ()


def tokens_of(words: Iterable[Word], cut: Cutter | None = None) -> list[Token]:
    """The tokens of an utterance; a word without anything visible in it has none.

    cut: divides unspaced text into words, for networks that read such words whole.

    >>> [token.text for token in tokens_of([Word(t, 0, 0) for t in ("今", "年", "2024年", " don", "'t")])]
    ['今', '年', '2024', '年', "don't"]
    """
    runs = [list(run) for blank, run in groupby(places(words), key=lambda place: place[0].isspace()) if not blank]
    if cut is None:
        return [token for run in runs for token in owned(run, PIECE.findall(spell(run)))]
    texts = ((run, spell(run)) for run in unspaced_joined(runs))
    return [token for run, text in texts for token in owned(run, [text] if ENGLISH.fullmatch(text) else cut(text))]


def places(words: Iterable[Word]) -> Iterator[Place]:
    for word in words:
        n_visible = len(word.text.rstrip())
        for at, character in enumerate(word.text, start=1):
            yield character, word if at == n_visible else None


def spell(run: Iterable[Place]) -> str:
    return "".join(character for character, _ in run)


def unspaced_joined(runs: Iterable[list[Place]]) -> Iterator[list[Place]]:
    """English words each alone, and all that stands between two of them in one run."""
    for is_english, group in groupby(runs, key=lambda run: ENGLISH.fullmatch(spell(run)) is not None):
        if is_english:
            yield from group
        else:
            yield [place for run in group for place in run]


def owned(run: Sequence[Place], texts: Iterable[str]) -> Iterator[Token]:
    """The texts that a run spells, with their words."""
    begin = 0
    for text in texts:
        end = begin + len(text)
        yield Token(text, tuple(word for _, word in run[begin:end] if word is not None))
        begin = end
