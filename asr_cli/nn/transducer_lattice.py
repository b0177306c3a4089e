"""The lattice of a transducer (Graves 2012, arXiv:1211.3711), or a band of it: which cells there are, and how likely it
is that a path goes through each.

B utterances, T frames, U tokens, R rows of the band: at frame t it holds the states in which starts[t] to
starts[t] + R - 1 tokens have been said.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = -float("inf")


@dataclass(frozen=True, slots=True)
class Band:
    """The part of the lattice that is computed.

    starts: (B, T), at each frame the fewest tokens that may have been said; never falls, and rises by less than
    `width` at a frame. n_frames, n_tokens: (B,), how long each utterance is.
    """

    starts: Tensor
    width: int
    n_frames: Tensor
    n_tokens: Tensor

    def said(self) -> Tensor:
        """How many tokens have been said in each cell (B, T, R)."""
        return self.starts.unsqueeze(2) + torch.arange(self.width, device=self.starts.device)

    def inside(self) -> Tensor:
        """Which cells (B, T, R) are of the lattice at all, and not behind an utterance's last frame or token."""
        frames = torch.arange(self.starts.shape[1], device=self.starts.device)
        is_frame = frames < self.n_frames.unsqueeze(1)
        return is_frame.unsqueeze(2) & (self.said() <= self.n_tokens.view(-1, 1, 1))


def whole(n_frames: Tensor, n_tokens: Tensor) -> Band:
    """The band that is the whole lattice."""
    starts = torch.zeros(len(n_frames), int(n_frames.max()), dtype=torch.long, device=n_frames.device)
    return Band(starts, int(n_tokens.max()) + 1, n_frames, n_tokens)


def around(said: Tensor, n_frames: Tensor, n_tokens: Tensor, *, back: int, ahead: int) -> Band:
    """The band around an alignment: how many tokens (B, T) have been said by the end of each frame, in fractions, as
    integrate-and-fire counts them (An et al. 2023, arXiv:2305.11571).

    back, ahead: R_d and R_u, how many tokens the transducer may lag behind the alignment and run ahead of it.
    """
    wanted = said.detach().double().floor().long() - back
    return passable(wanted, back + ahead, n_frames, n_tokens)


def passable(wanted: Tensor, width: int, n_frames: Tensor, n_tokens: Tensor) -> Band:
    """The band nearest to the one whose starts (B, T) are wanted, through which a path leads from the first token to
    the last.

    Raises ValueError where there is none: a frame takes less than `width` tokens.
    """
    width = min(width, int(n_tokens.max()) + 1)
    if width < 2 and int(n_tokens.max()):
        raise ValueError("a band of one row lets no token through; widen it")
    step = max(width - 1, 1)
    highest = (n_tokens - step).clamp(min=0).unsqueeze(1)  # where the last token is just inside
    frames = torch.arange(wanted.shape[1], device=wanted.device)
    left = (n_frames.unsqueeze(1) - 1 - frames).clamp(min=0)  # frames that follow
    starts = wanted.cummax(1).values.clamp(min=0).minimum(highest).minimum(frames * step)
    # It ends where the last token is inside, and rises by no more than what one frame can say.
    starts = starts.maximum(highest - left * step)
    starts = (starts - frames * step).flip(1).cummax(1).values.flip(1) + frames * step
    if bool((starts[:, 0] > 0).any()):
        late = int((starts[:, 0] > 0).nonzero()[0])
        raise ValueError(
            f"utterance {late} has {int(n_tokens[late])} tokens in {int(n_frames[late])} frames; a band of {width} rows"
            f" lets {step} tokens through at a frame"
        )
    return Band(starts, width, n_frames, n_tokens)


@dataclass(frozen=True, slots=True)
class Paths:
    """All paths together: the logarithm of their probability (B,), and the share of it that goes through the blank,
    and through the next token, of each cell (B, T, R)."""

    log_probability: Tensor
    blank: Tensor
    token: Tensor


def all_paths(blank: Tensor, token: Tensor, band: Band) -> Paths:
    """Log-probabilities (B, T, R) of the blank and of the next token in each cell to what they make together.

    Within a frame the recursion over the tokens is a running sum, so only the frames are gone through one by one. In
    float64, which costs nothing here and lets sums of hundreds of nats be subtracted from each other.
    """
    inside, said = band.inside(), band.said()
    last = band.n_tokens.view(-1, 1, 1)
    exact = torch.float32 if blank.device.type == "mps" else torch.float64
    blank = torch.where(inside, blank.to(exact), NEVER)
    token = torch.where(inside & (said < last), token.to(exact), NEVER)
    # Sums of tokens up to each cell; what cannot be said has to be finite to be subtracted.
    steps = torch.where(token == NEVER, 0.0, token)
    sums = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(2)[..., :-1]], dim=2)
    moves = band.starts.diff(dim=1)  # (B, T - 1)
    after = onward(blank, token, sums, moves, inside, said, band)
    before = forward(blank, sums, moves, inside)
    total = after[:, 0, 0]
    at = before - total.view(-1, 1, 1)
    through_blank = at + blank + ends(shifted_down(after[:, 1:], moves), band, said, exact)
    through_token = at + token + next_row(after)
    return Paths(total, share(through_blank, inside), share(through_token, inside))


