"""Linear layers whose weights lie in the order in which a processor multiplies them.

Otherwise they are brought into that order for every product anew, and with few rows that takes longer than the product.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from asr_cli.nn.precision import HalfLinear

ROWS = 16  # products of fewer rows take as long; and a kernel is compiled for each number of them


class PackedLinear(nn.Module):
    """A linear layer in float32 or 16 bits, for processors."""

    def __init__(self, linear: nn.Linear | HalfLinear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.dtype = weight.dtype
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        found = torch.ops.mkldnn._linear_pointwise(filled(x, self.dtype), self.weight, self.bias, "none", [], "")
        return cast(Tensor, found)[: len(x)]


def filled(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows in that type, with rows of zeros behind them up to a multiple of ROWS."""
    missing = -len(x) % ROWS
    if not missing:
        return x.to(dtype)
    rows = x.new_zeros(len(x) + missing, x.shape[1], dtype=dtype)
    rows[: len(x)] = x
    return rows


def pack(module: nn.Module) -> Iterator[nn.Linear]:
    """Pack every linear layer below `module`, in place, as far as the iteration goes; where torch cannot, none.

    Yield each layer of float32 that was replaced, for whoever wants its memory back.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear | HalfLinear) and can_pack(child.weight.dtype):
            setattr(module, name, PackedLinear(child))
            if isinstance(child, nn.Linear):
                yield child
        else:
            yield from pack(child)


def can_pack(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
