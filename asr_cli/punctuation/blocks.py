"""Endless text for a network that must see what follows: block after block, the unfinished sentence carried along.

The blocks are those of FunASR, so that its labels come out; only its unbounded case is bounded, where no mark at all
is found for hundreds of words. Hence the cost grows as the text does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from asr_cli.punctuation.tokens import Token

COMMA, STOP, QUESTION, PAUSE = "，", "。", "？", "、"
ENDS = (STOP, QUESTION)
BLOCK = 20  # tokens
LONGEST = 200  # a sentence longer than this is ended at a comma
HOPELESS = 400  # and one without even a comma is given away in parts; FunASR carries it on whatever the cost
FIRST = 2  # no sentence is ended before its third token


@dataclass(frozen=True, slots=True)
class Marked:
    """A token with the mark that follows it, "" for none; capital: whether it is a name or the like."""

    token: Token
    mark: str
    capital: bool = False


Label = Callable[[Sequence[Token]], list[Marked]]


def mark_blocks(tokens: Iterable[Token], label: Label, *, n_after: int = 1) -> Iterator[Marked]:
    """Yield every token with its mark as soon as its sentence is over.

    n_after: how many tokens must follow the end of a sentence for it to be believed.
    """
    tokens = iter(tokens)
    held: list[Token] = []
    block = list(islice(tokens, BLOCK))
    while block:
        following = list(islice(tokens, BLOCK))
        marked = label([*held, *block])
        marked, n_over = finished(marked, n_after) if following else (ended(marked), len(marked))
        yield from marked[:n_over]
        held = [one.token for one in marked[n_over:]]
        block = following


def ended(marked: Sequence[Marked]) -> list[Marked]:
    """The same tokens as the end of a text, which is the end of a sentence."""
    *others, end = marked
    return [*others, end if end.mark in ENDS else replace(end, mark=STOP)]


def finished(marked: list[Marked], n_after: int) -> tuple[list[Marked], int]:
    """The same tokens, and how many of them nothing that follows will change."""
    end = last(marked, ENDS, n_after)
    if end is None and len(marked) > LONGEST:
        end = last(marked, (COMMA,), n_after)
        if end is None:
            return marked, len(marked) - BLOCK if len(marked) > HOPELESS else 0
        marked = [*marked[:end], replace(marked[end], mark=STOP), *marked[end + 1 :]]
    return marked, 0 if end is None else end + 1


def last(marked: Sequence[Marked], marks: Iterable[str], n_after: int = 1) -> int | None:
    """Where the last of the marks stands that enough follows."""
    return next((at for at in range(len(marked) - 1 - n_after, FIRST - 1, -1) if marked[at].mark in marks), None)
