"""Beam search through the tokens of utterances, many at once, each as far as it has been heard.

B utterances, K hypotheses of each, D width of the decoder, M of what it looks at, L its layers, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from asr_cli.errors import damaged
from asr_cli.models.uniasr_decoder import Memory, ScamaDecoder

WIDTH = 5  # hypotheses that are kept
SOS, EOS = 1, 2
# The search is over when the best of three lengths in a row, the last of them as many steps ago, are that much less
# likely than the best of all that ended (Watanabe et al. 2017, equation 50).
HOPELESS, N_LENGTHS, LAG = -10.0, 3, 2


class Token(NamedTuple):
    """The end of a hypothesis: its last token, and what came before."""

    id: int
    logp: float
    before: "Token | None"


class Hypothesis(NamedTuple):
    last: Token
    score: float

    def tokens(self) -> list[Token]:
        """From the first to the last, without the end of sentence."""
        found, token = [], self.last.before if self.last.id == EOS else self.last
        while token is not None and token.before is not None:
            found.append(token)
            token = token.before
        return found[::-1]


START = Hypothesis(Token(SOS, 0.0, None), 0.0)


@dataclass(frozen=True, slots=True)
class Beam:
    """The search through one utterance after `n_steps` tokens.

    past: what the decoder remembers of the running hypotheses (L, len(running), left, D), which are the likeliest
    first. ended: the best that came to its end. lately: how likely the best was that ended at each of the last steps.
    """

    past: Tensor
    running: tuple[Hypothesis, ...] = (START,)
    ended: Hypothesis | None = None
    lately: tuple[float | None, ...] = ()
    n_steps: int = 0

    @property
    def is_decided(self) -> bool:
        """Whether what ended is the result: what still runs only ever gets less likely."""
        return self.ended is not None and (not self.running or self.running[0].score <= self.ended.score)

    @property
    def best(self) -> Hypothesis:
        """The likeliest of those that say something about all that was heard."""
        return self.ended if self.ended is not None and self.is_decided else self.running[0]

    def n_certain(self) -> int:
        """With how many of its tokens the result begins, whatever comes: those that all that can still win share."""
        tokens = self.best.tokens()
        if self.is_decided:
            return len(tokens)
        rivals = (*self.running[1:], *((self.ended,) if self.ended else ()))
        return min((n_common(tokens, rival.tokens()) for rival in rivals), default=len(tokens))


def n_common(one: list[Token], other: list[Token]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a.id != b.id), min(len(one), len(other)))


@dataclass(frozen=True, slots=True)
class Task:
    """What an utterance's search may do.

    heard, chunks: what fired (U, M) for each token from beam.n_steps on, and in which chunk; the last chunk is that of
    all tokens beyond, too. longest: how many tokens there may be; None while nobody knows.
    """

    beam: Beam
    heard: Tensor
    chunks: Sequence[int]
    longest: int | None = None

    def is_open(self, beam: Beam) -> bool:
        end = self.beam.n_steps + len(self.heard) if self.longest is None else self.longest
        return bool(beam.running and beam.n_steps < end)


def search(decoder: ScamaDecoder, tasks: Sequence[Task], memory: Memory) -> list[Beam]:
    """Every utterance's search as far as it can go, all of them together step by step."""
    beams = [task.beam for task in tasks]
    todo = [index for index, task in enumerate(tasks) if task.is_open(task.beam)]
    if not todo:
        return beams
    table, begins = gather(tasks)
    grid = Grid.of([beams[index] for index in todo])
    while todo:
        steps = [(index, beams[index].n_steps - tasks[index].beam.n_steps) for index in todo]
        rows = [begins[index] + step if step < len(tasks[index].heard) else len(table) - 1 for index, step in steps]
        chunks = [tasks[index].chunks[min(step, len(tasks[index].chunks) - 1)] for index, step in steps]
        heard, places = table[torch.tensor(rows, device=table.device)], torch.tensor(chunks, device=table.device)
        grid, choices = extended(grid, *decoder(grid.tokens, heard, grid.past, memory, places))
        for place, index in enumerate(todo):
            is_last = beams[index].n_steps + 1 == tasks[index].longest
            beams[index] = grown(beams[index], choices[place], is_last=is_last)
        stays = [place for place, index in enumerate(todo) if tasks[index].is_open(beams[index])]
        for place, index in enumerate(todo):
            if place not in stays:
                beams[index] = replace(beams[index], past=grid.past_of(place, len(beams[index].running)))
        if len(stays) < len(todo):
            grid, todo = grid.only(stays), [todo[place] for place in stays]
    return beams


def gather(tasks: Sequence[Task]) -> tuple[Tensor, list[int]]:
    """What fired for all of them, a row of zeros last, and where each one's begins."""
    counts = [len(task.heard) for task in tasks]
    begins = [sum(counts[:index]) for index in range(len(counts))]
    heard = [task.heard for task in tasks]
    return torch.cat([*heard, heard[0].new_zeros(1, heard[0].shape[1])]), begins


