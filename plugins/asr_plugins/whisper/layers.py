"""What Whisper's encoder and decoder are made of here: transformers' weights, arranged for few products.

N windows, S positions, M rows of the decoder, U tokens, D width, H heads, C = D / H.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN
from transformers.models.whisper.modeling_whisper import (
    WhisperAttention,
    WhisperDecoderLayer,
    WhisperEncoderLayer,
)

from asr_cli.nn.packed import pack
from asr_cli.nn.precision import lower


def side_by_side(*linears: nn.Linear, scale: float = 1.0) -> nn.Linear:
    """One layer that gives what all of them give, one behind the other, the first one's scaled."""
    scales = [scale] + [1.0] * (len(linears) - 1)
    first = linears[0]
    whole = nn.Linear(first.in_features, sum(one.out_features for one in linears), device="meta")
    weights = [one.weight.detach() * by for one, by in zip(linears, scales, strict=True)]
    biases = [
        one.weight.new_zeros(one.out_features) if one.bias is None else one.bias.detach() * by
        for one, by in zip(linears, scales, strict=True)
    ]
    whole.weight = nn.Parameter(torch.cat(weights), requires_grad=False)
    whole.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
    return whole


class SelfAttention(nn.Module):
    """Queries (scaled), keys and values from one product."""

    def __init__(self, theirs: WhisperAttention) -> None:
        super().__init__()
        self.n_heads = theirs.num_heads
        self.project = side_by_side(theirs.q_proj, theirs.k_proj, theirs.v_proj, scale=theirs.scaling)
        self.out = theirs.out_proj

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of (N, S, D) each (N, H, S, C)."""
        n, s, width = x.shape
        q, k, v = (
            self.project(x.flatten(0, 1)).view(n, s, 3, self.n_heads, width // self.n_heads).permute(2, 0, 3, 1, 4)
        )
        return q, k, v

    def join(self, x: Tensor) -> Tensor:
        """The output (N, S, D) of what the heads (N, H, S, C) found."""
        return joined(x, self.out)


def joined(x: Tensor, out: nn.Module) -> Tensor:
    n, h, s, c = x.shape
    found: Tensor = out(x.transpose(1, 2).reshape(n * s, h * c))
    return found.view(n, s, -1)


class CrossAttention(nn.Module):
    """Queries of the decoder; keys and values of what was heard, computed once."""

    def __init__(self, theirs: WhisperAttention) -> None:
        super().__init__()
        self.n_heads = theirs.num_heads
        self.query = side_by_side(theirs.q_proj, scale=theirs.scaling)
        self.hear = side_by_side(theirs.k_proj, theirs.v_proj)
        self.out = theirs.out_proj

    def keys_values(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Of (N, S, D) each (N, H, S, C)."""
        n, s, width = states.shape
        k, v = self.hear(states.flatten(0, 1)).view(n, s, 2, self.n_heads, width // self.n_heads).permute(2, 0, 3, 1, 4)
        return k, v

    def queries(self, x: Tensor) -> Tensor:
        """Of (M, U, D) each (M, H, U, C)."""
        m, u, width = x.shape
        found: Tensor = self.query(x.flatten(0, 1))
        return found.view(m, u, self.n_heads, width // self.n_heads).transpose(1, 2)


class FeedForward(nn.Module):
    def __init__(self, theirs: WhisperEncoderLayer | WhisperDecoderLayer, activation: str) -> None:
        super().__init__()
        self.widen, self.narrow = theirs.fc1, theirs.fc2
        self.activate = ACT2FN[activation]

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.narrow(self.activate(self.widen(x.flatten(0, 1))))
        return found.view(x.shape)


def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def lightened(module: nn.Module, compute_type: str, device: torch.device) -> Iterator[Tensor]:
    """Put the products below `module` into that type, and where it is a processor into the order it wants.

    Yield the weights that nobody needs any more.
    """
    for linear in lower(module, compute_type):
        yield linear.weight
    module.to(device)
    if device.type == "cpu":
        for linear in pack(module):
            yield linear.weight
