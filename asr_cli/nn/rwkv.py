"""RWKV: blocks that hear in one direction, each with a few sums for its memory, and cost the same for every frame.

B sequences, T frames, D width, A width of the attention, F feed-forward units. The residual stream, norms and sums are
float32 whatever the products are computed in.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr_cli.nn.sanm import Norm
from asr_cli.nn.wkv import empty_sums, wkv


@dataclass(frozen=True, slots=True)
class Memory:
    """What a block keeps of the frames before: the last of what it mixed over time and over channels (B, 2, D), and the
    sums (B, 3, A) of `asr_cli.nn.wkv`."""

    lately: Tensor
    sums: Tensor


@dataclass(frozen=True, slots=True)
class Rates:
    """How much is dropped in training: of what comes out of either half of a block, of averages, of hidden units."""

    block: float = 0.0
    attention: float = 0.0
    units: float = 0.0


class TimeMixing(nn.Module):
    """RWKV-4's time mixing (Peng et al. 2023, arXiv:2305.13048). index: which of so many blocks it is in; the blocks'
    memories begin, before any training, from short to long."""

    def __init__(self, width: int, attention_width: int, index: int, n_blocks: int, dropout: float) -> None:
        super().__init__()
        depth, rest = index / max(n_blocks - 1, 1), 1 - index / n_blocks
        channels = torch.arange(attention_width)
        self.decay = nn.Parameter(-5 + 8 * (channels / max(attention_width - 1, 1)) ** (0.7 + 1.3 * depth))
        self.first = nn.Parameter(math.log(0.3) + 0.5 * ((channels + 1) % 3 - 1))
        self.mix_key = mixture(width, rest)
        self.mix_value = mixture(width, rest, 0.3 * depth)
        self.mix_receptance = mixture(width, 0.5 * rest)
        self.key = nn.Linear(width, attention_width)
        self.value = nn.Linear(width, attention_width)
        self.receptance = nn.Linear(width, attention_width)
        self.out = nn.Linear(attention_width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, before: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D), those before each of them, and the sums (B, 3, A) before the first to (B, T, D), and the
        sums (B, T + 1, 3, A) before each and after the last."""
        k = each(self.key, torch.lerp(before, x, self.mix_key)).float()
        v = each(self.value, torch.lerp(before, x, self.mix_value)).float()
        r = each(self.receptance, torch.lerp(before, x, self.mix_receptance)).sigmoid()
        averages, after = wkv(k, v, -self.decay.exp(), self.first, sums)
        return each(self.out, r * self.dropout(averages)), after


class ChannelMixing(nn.Module):
    def __init__(self, width: int, units: int, index: int, n_blocks: int, dropout: float) -> None:
        super().__init__()
        rest = 1 - index / n_blocks
        self.mix_key = mixture(width, rest)
        self.mix_receptance = mixture(width, rest)
        self.key = nn.Linear(width, units)
        self.value = nn.Linear(units, width)
        self.receptance = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """Frames (B, T, D) and those before each of them to (B, T, D)."""
        k = each(self.key, torch.lerp(before, x, self.mix_key)).relu().square()
        r = each(self.receptance, torch.lerp(before, x, self.mix_receptance)).sigmoid()
        return r * each(self.value, self.dropout(k))


class RwkvBlock(nn.Module):
    def __init__(self, width: int, attention_width: int, units: int, index: int, n_blocks: int, rates: Rates) -> None:
        super().__init__()
        self.norm1 = Norm(width)
        self.time = TimeMixing(width, attention_width, index, n_blocks, rates.attention)
        self.norm2 = Norm(width)
        self.channels = ChannelMixing(width, units, index, n_blocks, rates.units)
        self.dropout = nn.Dropout(rates.block)

    def forward(self, x: Tensor, memory: Memory | None = None, counts: Tensor | None = None) -> tuple[Tensor, Memory]:
        """(B, T, D) to (B, T, D), and what a later call goes on from.

        counts: how many frames (B,) of each sequence there are, where not all have T of them.
        """
        if memory is None:
            memory = self.begin(x.shape[0], x.device)
        heard = preceded(memory.lately[:, 0], self.norm1(x))
        mixed, sums = self.time(heard[:, 1:], heard[:, :-1], memory.sums)
        x = x + self.dropout(mixed)
        said = preceded(memory.lately[:, 1], self.norm2(x))
        x = x + self.dropout(self.channels(said[:, 1:], said[:, :-1]))
        lately = torch.stack([latest(heard, counts), latest(said, counts)], dim=1)
        return x, Memory(lately, latest(sums, counts))

    def begin(self, n_sequences: int, device: torch.device) -> Memory:
        lately = torch.zeros(n_sequences, 2, self.norm1.weight.shape[0], device=device)
        return Memory(lately, empty_sums(n_sequences, self.time.decay.shape[0], device))


def mixture(width: int, power: float, more: float = 0.0) -> nn.Parameter:
    """How much of a frame goes into a channel, the rest being of the one before (1, 1, D)."""
    return nn.Parameter(((torch.arange(width) / width) ** power + more).reshape(1, 1, -1))


def each(linear: nn.Module, x: Tensor) -> Tensor:
    """A linear layer on every frame; those of few bits take rows (N, D) only."""
    rows: Tensor = linear(x.flatten(0, 1))
    return rows.unflatten(0, x.shape[:2])


def preceded(frame: Tensor, x: Tensor) -> Tensor:
    """(B, T + 1, D), the frame (B, D) first."""
    return torch.cat([frame.unsqueeze(1), x], dim=1)


def latest(seen: Tensor, counts: Tensor | None) -> Tensor:
    """The last of (B, T + 1, ...), or what came after so many frames (B,)."""
    if counts is None:
        return seen[:, -1].clone()
    return seen[torch.arange(len(seen), device=seen.device), counts]