def share(log: Tensor, inside: Tensor) -> Tensor:
    return torch.where(inside & log.isfinite(), log, NEVER).exp()


def forward(blank: Tensor, sums: Tensor, moves: Tensor, inside: Tensor) -> Tensor:
    """The log-probability (B, T, R) of all ways into each cell."""
    row = torch.full_like(blank[:, 0], NEVER)
    row[:, 0] = 0.0
    rows = []
    indices = source_rows(moves, blank.shape[2])
    beyond = torch.full_like(row, NEVER)
    for t in range(blank.shape[1]):
        if t:
            left = torch.cat([rows[-1] + blank[:, t - 1], beyond], dim=1)
            row = left.gather(1, indices[:, t - 1])
        row = torch.logcumsumexp(row - sums[:, t], dim=1) + sums[:, t]
        rows.append(torch.where(inside[:, t], row, NEVER))
    return torch.stack(rows, dim=1)


def onward(
    blank: Tensor, token: Tensor, sums: Tensor, moves: Tensor, inside: Tensor, said: Tensor, band: Band
) -> Tensor:
    """The log-probability (B, T, R) of all ways on from each cell to the end."""
    n_frames = blank.shape[1]
    at_end = said == band.n_tokens.view(-1, 1, 1)
    frames = torch.arange(n_frames, device=blank.device)
    is_last = (frames == (band.n_frames - 1).unsqueeze(1)).unsqueeze(2)
    ending = torch.where(is_last & at_end, blank, NEVER)
    indices = target_rows(moves, blank.shape[2])
    beyond = torch.full_like(blank[:, 0], NEVER)
    rows: list[Tensor] = []
    for t in reversed(range(n_frames)):
        row = ending[:, t]
        if rows:
            left = torch.cat([beyond, rows[-1]], dim=1).gather(1, indices[:, t]) + blank[:, t]
            row = torch.where(is_last[:, t], row, left)
        row = torch.where(inside[:, t], row, NEVER) + sums[:, t]
        row = torch.logcumsumexp(row.flip(1), dim=1).flip(1) - sums[:, t]
        rows.append(torch.where(inside[:, t], row, NEVER))
    return torch.stack(rows[::-1], dim=1)


def source_rows(moves: Tensor, width: int) -> Tensor:
    """Where in the row before, with as many cells behind it, each cell comes from: (B, T - 1, R)."""
    rows = torch.arange(width, device=moves.device)
    return (rows + moves.unsqueeze(2)).clamp(max=2 * width - 1)


def target_rows(moves: Tensor, width: int) -> Tensor:
    """Where in the row after, with as many cells before it, each cell leads to: (B, T - 1, R)."""
    rows = torch.arange(width, 2 * width, device=moves.device)
    return (rows - moves.unsqueeze(2)).clamp(min=0)


def shifted_down(after: Tensor, moves: Tensor) -> Tensor:
    """What follows the blank of each cell (B, T - 1, R), of the rows (B, T - 1, R) after it."""
    beyond = torch.full_like(after, NEVER)
    return torch.cat([beyond, after], dim=2).gather(2, target_rows(moves, after.shape[2]))


def ends(following: Tensor, band: Band, said: Tensor, exact: torch.dtype) -> Tensor:
    """What follows the blank of every cell (B, T, R): the rows after it, and behind the last frame, the end."""
    frames = torch.arange(said.shape[1], device=said.device)
    is_last = (frames == (band.n_frames - 1).unsqueeze(1)).unsqueeze(2)
    is_end = is_last & (said == band.n_tokens.view(-1, 1, 1))
    longer = torch.cat([following, torch.full_like(following[:, :1], NEVER)], dim=1) if following.shape[1] else None
    rest = longer if longer is not None else torch.full(said.shape, NEVER, dtype=exact, device=said.device)
    return torch.where(is_end, 0.0, torch.where(is_last, NEVER, rest))


def next_row(after: Tensor) -> Tensor:
    """What follows the token of each cell (B, T, R)."""
    return torch.cat([after[..., 1:], torch.full_like(after[..., :1], NEVER)], dim=2)
