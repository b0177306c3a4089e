"""The lattice of a transducer (Graves 2012, arXiv:1211.3711), or a band of it: which cells there are, and how likely it
is that a path goes through each.

B utterances, T frames, U tokens, R rows of the band: at frame t it holds the states in which starts[t] to
starts[t] + R - 1 tokens have been said.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = -float("inf")
WIDE = 16  # rows


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
    wanted = said.detach().floor().long() - back
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

    In float64, which costs nothing here and lets sums of hundreds of nats be subtracted from each other.
    """
    exact = torch.float32 if blank.device.type == "mps" else torch.float64
    inside, said = band.inside(), band.said()
    n_tokens, last = band.n_tokens.view(-1, 1, 1), band.n_frames.view(-1, 1, 1) - 1
    blank = torch.where(inside, blank.to(exact), NEVER)
    token = torch.where(inside & (said < n_tokens), token.to(exact), NEVER)
    # Both ways through the lattice at once: from its beginning, and from its end the other way round.
    ways = ways_into(*(torch.cat(pair) for pair in zip(straight(blank, token, band), mirrored(blank, token, band),
                                                       strict=True)))  # fmt: skip
    before, after = ways.chunk(2)
    after = turned(after, band.n_frames).flip(2)  # what follows each cell; behind the last blank, nothing
    total = after[:, 0, 0]
    at = before - total.view(-1, 1, 1)
    frames = torch.arange(blank.shape[1], device=blank.device).view(1, -1, 1)
    by_blank = torch.where((frames == last) & (said == n_tokens), 0.0, below(after, band.starts))
    by_token = torch.cat([after[..., 1:], torch.full_like(after[..., :1], NEVER)], dim=2)
    return Paths(total, share(at + blank + by_blank, inside), share(at + token + by_token, inside))


def share(log: Tensor, inside: Tensor) -> Tensor:
    return torch.where(inside & log.isfinite(), log, NEVER).exp()


def straight(blank: Tensor, token: Tensor, band: Band) -> tuple[Tensor, ...]:
    """The lattice as `ways_into` takes it."""
    # A blank belongs to the cell it leads out of, in the row before; here it is the toll of the one it leads into.
    tolls = torch.cat([torch.zeros_like(blank[:, :1]), above(blank, band.starts)], dim=1)
    return tolls, token, band.starts, band.inside()


def mirrored(blank: Tensor, token: Tensor, band: Band) -> tuple[Tensor, ...]:
    """The lattice from its end: the last frame first and the last token first."""
    led_here = torch.cat([torch.full_like(token[..., :1], NEVER), token[..., :-1]], dim=2)
    starts = band.n_tokens.unsqueeze(1) - (band.starts + band.width - 1)
    return tuple(
        turned(part.flip(2) if part.dim() == 3 else part, band.n_frames)
        for part in (blank, led_here, starts, band.inside())
    )


def turned(x: Tensor, n_frames: Tensor) -> Tensor:
    """The frames (B, T, ...) of each utterance the other way round; those behind its end stay where they are."""
    frames = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    mirror = n_frames.unsqueeze(1) - 1 - frames
    index = torch.where(mirror >= 0, mirror, frames)
    return x.gather(1, index.view(*index.shape, *[1] * (x.dim() - 2)).expand_as(x))


def above(x: Tensor, starts: Tensor) -> Tensor:
    """For the cells of all frames but the first, what is in the cell before (B, T - 1, R) with as many tokens."""
    rows = torch.arange(x.shape[2], device=x.device) + starts.diff(dim=1).clamp(0, x.shape[2] - 1).unsqueeze(2)
    return torch.cat([x, torch.full_like(x, NEVER)], dim=2)[:, :-1].gather(2, rows)


