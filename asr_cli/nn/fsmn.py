"""Feedforward sequential memory.

B batch, T frames, D width; N rows of sequences laid end to end.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.nn.rows import Rows


class FsmnMemory(nn.Module):
    """FSMN memory (Zhang et al. 2015, arXiv:1512.08301): x + depthwise convolution of x over time.

    With right = 0 it is causal, and the last `left` frames are its state.
    """

    def __init__(self, width: int, left: int, right: int = 0) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.weight = nn.Parameter(torch.empty(width, 1, left + 1 + right))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor, state: Tensor | None = None, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, D) to (B, T, D), and the frames (B, left, D) a later call goes on from.

        counts: how many frames (B,) of each sequence there are, where not all have T of them.
        """
        if state is None:
            state = x.new_zeros(x.shape[0], self.left, x.shape[2])
        padded = torch.cat([state, x], dim=1)  # (B, left + T, D)
        context = F.pad(padded.transpose(1, 2), (0, self.right))  # (B, D, left + T + right)
        memory = F.conv1d(context, self.weight, groups=x.shape[2]).transpose(1, 2)
        return x + memory, self.latest(padded, counts)

    def latest(self, padded: Tensor, counts: Tensor | None) -> Tensor:
        if counts is None:
            return padded[:, padded.shape[1] - self.left :]
        places = counts.unsqueeze(1) + torch.arange(self.left, device=padded.device)  # (B, left)
        return padded.gather(1, places.unsqueeze(2).expand(-1, -1, padded.shape[2]))

    def within(self, x: Tensor) -> Tensor:
        """Windows (B, T, D) to (B, T, D), each with nothing but zeros around it."""
        spaced = F.pad(x, (0, 0, self.left, self.right))  # (B, left + T + right, D)
        around = spaced.unfold(1, self.left + 1 + self.right, 1)  # (B, T, D, k), a view
        return x + torch.einsum("btdk,dk->btd", around, self.weight.squeeze(1))

    def over(self, x: Tensor, rows: Rows) -> Tensor:
        """(N, D) to (N, D): every sequence of `rows` with nothing but zeros around it."""
        spaced, places = rows.apart(x, self.left, self.right)
        # A processor multiplies and adds whole rows several times faster than it convolves columns.
        by_rows = x.device.type == "cpu" and not torch.onnx.is_in_onnx_export()
        memory = shifted(spaced, self.weight) if by_rows else convolved(spaced, self.weight)
        return x + memory[places - self.left]


def convolved(x: Tensor, weight: Tensor) -> Tensor:
    """Depthwise convolution of rows (N, D) with (D, 1, k) to (N - k + 1, D)."""
    longer = F.pad(x, (0, 0, 0, 1))  # by a row in vain: a lone sequence of nothing leaves fewer than k
    return F.conv1d(longer.t().unsqueeze(0), weight, groups=x.shape[1])[0].t()[:-1]


def shifted(x: Tensor, weight: Tensor) -> Tensor:
    """The same, tap by tap."""
    n_places = len(x) - weight.shape[-1] + 1
    memory = x.new_zeros(n_places, x.shape[1])
    for tap, factor in enumerate(weight.squeeze(1).t().contiguous()):
        memory = torch.addcmul(memory, x[tap : tap + n_places], factor, out=free(memory))
    return memory


def free(tensor: Tensor) -> Tensor | None:
    """The tensor, if nobody will ask for what it held."""
    return None if torch.is_grad_enabled() else tensor
