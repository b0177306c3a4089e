"""Global mean and variance normalisation, and Kaldi's text form of it.

>>> parse_mvn("<Nnet>\\n<AddShift> 2 2\\n<LearnRateCoef> 0 [ -1 -2 ]\\n<Rescale> 2 2\\n<LearnRateCoef> 0 [ 3 4 ]\\n")
([-1.0, -2.0], [3.0, 4.0])
"""

from itertools import pairwise
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from asr_cli.errors import ModelError


class Cmvn(nn.Module):
    """(x + shift) * scale, applied to stacked frames."""

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.float())
        self.register_buffer("scale", scale.float())

    @classmethod
    def from_file(cls, path: Path) -> Self:
        try:
            shift, scale = parse_mvn(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, IndexError) as error:
            raise ModelError(
                f"{str(path)!r} is no Kaldi mean-variance file ({error}); download the model again"
            ) from error
        return cls(torch.tensor(shift), torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.shift) * self.scale


def parse_mvn(text: str) -> tuple[list[float], list[float]]:
    """The shifts and scales of an am.mvn file."""
    found: dict[str, list[float]] = {}
    lines = text.splitlines()
    for name, values in pairwise(lines):
        kind = name.split(maxsplit=1)[0] if name.strip() else ""
        if kind in ("<AddShift>", "<Rescale>"):
            fields = values.split()
            if fields[0] != "<LearnRateCoef>":
                raise ValueError(f"{kind} is not followed by its values")
            found[kind] = [float(field) for field in fields[3:-1]]
    if found.keys() != {"<AddShift>", "<Rescale>"}:
        raise ValueError("shift or scale is missing")
    if len(found["<AddShift>"]) != len(found["<Rescale>"]):
        raise ValueError("shift and scale differ in length")
    return found["<AddShift>"], found["<Rescale>"]
