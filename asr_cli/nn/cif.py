"""Continuous integrate-and-fire: from frames to tokens without attention.

N frames and U tokens of sequences laid end to end, D width. Everything here is float32 or better: a token that fires or
does not is text that is there or is not.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr_cli.errors import damaged
from asr_cli.nn.rows import Rows


class Alphas(nn.Module):
    """How much of a token each frame carries, 0 to 1 (Gao et al. 2022, arXiv:2206.08317)."""

    def __init__(self, width: int, *, left: int = 1, right: int = 1, smooth: float = 1.0, noise: float = 0.0) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.smooth, self.noise = smooth, noise
        self.conv = nn.Conv1d(width, width, left + 1 + right)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(N, D) to (N,). Around every sequence there is nothing but zeros."""
        if not rows.n_rows:
            return x.new_zeros(0)
        spaced, places = rows.apart(x, self.left, self.right)
        around = self.conv(spaced.t().unsqueeze(0))[0].t()[places - self.left]  # (N, D)
        return (self.smooth * self.out(around.relu()).sigmoid() - self.noise).relu().squeeze(1)


@dataclass(frozen=True, slots=True)
class Fired:
    """Tokens as integrate-and-fire gives them: `embeds` (U, D), and which are of which sequence.

    fires: the frames (N,) that completed one. begun: where it stopped.
    """

    embeds: Tensor
    rows: Rows
    fires: Tensor
    begun: "Begun"


@dataclass(frozen=True, slots=True)
class Begun:
    """How far each sequence has come: what was summed up (B,), of which every whole one has become a token, and the
    embedding (B, D), so far, of the token that the rest has begun."""

    weights: Tensor
    embeds: Tensor


def integrate_and_fire(
    x: Tensor, alphas: Tensor, rows: Rows, *, tail: float = 0.0, begun: Begun | None = None
) -> Fired:
    """Frames (N, D), weighted with alphas (N,) in [0, 1] and summed up until they make one token, again and again
    (Dong & Xu 2020, arXiv:1905.11235).

    tail: what a frame of silence after the end would weigh, so that the last token is not left hanging. begun: where
    the frames before these ended, if they do not begin a sequence.
    """
    # Summed in float64, so that hours do not drift; read in float32, as those who trained the checkpoints read it.
    exact = torch.float32 if x.device.type == "mps" else torch.float64  # which Apple's GPUs do not have
    before = alphas.new_zeros(len(rows.lengths), dtype=exact) if begun is None else begun.weights.to(x.device, exact)
    total = torch.cat([before.unsqueeze(1), rows.padded(alphas.to(exact))], dim=1).cumsum(1)  # (B, 1 + longest)
    sums = rows.unpadded(total[:, 1:]).float()  # (N,)
    n_after = sums.floor().long()  # tokens complete once this frame is in
    n_begun = before.float().floor().long()  # (B,), tokens of the frames before these
    n_given = n_begun[rows.owners]
    n_before = torch.where(rows.positions == 0, n_given, n_after.roll(1))
    fires = n_after > n_before
    rest = torch.where(fires, sums - n_after, 0.0)  # what goes over to the next token
    reached = total.gather(1, rows.counts.unsqueeze(1)).squeeze(1)  # (B,)
    counts = ((reached + tail).float().floor() - n_begun).tolist()
    if not all(map(math.isfinite, counts)):
        raise damaged("the model")
    tokens = Rows([int(count) for count in counts], rows.device)
    begins = tokens.counts.cumsum(0) - tokens.counts
    first = begins[rows.owners] - n_given
    limit = tokens.counts[rows.owners] + n_given
    embeds = x.new_zeros(tokens.n_rows + len(tokens.lengths), x.shape[1])  # at the end what did not become tokens
    hanging = tokens.n_rows + rows.owners
    for weight, token in ((alphas - rest, n_before), (rest, n_after)):
        place = torch.where(token < limit, first + token, hanging)
        embeds.index_add_(0, place, weight.unsqueeze(1) * x)
    if begun is not None:
        ends = tokens.n_rows + torch.arange(len(tokens.lengths), device=rows.device)
        embeds.index_add_(0, torch.where(tokens.counts > 0, begins, ends), begun.embeds)
    return Fired(embeds[: tokens.n_rows], tokens, fires, Begun(reached, embeds[tokens.n_rows :]))


def fire_frames(alphas: Tensor, threshold: float) -> Tensor:
    """The frames (n_fires,) of one sequence (T,) at which it fires, each time `threshold` has come together."""
    n_fired = (alphas.cpu().double().cumsum(0) / threshold).floor()
    return n_fired.diff(prepend=n_fired.new_zeros(1)).nonzero().squeeze(1)


def integrate(x: Tensor, alphas: Tensor, n_tokens: int) -> Tensor:
    """Padded frames (B, T, D), weighted with alphas (B, T) of any size, to the first tokens (B, n_tokens, D) that they
    make: what `integrate_and_fire` gives, where a frame may also carry several tokens, as it may once alphas have been
    scaled to a number of tokens that is known."""
    weights = alphas.to(torch.float32 if x.device.type == "mps" else torch.float64)  # which Apple's GPUs do not have
    ends = weights.cumsum(1)
    tokens = torch.arange(n_tokens, device=x.device).to(ends.dtype).view(1, -1, 1)
    # What a frame gives to a token is how much of the token's stretch from n to n + 1 lies in the frame's own.
    last, first = ends.unsqueeze(1).minimum(tokens + 1), (ends - weights).unsqueeze(1).maximum(tokens)
    return (last - first).clamp(min=0).to(x.dtype) @ x
