"""Matrix products in fewer bits. Only products: sums, norms and softmax stay float32, and what decides which token it
is should not be given here at all.

N rows, I and O the widths of a layer's input and output.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
ROWS = 32  # few kernels to compile, and few rows computed in vain
LEVELS = 127  # of int8 on either side of zero


class HalfLinear(nn.Module):
    """A linear layer whose weights, input and output have 16 bits."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", linear.weight.detach().to(dtype))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(filled(x, self.weight.dtype), self.weight, self.bias)[: len(x)]


class Int8Linear(nn.Module):
    """A linear layer with weights of 8 bits, each output channel with its own scale, and its input brought to 8 bits
    row by row: so a row's result does not depend on what else is in the batch."""

    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=1e-12) / LEVELS  # (O,)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())
        levels = (weight / scale.unsqueeze(1)).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(levels, None)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)

    def forward(self, x: Tensor) -> Tensor:
        n_rows = len(x)
        x = filled(x, torch.float32)
        scale = x.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(LEVELS)  # (N, 1)
        # A half more, and what is cut off rounds.
        levels = (x * scale.reciprocal()).add_(LEVELS + 1.5).to(torch.uint8)
        product = torch.ops.onednn.qlinear_pointwise(
            levels, 1.0, LEVELS + 1, self.packed, self.scale, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        whole = product * scale if self.bias is None else torch.addcmul(self.bias, product, scale)
        return whole[:n_rows]


def filled(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows in that type, with zero rows behind them up to a round number.

    oneDNN compiles a kernel for every number of rows it meets, and keeps them all: hours of utterances of all lengths
    would cost hundreds of megabytes.
    """
    missing = -len(x) % ROWS if x.device.type == "cpu" else 0
    if not missing:
        return x.to(dtype)
    rows = x.new_zeros(len(x) + missing, x.shape[1], dtype=dtype)
    rows[: len(x)] = x
    return rows


def lowered(linear: nn.Linear, compute_type: str) -> nn.Module:
    if compute_type == "int8":
        return Int8Linear(linear)
    return HalfLinear(linear, TYPES[compute_type])


def lower(module: nn.Module, compute_type: str) -> Iterator[nn.Linear]:
    """Put every linear layer below `module` into that type, in place, as far as the iteration goes.

    Yield each layer that was replaced, for whoever wants its memory back. float32 leaves all as it is.
    """
    if compute_type == "float32":
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, lowered(child, compute_type))
            yield child
        else:
            yield from lower(child, compute_type)
