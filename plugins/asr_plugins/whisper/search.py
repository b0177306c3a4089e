"""Which token comes next, in one hypothesis for each window: the likeliest, or one drawn by its probability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """A way to decode. n_rows: how many hypotheses a window has. max_tokens: how many may be written for one. What it
    remembers of a window is its affair."""

    n_rows: int
    max_tokens: int

    def begin(self, seed: int, /) -> Any: ...

    def advance(self, logits: Tensor, states: Sequence[Any], /) -> tuple[list[int], list[int] | None]:
        """Of logits (M, V) the token that each row reads next, and where its past is in another row, which."""

    def text(self, state: Any, /) -> Text | None:
        """What came of it; None as long as it goes on."""


@dataclass(slots=True)
class Line:
    """One hypothesis."""

    seed: int
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

    def begin(self, seed: int) -> Line:
        return Line(seed)

    def advance(self, logits: Tensor, states: Sequence[Line]) -> tuple[list[int], None]:
        scores = self.rules.apply(logits, [line.ids for line in states])
        chosen = scores.argmax(-1) if not self.temperature else self.drawn(scores, states)
        logps = scores.gather(1, chosen.unsqueeze(1)).squeeze(1) - scores.logsumexp(-1)
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
        line.over = n >= self.max_tokens or line.loops

    def drawn(self, scores: Tensor, states: Sequence[Line]) -> Tensor:
        """By each window's own dice, so that its company does not matter."""
        noise = torch.empty(scores.shape, dtype=torch.float32)
        for row, line in zip(noise, states, strict=True):
            dice = torch.Generator().manual_seed(line.seed * 1024 + len(line.ids))
            torch.rand(row.shape, generator=dice, out=row)
        noise = -torch.log(-torch.log(noise.clamp_(1e-20, 1 - 1e-7)))  # Gumbel's
        return (scores / self.temperature + noise.to(scores.device)).argmax(-1)

    def text(self, state: Line) -> Text | None:
        if not state.over:
            return None
        return Text(tuple(state.ids), tuple(state.logps), (0,) * len(state.logps), state.loops)
