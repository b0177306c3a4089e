"""Conformer blocks with relative positions, over whole utterances and over chunks of them.

B utterances, T frames, P frames before them that are still attended to, D width, H heads, K kernel.
The residual stream, norms and softmax are float32 whatever the products are computed in.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from asr_cli.nn.relative import RelativeAttention
from asr_cli.nn.sanm import Norm

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What shapes a block. causal: its convolution looks back only. momentum, eps: of its batch norm."""

    width: int
    n_heads: int
    units: int
    kernel: int
    activation: Activation
    causal: bool = False
    eps: float = 1e-5
    momentum: float = 0.1


@dataclass(frozen=True, slots=True)
class Rates:
    """How much is dropped in training: of what comes out of each part of a block, of attention, of hidden units."""

    block: float = 0.0
    attention: float = 0.0
    units: float = 0.0


@dataclass(frozen=True, slots=True)
class Around:
    """What the frames of a batch have around them.

    looks: (B, 1, T, P + T), true where a frame may look, and every row has one that is; None for everywhere.
    is_frame: (B, T, 1), false behind an utterance's end. positions: (P + 2 T - 1, D), as
    `asr_cli.nn.relative.sinusoids`.
    """

    looks: Tensor | None
    is_frame: Tensor
    positions: Tensor


@dataclass(frozen=True, slots=True)
class Past:
    """What a block keeps of the frames before: keys and values of P (B, P, 2 D), and of the last K - 1 what was
    convolved (B, K - 1, D)."""

    seen: Tensor
    convolved: Tensor


class FeedForward(nn.Module):
    def __init__(self, sizes: Sizes, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(sizes.width, sizes.units)
        self.down = nn.Linear(sizes.units, sizes.width)
        self.activation = sizes.activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.up(x.flatten(0, 1))))
        return self.down(hidden).unflatten(0, x.shape[:2])


class FrameNorm(nn.BatchNorm1d):
    """Batch normalization (Ioffe and Szegedy 2015, arXiv:1502.03167) over the frames there are, none of the padding.

    Where several processes learn together, each normalizes its batch by that batch, and all of them remember all of
    their batches, in the order of the processes: what is learned is what one process learns that takes these batches
    one after the other. All have to call it equally often. Frozen, it is in training what it is elsewhere.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor, is_frame: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D); is_frame (B, T, 1) is asked for in training only."""
        mean, variance = self.running_mean, self.running_var
        if self.training and self.weight.requires_grad:
            assert is_frame is not None
            mean, variance = self.measure(x, is_frame)
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias - mean * scale, x, scale)

    def measure(self, x: Tensor, is_frame: Tensor) -> tuple[Tensor, Tensor]:
        n_frames = is_frame.sum().clamp(min=1)
        mean = x.masked_fill(~is_frame, 0).sum((0, 1)) / n_frames
        variance = (x - mean).masked_fill(~is_frame, 0).square().sum((0, 1)) / n_frames
        with torch.no_grad():
            unbiased = variance * n_frames / (n_frames - 1).clamp(min=1)
            for one in from_all(torch.stack([mean, unbiased])):
                self.remember(*one)
        return mean, variance

    def remember(self, mean: Tensor, variance: Tensor) -> None:
        momentum = self.momentum or 0.0
        self.num_batches_tracked += 1
        # A step that came to no number can be left out; what it left here never could.
        known = mean.isfinite() & variance.isfinite()
        self.running_mean.lerp_(torch.where(known, mean, self.running_mean), momentum)
        self.running_var.lerp_(torch.where(known, variance, self.running_var), momentum)


def from_all(x: Tensor) -> list[Tensor]:
    """Every process's x, in their order; this one's where it is alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [x]
    found = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, x)
    return found


class Convolution(nn.Module):
    """The Conformer's convolution: gated, then depthwise over time."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.left = sizes.kernel - 1 if sizes.causal else (sizes.kernel - 1) // 2
        self.right = sizes.kernel - 1 - self.left
        self.enter = nn.Linear(sizes.width, 2 * sizes.width)
        self.depthwise = nn.Conv1d(sizes.width, sizes.width, sizes.kernel, groups=sizes.width)
        self.norm = FrameNorm(sizes.width, sizes.eps, sizes.momentum)
        self.activation = sizes.activation
        self.out = nn.Linear(sizes.width, sizes.width)

    def forward(self, x: Tensor, is_frame: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) and what was convolved before (B, left, D) to (B, T, D) and both of what was convolved."""
        gated = F.glu(self.enter(x.flatten(0, 1)), dim=-1).float().unflatten(0, x.shape[:2]).masked_fill(~is_frame, 0)
        if before is None:
            before = gated.new_zeros(len(x), self.left, x.shape[2])
        convolved = torch.cat([before, gated], dim=1)
        mixed = self.over_time(F.pad(convolved, (0, 0, 0, self.right))).float()
        mixed = self.activation(self.norm(mixed, is_frame))
        return self.out(mixed.flatten(0, 1)).unflatten(0, x.shape[:2]), convolved

    def over_time(self, x: Tensor) -> Tensor:
        """(B, left + T + right, D) to (B, T, D)."""
        if x.device.type != "cpu" or torch.is_grad_enabled():
            return self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        # A processor multiplies and adds whole frames several times faster than it convolves columns.
        n_frames = x.shape[1] - self.left - self.right
        taps = self.depthwise.weight.squeeze(1).t().contiguous()
        assert self.depthwise.bias is not None
        mixed = torch.addcmul(self.depthwise.bias, x[:, :n_frames], taps[0])
        for tap in range(1, len(taps)):
            mixed.addcmul_(x[:, tap : tap + n_frames], taps[tap])
        return mixed


class ConformerBlock(nn.Module):
    """A Conformer block (Gulati et al. 2020, arXiv:2005.08100), half a feed-forward on either side."""

    def __init__(self, sizes: Sizes, rates: Rates) -> None:
        super().__init__()
        self.norm1, self.first = Norm(sizes.width), FeedForward(sizes, rates.units)
        self.norm2, self.attention = Norm(sizes.width), RelativeAttention(sizes.width, sizes.n_heads, rates.attention)
        self.norm3, self.convolution = Norm(sizes.width), Convolution(sizes)
        self.norm4, self.second = Norm(sizes.width), FeedForward(sizes, rates.units)
        self.norm = Norm(sizes.width)
        self.dropout = nn.Dropout(rates.block)

    def forward(self, x: Tensor, around: Around, past: Past | None = None) -> tuple[Tensor, Past]:
        """Frames (B, T, D) behind those of the past to (B, T, D); the past with them, for the caller to cut."""
        x = x + 0.5 * self.dropout(self.first(self.norm1(x)))
        before = None if past is None else past.seen
        heard, seen = self.attention(self.norm2(x), around.looks, around.positions, before)
        x = x + self.dropout(heard)
        before = None if past is None else past.convolved
        mixed, convolved = self.convolution(self.norm3(x), around.is_frame, before)
        x = x + self.dropout(mixed)
        x = x + 0.5 * self.dropout(self.second(self.norm4(x)))
        return self.norm(x), Past(seen, convolved)
