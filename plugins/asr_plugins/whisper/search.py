"""Which token comes next, in one hypothesis for each window: the likeliest, or one drawn by its probability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from asr_plugins.whisper.rules import Rules

PATIENCE = 8  # tokens between two looks whether a text goes round in circles


class Text(NamedTuple):
    """What was decoded. logps: of each token, and last of the end, where there is one. rows: in which row each token
    was decided. loops: whether it was stopped for going round in circles."""

    ids: tuple[int, ...]
    logps: tuple[float, ...]
    rows: tuple[int, ...]
    loops: bool = False


class Search(Protocol):
    """A way to decode. n_rows: how many hypotheses a window has. max_tokens: how many may be written for any. What it
    remembers of a window is its affair."""

    n_rows: int
    max_tokens: int

    def begin(self, seed: int, room: int, /) -> Any:
        """seed: of the window's dice. room: how many tokens may be written for it."""

    def advance(self, logits: Tensor, states: Sequence[Any], /) -> tuple[list[int], list[int] | None]:
        """Of logits (M, V) the token that each row reads next, and where its past is in another row, which."""

    def text(self, state: Any, /) -> Text | None:
        """What came of it; None as long as it goes on."""


@dataclass(slots=True)
class Line:
    """One hypothesis."""

    seed: int
    room: int
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    over: bool = False
    loops: bool = False


class Single:
    """The likeliest token each time, or with a temperature one that is drawn.

    end: the token that ends a text. max_tokens: it ends there anyway. is_loop: whether tokens go round in circles, and
    it had better end.
    """

    n_rows = 1

    def __init__(
        self,
        rules: Rules,
        end: int,
        max_tokens: int,
        *,
        temperature: float = 0.0,
        is_loop: Callable[[Sequence[int]], bool] | None = None,
    ) -> None:
        self.rules, self.end, self.max_tokens = rules, end, max_tokens
        self.temperature, self.is_loop = temperature, is_loop

    def begin(self, seed: int, room: int) -> Line:
        return Line(seed, room)

    def advance(self, logits: Tensor, states: Sequence[Line]) -> tuple[list[int], None]:
        scores = self.rules.apply(logits, [line.ids for line in states])
        chosen = scores.argmax(-1) if not self.temperature else self.drawn(scores, states)
        logps = logps_of(scores, chosen)
        for line, token, logp in zip(states, chosen.tolist(), logps.tolist(), strict=True):
            self.write(line, token, logp)
        return [line.ids[-1] if line.ids else self.end for line in states], None

    def write(self, line: Line, token: int, logp: float) -> None:
        line.logps.append(logp)
        if token == self.end:
            line.over = True
            return
        line.ids.append(token)
        n = len(line.ids)
        line.loops = self.is_loop is not None and n % PATIENCE == 0 and self.is_loop(line.ids)
        line.over = n >= line.room or line.loops

    def drawn(self, scores: Tensor, states: Sequence[Line]) -> Tensor:
        """By each window's own dice, so that its company does not matter."""
        shares = (scores.cpu() / self.temperature).softmax(-1, dtype=torch.float64).cumsum(-1)
        dice = [Random(f"{line.seed} {len(line.ids)} {self.temperature}").random() for line in states]
        thrown = torch.tensor(dice, dtype=torch.float64).unsqueeze(1) * shares[:, -1:]
        # To the right of all that is as small: what may not be written has no share.
        chosen = torch.searchsorted(shares, thrown, right=True).squeeze(1)
        return chosen.clamp_(max=scores.shape[1] - 1).to(scores.device)

    def text(self, state: Line) -> Text | None:
        if not state.over:
            return None
        return Text(tuple(state.ids), tuple(state.logps), (0,) * len(state.logps), state.loops)


def logps_of(scores: Tensor, chosen: Tensor) -> Tensor:
    """The logarithm of how likely what was chosen (M,) is by its row of scores (M, V)."""
    return scores.log_softmax(-1).gather(1, chosen.unsqueeze(1)).squeeze(1)
