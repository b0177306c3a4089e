"""Convolutions over time and frequency that turn features of 10 ms into fewer, wider frames.

B utterances, T frames, F features, C channels, D width. Channels come last, with which convolutions are fastest on
processors and graphics cards alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli.nn.precision import TYPES

FRAMES = 800  # that a processor convolves together; of more, what is between the layers falls out of its caches
Waiting = tuple[Tensor, ...]  # of each layer the frames (t, F, C) that those to come will be convolved with


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution's sizes. stride: over time and over frequencies. pads_bands: whether there are zeros around the
    frequencies, too; around the times there always are."""

    channels: int
    kernel: int = 3
    stride: tuple[int, int] = (1, 1)
    pads_bands: bool = True

    @property
    def margin(self) -> int:
        return (self.kernel - 1) // 2

    def bands(self, n_bands: int) -> int:
        return (n_bands + 2 * self.margin * self.pads_bands - self.kernel) // self.stride[1] + 1

    def count(self, lengths: Tensor) -> Tensor:
        """How many frames become of so many (B,)."""
        return (lengths + 2 * self.margin - self.kernel).div(self.stride[0], rounding_mode="floor") + 1


class Subsampling(nn.Module):
    """Convolutions, a ReLU behind each, and a linear layer over all channels of all bands."""

    def __init__(self, n_features: int, layers: Sequence[Layer], width: int) -> None:
        super().__init__()
        self.layers, self.convs, self.n_bands = tuple(layers), nn.ModuleList(), [n_features]
        channels = 1
        for layer in layers:
            self.convs.append(nn.Conv2d(channels, layer.channels, layer.kernel))
            self.n_bands.append(layer.bands(self.n_bands[-1]))
            channels = layer.channels
        self.out = nn.Linear(self.n_bands[-1] * channels, width)
        self.reset()

    def reset(self) -> None:
        """Weights with which what is heard comes out as strong as it went in (He et al. 2015, arXiv:1502.01852).

        With torch's own, six such layers make 0.002 of it, and biases say the rest: training begins very late.
        """
        for conv in self.convs:
            nn.init.kaiming_normal_(cast(nn.Conv2d, conv).weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, conv.bias))
        nn.init.kaiming_normal_(self.out.weight, nonlinearity="linear")
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F) and how many there are of each (B,) to (B, T', D) and (B,).

        What lies behind an utterance counts as zeros to every layer, as if it were alone.
        """
        n_together = max(1, FRAMES // max(x.shape[1], 1)) if x.device.type == "cpu" else len(x)
        parts = [self.convolve(*part) for part in zip(x.split(n_together), lengths.split(n_together), strict=True)]
        made, counts = zip(*parts, strict=True)
        return torch.cat(made), torch.cat(counts)

    def convolve(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        behind = beyond(lengths, x.shape[1])
        grid = (x if behind is None else x.masked_fill(behind, 0)).unsqueeze(-1)  # (B, T, F, C)
        for layer, conv in self.steps():
            made = convolved(grid, conv, layer, layer.margin)
            lengths = layer.count(lengths)
            behind = beyond(lengths, made.shape[2])
            made = (made if behind is None else made.masked_fill_(behind.unsqueeze(1), 0)).relu_()
            grid = made.permute(0, 2, 3, 1)
        return self.join(grid), lengths

    def hear(
        self, features: Sequence[Tensor], states: Sequence[Waiting | None], finals: Sequence[bool]
    ) -> tuple[list[Tensor], list[Waiting]]:
        """Each utterance's next features (T, F) to all frames (T', D) that are certain with them, however few."""
        begun = [self.begin() if state is None else state for state in states]
        grids = [one.unsqueeze(-1) for one in features]
        rests = []
        for index, (layer, conv) in enumerate(self.steps()):
            parts = zip(begun, grids, finals, strict=True)
            seen = [torch.cat([state[index], grid, *([state[index].new_zeros(layer.margin, *grid.shape[1:])] * final)])
                    for state, grid, final in parts]  # fmt: skip
            counts = [max(0, (len(one) - layer.kernel) // layer.stride[0] + 1) for one in seen]
            rests.append([one[n * layer.stride[0] :].clone() for one, n in zip(seen, counts, strict=True)])
            longer = pad_sequence([*seen, seen[0].new_zeros(layer.kernel, *seen[0].shape[1:])], batch_first=True)
            made = convolved(longer[:-1], conv, layer, 0).relu_().permute(0, 2, 3, 1)
            grids = [one[:n] for one, n in zip(made, counts, strict=True)]
        joined = self.join(torch.cat(grids).unsqueeze(0)).squeeze(0)
        return list(joined.split([len(grid) for grid in grids])), list(zip(*rests, strict=True))

    def settle(self, compute_type: str) -> None:
        """Put the convolutions into the type and the order in which they are computed; not for training.

        With int8 they get 16 bits, where the processor multiplies those: torch has no convolution that would bring each
        frame to 8 bits by itself.
        """
        dtype = TYPES.get(compute_type, torch.float32)
        if compute_type == "int8" and torch.cpu._is_avx512_bf16_supported():
            dtype = torch.bfloat16
        for _, conv in self.steps():
            assert conv.bias is not None
            weight = conv.weight.detach().to(dtype, memory_format=torch.channels_last)
            conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(conv.bias.detach().to(dtype))

    def steps(self) -> list[tuple[Layer, nn.Conv2d]]:
        return list(zip(self.layers, cast("list[nn.Conv2d]", list(self.convs)), strict=True))

    def begin(self) -> Waiting:
        """The zeros before an utterance."""
        return tuple(
            torch.zeros(layer.margin, bands, conv.in_channels, device=conv.weight.device)
            for (layer, conv), bands in zip(self.steps(), self.n_bands, strict=False)
        )

    def join(self, grid: Tensor) -> Tensor:
        """(B, T, F, C) to (B, T, D)."""
        rows = grid.transpose(2, 3).flatten(2).flatten(0, 1)
        if not len(rows):
            return rows.new_zeros(*grid.shape[:2], self.out.bias.shape[0], dtype=torch.float32)
        return cast(Tensor, self.out(rows)).unflatten(0, grid.shape[:2])


def convolved(grid: Tensor, conv: nn.Conv2d, layer: Layer, margin: int) -> Tensor:
    """(B, T, F, C) to (B, C', T', F'), in the type of the weights."""
    x = grid.permute(0, 3, 1, 2).to(conv.weight.dtype)
    weight = conv.weight.contiguous(memory_format=torch.channels_last)
    padding = margin, layer.margin * layer.pads_bands
    return F.conv2d(x, weight, conv.bias, layer.stride, padding)


def beyond(lengths: Tensor, n_frames: int) -> Tensor | None:
    """(B, T, 1), true behind each sequence's end; None where nothing is, as far as a processor can tell without
    waiting for a graphics card."""
    if lengths.device.type == "cpu" and int(lengths.min()) >= n_frames:
        return None
    return (torch.arange(n_frames, device=lengths.device) >= lengths.unsqueeze(1)).unsqueeze(2)


def reduced(lengths: Tensor, factor: int) -> Tensor:
    """How many frames (B,) are left when the first of each `factor` of them is kept."""
    return (lengths + factor - 1).div(factor, rounding_mode="floor")


def every(x: Tensor, n_before: int, factor: int) -> Tensor:
    """The first of each `factor` frames, of those (T, ...) that go on behind so many others."""
    return x[-n_before % factor :: factor]
