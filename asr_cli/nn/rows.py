"""Sequences of different lengths laid end to end, row after row, so that nothing is ever padded.

N rows of all sequences together, D width.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class Rows:
    """Which rows of a (N, D) tensor belong together: the first lengths[0] are one sequence, and so on."""

    together = False  # whether a processor, too, had better compute the sequences all at once

    def __init__(self, lengths: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.lengths = tuple(int(length) for length in lengths)
        self.device = torch.device(device)
        self.n_rows = sum(self.lengths)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split(self.lengths)

    @cached_property
    def counts(self) -> Tensor:
        return torch.tensor(self.lengths, dtype=torch.long, device=self.device)

    @cached_property
    def owners(self) -> Tensor:
        """For each row, which sequence it is of."""
        sequences = torch.arange(len(self.lengths), device=self.device)
        return sequences.repeat_interleave(self.counts, output_size=self.n_rows)

    @cached_property
    def positions(self) -> Tensor:
        """For each row, its place in its sequence, from 0."""
        begins = self.counts.cumsum(0) - self.counts
        return torch.arange(self.n_rows, device=self.device) - begins[self.owners]

    def apart(self, x: Tensor, left: int, right: int) -> tuple[Tensor, Tensor]:
        """The rows with `left` zero rows before each sequence and `right` after it, and where each row went."""
        places = torch.arange(self.n_rows, device=self.device) + self.owners * (left + right) + left
        spaced = x.new_zeros(self.n_rows + len(self.lengths) * (left + right), x.shape[1])
        return spaced.index_copy(0, places, x), places

    def padded(self, x: Tensor) -> Tensor:
        """(B, longest, D), zeros behind the shorter sequences."""
        grid = x.new_zeros(len(self.lengths), max(self.lengths, default=0), *x.shape[1:])
        grid[self.owners, self.positions] = x
        return grid

    def unpadded(self, grid: Tensor) -> Tensor:
        """The rows (N, D) of what `padded` made."""
        return grid[self.owners, self.positions]

    @cached_property
    def mask(self) -> Tensor:
        """(B, longest), true where `padded` has a row."""
        return torch.arange(max(self.lengths, default=0), device=self.device) < self.counts.unsqueeze(1)


def join(tensors: Sequence[Tensor]) -> tuple[Tensor, Rows]:
    """Sequences (T, D) of any lengths, end to end."""
    return torch.cat(list(tensors)), Rows([len(tensor) for tensor in tensors], tensors[0].device)