class Choice(NamedTuple):
    """A hypothesis that goes on: which one, and with which token."""

    parent: int
    id: int
    score: float
    logp: float


def grown(beam: Beam, choices: Sequence[Choice], *, is_last: bool) -> Beam:
    """The beam a step further. is_last: there may be no more tokens, so all hypotheses end."""
    found = [
        Hypothesis(Token(choice.id, choice.logp, beam.running[choice.parent].last), choice.score) for choice in choices
    ]
    if is_last:
        found = [Hypothesis(Token(EOS, 0.0, hypothesis.last), hypothesis.score) for hypothesis in found]
    ended = max((one for one in found if one.last.id == EOS), key=lambda one: one.score, default=None)
    best = beam.ended
    if ended is not None and (best is None or ended.score > best.score):
        best = ended
    lately = (*beam.lately, ended.score if ended else None)[-N_LENGTHS - LAG :]
    running = tuple(one for one in found if one.last.id != EOS)
    if best is not None and is_hopeless(lately, best.score):
        running = ()
    return Beam(beam.past, running, best, lately, beam.n_steps + 1)


def is_hopeless(lately: Sequence[float | None], best: float) -> bool:
    lengths = lately[:N_LENGTHS] if len(lately) == N_LENGTHS + LAG else ()
    return bool(lengths) and all(score is not None and score - best < HOPELESS for score in lengths)


@dataclass(frozen=True, slots=True)
class Grid:
    """The running hypotheses of utterances side by side, likeliest first, and behind them places without any.

    tokens: the last of each (B, K). scores: (B, K), of none minus infinity. past: (L, B * K, left, D).
    """

    tokens: Tensor
    scores: Tensor
    past: Tensor

    @classmethod
    def of(cls, beams: Sequence[Beam]) -> "Grid":
        device = beams[0].past.device
        n_free = [WIDTH - len(beam.running) for beam in beams]
        tokens = [[one.last.id for one in beam.running] + [EOS] * n for beam, n in zip(beams, n_free, strict=True)]
        scores = [[one.score for one in beam.running] + [-math.inf] * n for beam, n in zip(beams, n_free, strict=True)]
        pasts = [(beam.past, beam.past[:, :1].expand(-1, n, -1, -1)) for beam, n in zip(beams, n_free, strict=True)]
        past = torch.cat([part for parts in pasts for part in parts], dim=1)
        return cls(torch.tensor(tokens, device=device), torch.tensor(scores, device=device), past)

    def only(self, places: Sequence[int]) -> "Grid":
        kept = torch.tensor(places, dtype=torch.long, device=self.tokens.device)
        past = self.past.unflatten(1, (-1, WIDTH)).index_select(1, kept).flatten(1, 2)
        return Grid(self.tokens[kept], self.scores[kept], past)

    def past_of(self, place: int, n_running: int) -> Tensor:
        return self.past[:, place * WIDTH : place * WIDTH + n_running].clone()


def extended(grid: Grid, logps: Tensor, past: Tensor) -> tuple[Grid, list[list[Choice]]]:
    """The likeliest continuations of each utterance's hypotheses: those that go on, and all of them.

    logps: of every token after every hypothesis (B * K, V). past: with the tokens of `grid` in it.
    """
    n_utterances = len(grid.tokens)
    top = (logps + grid.scores.flatten().unsqueeze(1)).topk(WIDTH)  # (B * K, WIDTH)
    scores, order = top.values.view(n_utterances, -1).sort(dim=1, descending=True, stable=True)
    scores, order = scores[:, :WIDTH], order[:, :WIDTH]
    ids, parents = top.indices.view(n_utterances, -1).gather(1, order), order // WIDTH
    firsts = torch.arange(n_utterances, device=ids.device).unsqueeze(1) * WIDTH
    chosen = logps[(firsts + parents).flatten(), ids.flatten()].view_as(scores)
    choices = counted(parents, ids, scores, chosen)
    scores = scores.masked_fill(ids == EOS, -math.inf)
    go_on = (ids == EOS).byte().argsort(dim=1, stable=True)
    parents = (firsts + parents).gather(1, go_on).flatten()
    return Grid(ids.gather(1, go_on), scores.gather(1, go_on), past.index_select(1, parents)), choices


def counted(parents: Tensor, ids: Tensor, scores: Tensor, logps: Tensor) -> list[list[Choice]]:
    """What the processor has to know of a step, asked for at once."""
    found = torch.stack([parents.float(), ids.float(), scores, logps], dim=2).tolist()
    if not all(map(math.isfinite, (row[0][2] for row in found))):
        raise damaged("the model")
    return [[Choice(int(parent), int(token), score, logp) for parent, token, score, logp in row] for row in found]
