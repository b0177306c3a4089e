"""What the silence after a word says about the mark there, for a network that has read words only."""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_cli.punctuation.blocks import COMMA, ENDS, PAUSE
from asr_cli.punctuation.tokens import Token

# From how many seconds on: how much likelier a comma, and the end of a sentence, become than no mark (natural
# logarithm). People stop for half a second between sentences; where they do not stop at all, hardly any ends.
EVIDENCE = ((0.5, 1.5, 3.0), (0.15, 0.8, 0.6), (float("-inf"), -0.4, -2.5))


def evidence(tokens: Sequence[Token], marks: Sequence[str]) -> Tensor:
    """To be added to the logits (N, M); nothing behind the last token, where nobody knows yet."""
    rows = [weights(silence, marks) for silence in map(silence_between, tokens, tokens[1:])]
    return torch.tensor([*rows, [0.0] * len(marks)])


def silence_between(token: Token, following: Token) -> float | None:
    """Seconds; None inside a word."""
    return following.words[0].start - token.words[-1].end if token.words and following.words else None


def weights(silence: float | None, marks: Sequence[str]) -> list[float]:
    if silence is None:
        return [0.0] * len(marks)
    comma, end = next((comma, end) for least, comma, end in EVIDENCE if silence >= least)
    known = {COMMA: comma, PAUSE: comma} | dict.fromkeys(ENDS, end)
    return [known.get(mark, 0.0) for mark in marks]
