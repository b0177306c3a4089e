"""FSMN-VAD, the network of FunASR's `FsmnVADStreaming` checkpoints.

Our own weights (`asr_cli/weights/fsmn_vad.safetensors`) use the same tensor names, with the normalisation beside them as
"cmvn.shift" and "cmvn.scale", and the configuration as JSON in the file's metadata under "config".

B batch, T frames of 10 ms, V output classes, of which the first is silence.
"""

from dataclasses import dataclass

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


class SilenceNet(nn.Module):
    """FsmnVadNet for one stream, its linear runs multiplied out; gives the probability of silence.

    Normalisation goes into the first layer, and the two layers of the output into one.
    """

    def __init__(self, net: FsmnVadNet, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(net.into1.weight * scale)
        self.bias = nn.Parameter(net.into1.bias + net.into1.weight @ (shift * scale))
        self.into2 = net.into2
        self.layers = net.layers
        self.out_weight = nn.Parameter(net.out2.weight @ net.out1.weight)
        self.out_bias = nn.Parameter(net.out2.weight @ net.out1.bias + net.out2.bias)

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Stacked filterbanks (T, 400) to the probability of silence (T,), and each layer's last frames."""
        x = self.into2(nn.functional.linear(x, self.weight, self.bias)).relu().unsqueeze(0)
        after = []
        for index, layer in enumerate(self.layers):
            x, last = layer(x, state[index] if state else None)
            after.append(last)
        logits = nn.functional.linear(x[0], self.out_weight, self.out_bias)
        return (logits[:, 0] - logits.logsumexp(dim=-1)).exp(), tuple(after)


WEIGHTS: WeightMap = (
    ("encoder.in_linear1.linear", "into1"),
    ("encoder.in_linear2.linear", "into2"),
    ("encoder.fsmn.{}.linear.linear", "layers.{}.project"),
    ("encoder.fsmn.{}.fsmn_block.conv_left", "layers.{}.memory", lambda tensor: tensor.squeeze(-1)),
    ("encoder.fsmn.{}.affine.linear", "layers.{}.affine"),
    ("encoder.out_linear1.linear", "out1"),
    ("encoder.out_linear2.linear", "out2"),
)
