"""The band that pruned RNN-T computes (Kuang et al. 2022, arXiv:2206.13236): where the occupation is by a joiner that
merely adds up, so cheap that it can see the whole lattice. The baseline of the boundary-aware transducer.

B utterances, T frames, U tokens, V vocabulary.
"""

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from asr_cli.nn.transducer_lattice import Band, all_paths, passable, whole
from asr_cli.nn.transducer_loss import BLANK


def simple_loss(
    encoded: Tensor, predicted: Tensor, targets: Tensor, n_frames: Tensor, n_tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """Minus the log-probability (B,) of each target, where the logits of a cell are encoded (B, T, V) + predicted
    (B, U + 1, V); and how much of it is in each cell of the lattice (B, T, U + 1)."""
    blank, token = simple_logs(encoded.float(), predicted.float(), targets)
    loss, occupied = LatticeLoss.apply(blank, token, whole(n_frames, n_tokens))  # type: ignore[no-untyped-call]
    return loss, occupied


def simple_logs(encoded: Tensor, predicted: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities (B, T, U + 1) of the blank and of the next token; the sum over V is a matrix product."""
    high, top = encoded.amax(2, keepdim=True), predicted.amax(2, keepdim=True)
    sums = (encoded - high).exp() @ (predicted - top).exp().mT
    norms = sums.clamp(min=torch.finfo(sums.dtype).tiny).log() + high + top.mT
    padded = torch.cat([targets, targets.new_zeros(len(targets), 1)], dim=1)  # (B, U + 1)
    by_frame = encoded.gather(2, padded.unsqueeze(1).expand(-1, encoded.shape[1], -1))
    by_state = predicted.gather(2, padded.unsqueeze(2)).mT
    blank = encoded[..., BLANK].unsqueeze(2) + predicted[..., BLANK].unsqueeze(1)
    return blank - norms, by_frame + by_state - norms


class LatticeLoss(Function):
    """From log-probabilities to the loss, where they are all there."""

    @staticmethod
    def forward(ctx: object, blank: Tensor, token: Tensor, band: Band) -> tuple[Tensor, Tensor]:
        paths = all_paths(blank, token, band)
        by_blank, by_token = paths.blank.to(blank.dtype), paths.token.to(token.dtype)
        ctx.save_for_backward(by_blank, by_token)  # type: ignore[attr-defined]
        occupied = by_blank + by_token
        ctx.mark_non_differentiable(occupied)  # type: ignore[attr-defined]
        return -paths.log_probability.to(blank.dtype), occupied

    @staticmethod
    @once_differentiable
    def backward(ctx: object, loss: Tensor, occupied: Tensor) -> tuple[Tensor, Tensor, None]:
        by_blank, by_token = ctx.saved_tensors  # type: ignore[attr-defined]
        scale = loss.view(-1, 1, 1)
        return -by_blank * scale, -by_token * scale, None


def pruned(occupied: Tensor, width: int, n_frames: Tensor, n_tokens: Tensor) -> Band:
    """The band of `width` rows that holds most of what is in the cells (B, T, U + 1)."""
    width = min(width, occupied.shape[2])
    sums = torch.nn.functional.pad(occupied.cumsum(2), (1, 0))
    within = sums[..., width:] - sums[..., :-width]  # (B, T, U + 2 - width)
    return passable(within.argmax(2), width, n_frames, n_tokens)
