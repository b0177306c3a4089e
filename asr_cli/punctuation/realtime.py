"""Utterance after utterance for a network that need not see what follows; each is marked when it comes.

Only the mark behind an utterance's last word waits for the next utterance.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from asr_cli.punctuation.blocks import ENDS, LONGEST, Marked, last, mark_blocks
from asr_cli.punctuation.tokens import Token

# Tokens, and how many of them were heard before.
LabelHeard = Callable[[Sequence[Token], int], list[Marked]]


def mark_utterances(utterances: Iterable[Sequence[Token]], label: LabelHeard) -> Iterator[Marked]:
    """Yield every token with its mark, all but the last of an utterance as soon as it is heard."""
    heard: list[Token] = []
    waiting: Marked | None = None
    for utterance in utterances:
        if not utterance:
            continue
        # FunASR gives the network the same number for every block of an utterance, and so its labels come out.
        marked = list(mark_blocks([*heard, *utterance], partial(call, label, len(heard))))
        yield from marked[max(len(heard) - 1, 0) : -1]
        waiting = marked[-1]
        end = last(marked, ENDS)
        heard = [one.token for one in marked[0 if end is None else end + 1 :]][-LONGEST:]
    if waiting is not None:
        yield waiting


def call(label: LabelHeard, n_heard: int, tokens: Sequence[Token]) -> list[Marked]:
    return label(tokens, n_heard)
