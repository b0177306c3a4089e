"""Matrix products in fewer bits. Only products: sums, norms and softmax stay float32, and what decides which token it
is should not be given here at all.

N rows, I and O the widths of a layer's input and output.
"""

from collections.abc import Iterator
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.errors import UsageError

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
TINY = 1e-12  # instead of nothing, where something is divided by
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
        self.levels = input_levels()
        scale = largest(weight).div_(LEVELS)  # (O, 1)
        self.register_buffer("scale", scale.flatten())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())
        self.packed = packed((weight / scale).round_().to(torch.int8))
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)

    def forward(self, x: Tensor) -> Tensor:
        n_rows = len(x)
        x = filled(x, torch.float32)
        scale = largest(x).div_(self.levels)  # (N, 1)
        # By way of int8: torch turns floats into that several times faster than into uint8.
        signed = (x * scale.reciprocal()).round_().to(torch.int8)
        product = multiply(signed, self.levels + 1, self.packed, self.scale, self.zeros)
        whole = product * scale if self.bias is None else torch.addcmul(self.bias, product, scale)
        return whole[:n_rows]


def largest(x: Tensor) -> Tensor:
    """The largest magnitude in each row (N, 1), never zero."""
    return torch.maximum(x.amax(1, keepdim=True), x.amin(1, keepdim=True).neg_()).clamp_(min=TINY)


def packed(levels: Tensor) -> Tensor:
    """Weights (O, I) of int8 in the order in which the processor wants them."""
    return cast(Tensor, torch.ops.onednn.qlinear_prepack(levels, None))


def multiply(signed: Tensor, middle: int, weight: Tensor, scale: Tensor, zeros: Tensor) -> Tensor:
    """Rows (N, I) of int8 with packed weights, each output in its scale (O,), to (N, O) of float32.

    middle: what to add to the rows, in place, so that none is negative; the instructions for it want that.
    """
    levels = signed.view(torch.uint8).add_(middle)  # modulo 256, as it has to be
    return cast(Tensor, torch.ops.onednn.qlinear_pointwise(
        levels, 1.0, middle, weight, scale, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    ))  # fmt: skip


@cache
def input_levels() -> int:
    """How many levels on either side of zero the input may have, by trying.

    Where a processor has no instruction for products of 8 bits (VNNI), two of them are summed up in 16 bits, and with
    all levels that overflows.
    """
    size, zeros = 64, torch.zeros(1, dtype=torch.int64)
    weight = packed(torch.full((1, size), LEVELS, dtype=torch.int8))
    for levels in (LEVELS, LEVELS // 2):
        row = torch.full((1, size), levels, dtype=torch.int8)
        if multiply(row, levels + 1, weight, torch.ones(1), zeros).item() == levels * LEVELS * size:
            return levels
    raise UsageError("this processor does not compute int8 as it should; use bfloat16 or float32")


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
