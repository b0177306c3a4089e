"""From what a transducer's encoder heard to tokens, many utterances at once, each as far as it has been heard.

B utterances, K hypotheses of each, T frames, H width of the memory, J of the joiner, V vocabulary.

The search is over frames: whatever is said while one frame is looked at comes before anything is said at the next. So
what is remembered after a frame is all that the rest depends on, and however frames are divided, the result is the
same. FunASR's own search (the best hypothesis of all first, without bound, prefixes that are equal kept apart) is not
followed: it cannot go on for many at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from asr_cli.errors import damaged
from asr_cli.nn.transducer import BLANK, Joiner, PredictionNet

MOST = 8  # tokens at one frame; 80 ms hold three letters at the most, so what says more does not stop by itself
WINDOW = 4  # frames that are looked at together, for the first with a token


class Token(NamedTuple):
    """The end of a hypothesis: its last token, at which frame it was said, and what came before."""

    id: int
    logp: float
    frame: int
    before: "Token | None"


class Hypothesis(NamedTuple):
    """key: the same for the same tokens. score: of all ways to say them; 0 where only one was looked at."""

    last: Token | None
    score: float = 0.0
    key: int = 0

    def tokens(self) -> list[Token]:
        """From the first to the last."""
        found, token = [], self.last
        while token is not None:
            found.append(token)
            token = token.before
        return found[::-1]


NOTHING = Hypothesis(None)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The search through one utterance after so many frames.

    hypotheses: the likeliest first. memory: what the prediction network remembers of each (len(hypotheses), 2H).
    """

    hypotheses: tuple[Hypothesis, ...]
    memory: Tensor
    n_frames: int = 0

    @property
    def best(self) -> Hypothesis:
        return self.hypotheses[0]

    def n_certain(self) -> int:
        """With how many of its tokens, and when they were said, the result begins, whatever comes: what all hypotheses
        share, as every later one goes on from one of them."""
        best, *rivals = (one.tokens() for one in self.hypotheses)
        return min((n_shared(best, rival) for rival in rivals), default=len(best))


def n_shared(one: Sequence[Token], other: Sequence[Token]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if (a.id, a.frame) != (b.id, b.frame)), min(len(one), len(other)))


def begin(prediction: PredictionNet) -> Decoded:
    return Decoded((NOTHING,), prediction.start())


def greedy(
    prediction: PredictionNet, joiner: Joiner, pieces: Sequence[Tensor], states: Sequence[Decoded]
) -> list[Decoded]:
    """Every utterance (T, D) further on by always taking what is likeliest.

    The memory changes with a token only, so frames up to the next one are looked at together: what this costs goes by
    tokens rather than by frames.
    """
    ends = list(ends_of(pieces))
    at = [end - len(piece) for end, piece in zip(ends, pieces, strict=True)]
    shifts = [state.n_frames - begin for state, begin in zip(states, at, strict=True)]
    lasts = [state.best.last for state in states]
    n_said = [0] * len(pieces)  # at the frame that is looked at
    going = [index for index in range(len(pieces)) if at[index] < ends[index]]
    memory = torch.cat([state.memory for state in states])
    said = joiner.dec(memory.chunk(2, dim=1)[0])
    heard = joiner.enc(torch.cat(list(pieces)))
    while going:
        choices = next_tokens(joiner, heard, said, going, [(at[index], ends[index]) for index in going])
        spoke = []
        for index, (offset, token, logp) in zip(going, choices, strict=True):
            if token == BLANK:
                at[index], n_said[index] = at[index] + WINDOW, 0
                continue
            n_said[index] = n_said[index] + 1 if offset == 0 else 1
            at[index] += offset
            lasts[index] = Token(token, logp, at[index] + shifts[index], lasts[index])
            spoke.append((index, token))
            if n_said[index] == MOST:
                at[index], n_said[index] = at[index] + 1, 0
        if spoke:
            rows, tokens = torch.tensor(spoke, device=memory.device).unbind(1)
            memory[rows] = prediction.step(tokens, memory[rows])
            said[rows] = joiner.dec(memory[rows].chunk(2, dim=1)[0])
        going = [index for index in going if at[index] < ends[index]]
    return [
        Decoded((Hypothesis(last),), row.clone(), state.n_frames + len(piece))
        for last, row, state, piece in zip(lasts, memory.split(1), states, pieces, strict=True)
    ]


def ends_of(pieces: Sequence[Tensor]) -> list[int]:
    return torch.tensor([len(piece) for piece in pieces]).cumsum(0).tolist()


def next_tokens(
    joiner: Joiner, heard: Tensor, said: Tensor, going: Sequence[int], spans: Sequence[tuple[int, int]]
) -> list[tuple[int, int, float]]:
    """In the next frames of each span of `heard`: how many to the first with a token, the token, and how likely it is;
    a blank where there is none."""
    begins, ends = torch.tensor(spans, device=heard.device).unbind(1)
    window = torch.arange(WINDOW, device=heard.device)
    rows = torch.minimum(begins.unsqueeze(1) + window, ends.unsqueeze(1) - 1)
    logits = joiner(heard[rows], said[torch.tensor(going, device=said.device)].unsqueeze(1))  # (N, WINDOW, V)
    logits = logits.float()  # in fewer bits the numbers of tokens, which travel beside them, would be others
    values, tokens = logits.max(dim=2)
    first = (tokens != BLANK).byte().argmax(dim=1, keepdim=True)
    places = torch.arange(len(first), device=first.device)
    logps = values.gather(1, first).squeeze(1) - logits[places, first.squeeze(1)].logsumexp(dim=1)
    found = torch.cat([first, tokens.gather(1, first), logps.unsqueeze(1)], dim=1).tolist()
    if not all(math.isfinite(logp) for _, _, logp in found):
        raise damaged("the model")
    return [(int(offset), int(token), logp) for offset, token, logp in found]