def below(x: Tensor, starts: Tensor) -> Tensor:
    """For each cell, what is in the cell after (B, T, R) with as many tokens."""
    rows = torch.arange(x.shape[2], 2 * x.shape[2], device=x.device) - starts.diff(dim=1).unsqueeze(2)
    beyond = torch.full_like(x, NEVER)
    found = torch.cat([beyond, x], dim=2)[:, 1:].gather(2, rows.clamp(min=0))
    return torch.cat([found, beyond[:, :1]], dim=1)


def ways_into(tolls: Tensor, token: Tensor, starts: Tensor, inside: Tensor) -> Tensor:
    """The log-probability (B, T, R) of all ways into each cell, from where nothing has been said, toll and all.

    tolls: what entering a cell from the frame before costs; token: what the next cell of the same frame does.

    Within a frame the recursion is a running sum. Over the frames it is computed by blocks, all of them at the same
    time from each cell that they may be entered by, which are then put together: many frames, few steps.
    """
    n_sequences, n_frames, width = tolls.shape
    steps = torch.where(token == NEVER, 0.0, token)  # has to be finite to be subtracted; where it is none, `inside` is
    sums = torch.cat([torch.zeros_like(steps[..., :1]), steps.cumsum(2)[..., :-1]], dim=2)
    at_start = torch.arange(width, device=tolls.device) + starts[:, :1] == 0
    begin = along(torch.where(at_start, tolls[:, 0], NEVER), sums[:, 0], inside[:, 0])
    if n_frames == 1:
        return begin.unsqueeze(1)
    size = block_size(n_frames - 1, width, tolls.device)
    n_blocks = -(-(n_frames - 1) // size)
    missing = n_blocks * size - (n_frames - 1)
    moves = starts.diff(dim=1).clamp(0, width - 1)
    tolls, sums, inside, moves = (
        torch.cat([x, x.new_zeros(n_sequences, missing, *x.shape[2:])], dim=1).unflatten(1, (n_blocks, size))
        for x in (tolls[:, 1:], sums[:, 1:], inside[:, 1:], moves.unsqueeze(2))
    )
    # Of each block, from each cell of the frame before it (B, K, R, R); of a lone block, from where it does begin.
    row = begin.view(n_sequences, 1, 1, width)
    if n_blocks > 1:
        row = torch.eye(width, dtype=tolls.dtype, device=tolls.device).log().expand(n_sequences, n_blocks, -1, -1)
    beyond = torch.full_like(row, NEVER)
    places = torch.arange(width, device=tolls.device)
    rows = []
    for t in range(size):
        source = (places + moves[:, :, t]).unsqueeze(2).expand(-1, -1, row.shape[2], -1)
        entered = torch.cat([row, beyond], dim=3).gather(3, source) + tolls[:, :, t].unsqueeze(2)
        row = along(entered, sums[:, :, t].unsqueeze(2), inside[:, :, t].unsqueeze(2))
        rows.append(row)
    blocks = torch.stack(rows, dim=2)  # (B, K, L, R or 1, R)
    if n_blocks > 1:
        entries = [begin]
        for k in range(n_blocks - 1):
            entries.append((entries[-1].unsqueeze(2) + blocks[:, k, -1]).logsumexp(1))
        blocks = (torch.stack(entries, dim=1).view(n_sequences, n_blocks, 1, width, 1) + blocks).logsumexp(3)
    return torch.cat([begin.unsqueeze(1), blocks.reshape(n_sequences, -1, width)[:, : n_frames - 1]], dim=1)


def along(row: Tensor, sums: Tensor, inside: Tensor) -> Tensor:
    """The ways into the cells of a frame (..., R), of those that enter it from elsewhere."""
    return torch.where(inside, torch.logcumsumexp(row - sums, dim=-1) + sums, NEVER)


def block_size(n_frames: int, width: int, device: torch.device) -> int:
    """How many frames are gone through one by one: on a processor, which has no better use for its time, and in a band
    so wide that to begin in each of its cells would cost more, all; else about the root of them."""
    return n_frames if device.type == "cpu" or width > WIDE else math.isqrt(max(n_frames // 3, 1)) + 1
