"""Beam search of a transducer over frames, hypotheses that say the same added up.

B utterances, K hypotheses of each, N of them alive, H width of the memory, J of the joiner, V vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from asr_cli.errors import damaged
from asr_cli.models.bat_search import MOST, Decoded, Hypothesis, Token
from asr_cli.nn.transducer import BLANK, Joiner, PredictionNet

WIDTH = 10  # hypotheses that are kept; value of the published recipe
MARGIN = 8.0  # how much less likely than the best a hypothesis may be: one in 3,000
NONE = -math.inf
MIXER = 0x9E3779B97F4A7C15 - (1 << 64)  # the golden ratio in 64 bits, signed


def beam(
    prediction: PredictionNet,
    joiner: Joiner,
    pieces: Sequence[Tensor],
    states: Sequence[Decoded],
    width: int = WIDTH,
) -> list[Decoded]:
    """Every utterance (T, D) further on, with as many hypotheses as `width` for what was said in each."""
    # The longest first, so that those that go on are always the first ones.
    order = sorted(range(len(pieces)), key=lambda index: -len(pieces[index]))
    lengths = [len(pieces[index]) for index in order]
    heard = joiner.enc(torch.cat([pieces[index] for index in order]))
    rows = torch.tensor([0, *lengths], device=heard.device).cumsum(0)
    frames = torch.tensor([states[index].n_frames for index in order], device=heard.device)
    search = Search(prediction, joiner, width)
    grid = search.begun([states[index] for index in order])
    ended = []
    for step in range(lengths[0] if lengths else 0):
        n_going = sum(length > step for length in lengths)
        if n_going < len(grid.scores):
            ended.append(grid.map(lambda x, n=n_going: x[n:]))  # type: ignore[misc]  # the default is no argument
            grid = grid.map(lambda x, n=n_going: x[:n])  # type: ignore[misc]
        grid = search.step(grid, heard[rows[:n_going] + step], frames[:n_going] + step)
    grid = Grid.joined([grid, *reversed(ended)], dim=0)
    found = search.decoded(grid, [states[index].n_frames + len(pieces[index]) for index in order])
    return [one for _, one in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class Grid:
    """The hypotheses of utterances side by side; where there is none, its score is minus infinity.

    scores: relative to `bests` (B, 1), which grows by what the best one lost. keys: what was said, as a number. nodes:
    the place of the last token in History. Each is (B, K). memory: (B, K, 2H). said: what the joiner makes of it
    (B, K, J).
    """

    scores: Tensor
    keys: Tensor
    nodes: Tensor
    memory: Tensor
    said: Tensor
    bests: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Grid":
        return Grid(*map(function, (self.scores, self.keys, self.nodes, self.memory, self.said, self.bests)))

    def likeliest(self, width: int) -> "Grid":
        scores, order = self.scores.topk(width, dim=1)
        rows = torch.arange(len(order), device=order.device).unsqueeze(1)
        return Grid(
            scores, self.keys[rows, order], self.nodes[rows, order], self.memory[rows, order], self.said[rows, order],
            self.bests,
        )  # fmt: skip

    @classmethod
    def joined(cls, grids: Sequence["Grid"], dim: int) -> "Grid":
        columns = [[one.scores, one.keys, one.nodes, one.memory, one.said] for one in grids]
        bests = torch.cat([one.bests for one in grids]) if dim == 0 else grids[0].bests
        scores, keys, nodes, memory, said = (torch.cat(column, dim=dim) for column in zip(*columns, strict=True))
        return cls(scores, keys, nodes, memory, said, bests)

    @property
    def alive(self) -> Tensor:
        """The places (N,) of the hypotheses that there are, in all of them one after the other."""
        return (self.scores > NONE).flatten().nonzero().squeeze(1)


@dataclass(slots=True)
class History:
    """Which token was said after which: those from before, and behind them as they come."""

    roots: list[Token | None]
    n_nodes: int = 0
    added: list[tuple[Tensor, ...]] = field(default_factory=list)  # before, token, frame, logp; each (N,)

    def add(self, before: Tensor, *said: Tensor) -> Tensor:
        """The nodes (N,) of more tokens."""
        self.added.append((before, *said))
        first = len(self.roots) + self.n_nodes
        self.n_nodes += len(before)
        return torch.arange(first, first + len(before), device=before.device)

    def tokens(self, nodes: Sequence[int]) -> list[Token | None]:
        columns = [torch.cat(column).tolist() for column in zip(*self.added, strict=True)]
        known: dict[int, Token | None] = dict(enumerate(self.roots))
        for node in nodes:
            path = []
            while node not in known:
                path.append(node)
                node = columns[0][node - len(self.roots)]
            for one in reversed(path):
                before, token, frame, logp = (column[one - len(self.roots)] for column in columns)
                known[one] = Token(token, logp, frame, known[before])
        return [known[node] for node in nodes]


class Search:
    """One call of `beam`: the networks, and what was said so far."""

    def __init__(self, prediction: PredictionNet, joiner: Joiner, width: int) -> None:
        self.prediction, self.joiner, self.width = prediction, joiner, width
        self.history = History([])

    def begun(self, states: Sequence[Decoded]) -> Grid:
        """The hypotheses of before, at the front of their rows."""
        device = states[0].memory.device
        scores = [[one.score - state.best.score for one in state.hypotheses] for state in states]
        keys = [[one.key for one in state.hypotheses] for state in states]
        first = 0
        nodes = []
        for state in states:
            self.history.roots += [one.last for one in state.hypotheses]
            nodes.append(list(range(first, first + len(state.hypotheses))))
            first += len(state.hypotheses)
        memory = torch.stack(
            [
                torch.cat([state.memory, state.memory.new_zeros(self.width - len(state.memory), state.memory.shape[1])])
                for state in states
            ]
        )
        return Grid(
            torch.tensor([row + [NONE] * (self.width - len(row)) for row in scores], device=device),
            torch.tensor([row + [0] * (self.width - len(row)) for row in keys], device=device),
            torch.tensor([row + [0] * (self.width - len(row)) for row in nodes], device=device),
            memory,
            self.joiner.dec(memory.chunk(2, dim=2)[0]),
            torch.tensor([[state.best.score] for state in states], device=device),
        )

    def step(self, grid: Grid, heard: Tensor, frames: Tensor) -> Grid:
        """The hypotheses after one more frame (B, J)."""
        blanks, tops, tokens = self.continued(grid, heard)
        after = replace(grid, scores=blanks)
        for _ in range(MOST):
            # What comes after it can only make a hypothesis less likely.
            best = torch.maximum(after.scores.amax(1, keepdim=True), tops.amax(1, keepdim=True))
            floor = torch.maximum(after.scores.amin(1, keepdim=True), best - MARGIN)
            tops = tops.masked_fill(tops <= floor, NONE)
            if not (tops > NONE).any():
                break
            grid = self.longer(grid, tops, tokens, frames)
            blanks, tops, tokens = self.continued(grid, heard)
            after = merged(after, replace(grid, scores=blanks), self.width)
        best = after.scores.amax(1, keepdim=True)
        scores = after.scores - best
        return replace(after, scores=scores.masked_fill(scores < -MARGIN, NONE), bests=after.bests + best)

    def continued(self, grid: Grid, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (B, K) with a blank after each hypothesis, and those of its likeliest tokens (B, K * k) with them."""
        rows = grid.alive
        logps = self.joiner(heard[rows // self.width], grid.said.flatten(0, 1)[rows]).log_softmax(1)
        logps += grid.scores.flatten()[rows].unsqueeze(1)
        blanks = torch.full_like(grid.scores, NONE)
        blanks.view(-1)[rows] = logps[:, BLANK]
        logps[:, BLANK] = NONE
        likeliest = logps.topk(min(self.width, logps.shape[1] - 1), dim=1)
        tops = logps.new_full((grid.scores.numel(), likeliest.values.shape[1]), NONE)
        tokens = torch.zeros_like(tops, dtype=torch.long)
        tops[rows], tokens[rows] = likeliest.values, likeliest.indices
        return blanks, tops.view(len(blanks), -1), tokens.view(len(blanks), -1)

    def longer(self, grid: Grid, tops: Tensor, tokens: Tensor, frames: Tensor) -> Grid:
        """The likeliest hypotheses with a token more."""
        scores, chosen = tops.topk(self.width, dim=1) if tops.shape[1] > self.width else tops.sort(1, descending=True)
        n_each = tops.shape[1] // self.width
        firsts = torch.arange(len(scores), device=scores.device).unsqueeze(1) * self.width
        parents, ids = (firsts + chosen // n_each).flatten(), tokens.gather(1, chosen).flatten()
        found = Grid(scores, torch.zeros_like(grid.keys), torch.zeros_like(grid.nodes), torch.zeros_like(grid.memory),
                     torch.zeros_like(grid.said), grid.bests)  # fmt: skip
        alive = found.alive
        parents, ids = parents[alive], ids[alive]
        logps = scores.flatten()[alive] - grid.scores.flatten()[parents]
        memory = self.prediction.step(ids, grid.memory.flatten(0, 1)[parents])
        nodes = self.history.add(grid.nodes.flatten()[parents], ids, frames[alive // self.width], logps)
        found.keys.view(-1)[alive] = mixed(grid.keys.flatten()[parents], ids)
        found.nodes.view(-1)[alive] = nodes
        found.memory.flatten(0, 1)[alive] = memory
        found.said.flatten(0, 1)[alive] = self.joiner.dec(memory.chunk(2, dim=1)[0])
        return found

    def decoded(self, grid: Grid, n_frames: Sequence[int]) -> list[Decoded]:
        grid = grid.likeliest(self.width)
        if not grid.scores[:, 0].add(grid.bests[:, 0]).isfinite().all():
            raise damaged("the model")
        counts = (grid.scores > NONE).sum(1).tolist()
        lasts = iter(self.history.tokens(grid.nodes.flatten()[grid.alive].tolist()))
        found = []
        scores, keys = (grid.scores + grid.bests).tolist(), grid.keys.tolist()
        for row, count in enumerate(counts):
            hypotheses = tuple(Hypothesis(next(lasts), scores[row][at], keys[row][at]) for at in range(count))
            found.append(Decoded(hypotheses, grid.memory[row, :count].clone(), n_frames[row]))
        return found


def mixed(keys: Tensor, ids: Tensor) -> Tensor:
    """The keys (N,) of what was said with a token more."""
    product = (keys + ids) * MIXER
    return product ^ (product >> 32)


def merged(some: Grid, more: Grid, width: int) -> Grid:
    """The likeliest of both; what is in both is as likely as the two together, with the times of the likelier one."""
    there = (some.scores > NONE).unsqueeze(2) & (more.scores > NONE).unsqueeze(1)
    same = (some.keys.unsqueeze(2) == more.keys.unsqueeze(1)) & there  # (B, K, K)
    twins = more.scores.unsqueeze(1).masked_fill(~same, NONE).amax(2)
    nodes = torch.where(twins > some.scores, (more.nodes.unsqueeze(1) * same).amax(2), some.nodes)
    some = replace(some, scores=torch.logaddexp(some.scores, twins), nodes=nodes)
    more = replace(more, scores=more.scores.masked_fill(same.any(1), NONE))
    return Grid.joined([some, more], dim=1).likeliest(width)
