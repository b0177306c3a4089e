"""The loss of a transducer in a band of its lattice, joiner included, without the memory that it is known for.

B utterances, T frames, U tokens, R rows of the band, J width of the joiner, V vocabulary; N cells of the band.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from asr_cli.nn.transducer_lattice import Band, all_paths

BLANK = 0
# Logits that stand in memory at once. A processor is fastest where they stay in its cache; a GPU wants to be filled.
LOGITS = {"cpu": 1 << 20, "cuda": 1 << 26}
# A cell that so little goes through has no gradient to speak of: a band is mostly such cells once a model has learned.
NEGLIGIBLE = 1e-9


def transducer_loss(
    encoded: Tensor, predicted: Tensor, output: nn.Linear, targets: Tensor, band: Band, *, fastemit: float = 0.0
) -> Tensor:
    """Minus the log-probability (B,) of each target, over all paths in the band.

    encoded (B, T, J) and predicted (B, U + 1, J) are what the joiner adds up, `output` what it makes of the tanh of the
    sum. targets: (B, U). fastemit: how much more a token counts than a blank in the gradient (Yu et al. 2021,
    arXiv:2010.11148); the loss that is returned does not change with it.

    Logits of a few cells are computed at a time, twice: for the loss, and again where it has a gradient.
    """
    encoded = encoded[:, : band.starts.shape[1]]  # an encoder of chunks may pad beyond the longest utterance
    is_lower = torch.is_autocast_enabled(encoded.device.type)
    dtype = torch.get_autocast_dtype(encoded.device.type) if is_lower else output.weight.dtype
    with torch.autocast(encoded.device.type, enabled=False):
        found: Tensor = BandedLoss.apply(  # type: ignore[no-untyped-call]
            encoded.float() if encoded.dtype != torch.float64 else encoded,
            predicted.float() if predicted.dtype != torch.float64 else predicted,
            output.weight, output.bias, targets, band, fastemit, dtype,
        )  # fmt: skip
    return found


class Cells:
    """The cells (N,) of a band that are computed: of which utterance, at which frame, after how many tokens."""

    def __init__(self, mask: Tensor, band: Band, targets: Tensor) -> None:
        self.mask = mask
        owner, frame, row = mask.nonzero(as_tuple=True)
        said = band.starts[owner, frame] + row
        self.frames = owner * mask.shape[1] + frame
        self.states = owner * (targets.shape[1] + 1) + said
        # Behind the last token there is none; what is read there is never used.
        padded = torch.cat([targets, targets.new_zeros(len(targets), 1)], dim=1)
        self.tokens = padded.flatten()[self.states]

    def pieces(self, n_tokens: int) -> Iterator[slice]:
        device = self.mask.device.type
        size = max(1, LOGITS.get(device, LOGITS["cuda"]) // n_tokens)
        for begin in range(0, len(self.frames), size):
            yield slice(begin, begin + size)


class BandedLoss(Function):
    @staticmethod
    def forward(
        ctx: Any,
        encoded: Tensor,
        predicted: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        band: Band,
        fastemit: float,
        dtype: torch.dtype,
    ) -> Tensor:
        cells = Cells(band.inside(), band, targets)
        frames, states = encoded.flatten(0, 1), predicted.flatten(0, 1)
        lowered = weight.to(dtype)
        n_cells = len(cells.frames)
        norms, blanks, tokens = (encoded.new_empty(n_cells) for _ in range(3))
        for piece in cells.pieces(len(weight)):
            hidden = frames[cells.frames[piece]].add_(states[cells.states[piece]]).tanh_().to(dtype)
            logits = (hidden @ lowered.t()).to(encoded.dtype).add_(bias)
            blanks[piece] = logits[:, BLANK]
            tokens[piece] = logits.gather(1, cells.tokens[piece].unsqueeze(1)).squeeze(1)
            norms[piece] = log_sum(logits)
        grid = torch.full_like(cells.mask, -torch.inf, dtype=encoded.dtype)
        paths = all_paths(
            grid.masked_scatter(cells.mask, blanks - norms), grid.masked_scatter(cells.mask, tokens - norms), band
        )
        ctx.band, ctx.fastemit, ctx.dtype = band, fastemit, dtype
        ctx.save_for_backward(encoded, predicted, weight, bias, targets, norms, paths.blank, paths.token)
        return -paths.log_probability.to(encoded.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        encoded, predicted, weight, bias, targets, norms, through_blank, through_token = ctx.saved_tensors
        band: Band = ctx.band
        scale = gradients[0].view(-1, 1, 1).to(through_blank.dtype)
        through_token = through_token * (1 + ctx.fastemit)
        matter = (through_blank + through_token) > NEGLIGIBLE
        inside = band.inside()
        cells = Cells(matter & inside, band, targets)
        norms = norms[matter[inside]]
        by_blank = (through_blank * scale)[cells.mask].to(encoded.dtype)
        by_token = (through_token * scale)[cells.mask].to(encoded.dtype)
        frames, states = encoded.flatten(0, 1), predicted.flatten(0, 1)
        to_frames, to_states = torch.zeros_like(frames), torch.zeros_like(states)
        to_weight, to_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        lowered = weight.to(ctx.dtype)
        for piece in cells.pieces(len(weight)):
            joined = frames[cells.frames[piece]].add_(states[cells.states[piece]]).tanh_()
            hidden = joined.to(ctx.dtype)
            logits = (hidden @ lowered.t()).to(encoded.dtype).add_(bias)
            blank, token = by_blank[piece], by_token[piece]
            error = logits.sub_(norms[piece].unsqueeze(1)).exp_().mul_((blank + token).unsqueeze(1))
            error[:, BLANK] -= blank
            error.scatter_add_(1, cells.tokens[piece].unsqueeze(1), -token.unsqueeze(1))
            to_bias += error.sum(0)
            error = error.to(ctx.dtype)
            to_weight += error.t() @ hidden
            to_hidden = (error @ lowered).to(encoded.dtype).mul_(joined.square_().neg_().add_(1))
            to_frames.index_add_(0, cells.frames[piece], to_hidden)
            to_states.index_add_(0, cells.states[piece], to_hidden)
        return (
            to_frames.view_as(encoded), to_states.view_as(predicted), to_weight, to_bias, None, None, None, None,
        )  # fmt: skip


def log_sum(logits: Tensor) -> Tensor:
    """The logarithm (N,) of each row's sum of exponentials, at the logits' expense."""
    highest = logits.amax(1, keepdim=True)
    return logits.sub_(highest).exp_().sum(1).log_().add_(highest.squeeze(1))
