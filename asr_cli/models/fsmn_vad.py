"""FSMN-VAD, the network of FunASR's `FsmnVADStreaming` checkpoints.

Our own weights (`asr_cli/weights/fsmn_vad.safetensors`) use the same tensor names, with the normalisation beside them
as "cmvn.shift" and "cmvn.scale", and the configuration as JSON in the file's metadata under "config".

B batch, T frames of 10 ms, V output classes, of which the first is silence.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from asr_cli.checkpoint import WeightMap
from asr_cli.nn.fsmn import FsmnMemory


@dataclass(frozen=True, slots=True)
class Config:
    """`encoder_conf` of the checkpoint, under its names."""

    input_dim: int = 400
    input_affine_dim: int = 140
    fsmn_layers: int = 4
    linear_dim: int = 250
    proj_dim: int = 128
    lorder: int = 20
    rorder: int = 0
    lstride: int = 1
    rstride: int = 0
    output_affine_dim: int = 140
    output_dim: int = 248


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.project = nn.Linear(config.linear_dim, config.proj_dim, bias=False)
        self.memory = FsmnMemory(config.proj_dim, left=config.lorder - 1, right=config.rorder)
        self.affine = nn.Linear(config.proj_dim, config.linear_dim)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        memory, state = self.memory(self.project(x), state)
        return self.affine(memory).relu(), state


class FsmnVadNet(nn.Module):
    """Causal FSMN over stacked filterbanks: what comes out never depends on how the input was cut."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # Two linear maps in a row without anything between: the checkpoint has them, so we have them.
        self.into1 = nn.Linear(config.input_dim, config.input_affine_dim)
        self.into2 = nn.Linear(config.input_affine_dim, config.linear_dim)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.fsmn_layers))
        self.out1 = nn.Linear(config.linear_dim, config.output_affine_dim)
        self.out2 = nn.Linear(config.output_affine_dim, config.output_dim)

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalised features (B, T, 400) to logits (B, T, V), and each layer's last frames."""
        x = self.into2(self.into1(x)).relu()
        after = []
        for index, layer in enumerate(self.layers):
            x, last = layer(x, state[index] if state else None)
            after.append(last)
        return self.out2(self.out1(x)), tuple(after)

    @torch.no_grad()
    def fused(self, shift: Tensor, scale: Tensor) -> "SilenceNet":
        """The same function of features that are not normalised yet, in fewer products, for listening only."""
        return SilenceNet(self, shift, scale)


class SilenceLayer(nn.Module):
    """Layer for one stream, frames along the last dimension: the products are faster there, nothing is transposed."""

    project: Tensor
    memory: Tensor
    affine: Tensor
    bias: Tensor

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        taps = layer.memory.weight.clone()
        taps[:, :, layer.memory.left] += 1  # memory adds to its input
        self.register_buffer("memory", taps)
        self.register_buffer("project", layer.project.weight.clone())
        self.register_buffer("affine", layer.affine.weight.clone())
        self.register_buffer("bias", column(layer.affine.bias))

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """(250, T) to (250, T), and the last projected frames (128, left)."""
        width, _, taps = self.memory.shape
        past = x.new_zeros(width, taps - 1) if state is None else state
        padded = torch.cat([past, self.project @ x], dim=1)
        x = nn.functional.conv1d(padded.unsqueeze(0), self.memory, groups=width).squeeze(0)
        return torch.addmm(self.bias, self.affine, x).relu_(), padded[:, padded.shape[1] - taps + 1 :]


class SilenceNet(nn.Module):
    """FsmnVadNet for one stream, its linear runs multiplied out; gives the probability of silence.

    Normalisation goes into the first layer, and the two layers of the output into one, which gives every class's
    logit less that of silence.
    """

    weight1: Tensor
    bias1: Tensor
    weight2: Tensor
    bias2: Tensor
    weight3: Tensor
    bias3: Tensor

    def __init__(self, net: FsmnVadNet, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight1", net.into1.weight * scale)
        self.register_buffer("bias1", column(net.into1.bias + net.into1.weight @ (shift * scale)))
        self.register_buffer("weight2", net.into2.weight.clone())
        self.register_buffer("bias2", column(net.into2.bias))
        self.layers = nn.ModuleList(SilenceLayer(cast(Layer, layer)) for layer in net.layers)
        weight = net.out2.weight @ net.out1.weight
        bias = net.out2.weight @ net.out1.bias + net.out2.bias
        self.register_buffer("weight3", weight[1:] - weight[0])
        self.register_buffer("bias3", column(bias[1:] - bias[0]))

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Stacked filterbanks (T, 400) to the probability of silence (T,), and each layer's last frames."""
        x = torch.addmm(self.bias1, self.weight1, x.t())  # (140, T)
        x = torch.addmm(self.bias2, self.weight2, x).relu_()
        after = []
        for index, layer in enumerate(self.layers):
            x, last = layer(x, state[index] if state else None)
            after.append(last)
        odds = torch.addmm(self.bias3, self.weight3, x).exp_().sum(dim=0)
        return 1 / (1 + odds), tuple(after)


def column(vector: Tensor) -> Tensor:
    return vector.detach().clone().unsqueeze(1)


WEIGHTS: WeightMap = (
    ("encoder.in_linear1.linear", "into1"),
    ("encoder.in_linear2.linear", "into2"),
    ("encoder.fsmn.{}.linear.linear", "layers.{}.project"),
    ("encoder.fsmn.{}.fsmn_block.conv_left", "layers.{}.memory", lambda tensor: tensor.squeeze(-1)),
    ("encoder.fsmn.{}.affine.linear", "layers.{}.affine"),
    ("encoder.out_linear1.linear", "out1"),
    ("encoder.out_linear2.linear", "out2"),
)
