"""Low frame rate: neighbouring frames stacked, some of them skipped (Pundak & Sainath 2016).

T frames, D width of a frame.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LfrState:
    """frames: (..., t, D) that a later output still needs; how many came in and went out so far."""

    frames: Tensor
    n_seen: int
    n_emitted: int


class LowFrameRate(nn.Module):
    """Stack `m` frames every `n`, centred, the edges repeated: ceil(T / n) rows of width m * D."""

    def __init__(self, m: int, n: int) -> None:
        super().__init__()
        assert 1 <= n <= m, "frames between the rows would belong to none"
        self.m, self.n = m, n

    def forward(
        self, x: Tensor, state: LfrState | None = None, *, final: bool = True
    ) -> tuple[Tensor, LfrState | None]:
        """Frames (..., T, D) to rows (..., T', m * D). final: no more frames follow."""
        n_seen = x.shape[-2] + (state.n_seen if state else 0)
        n_emitted = state.n_emitted if state else 0
        if n_seen == 0:
            return x.new_zeros(*x.shape[:-2], 0, self.m * x.shape[-1]), state
        frames = self.before(x, state)
        n_rows = max(0, (frames.shape[-2] - self.m) // self.n + 1)
        if final:
            n_rows = -(-n_seen // self.n) - n_emitted
            missing = (n_rows - 1) * self.n + self.m - frames.shape[-2]
            if missing > 0:
                frames = torch.cat([frames, repeat(frames[..., -1:, :], missing)], dim=-2)
        if n_rows == 0:
            return x.new_zeros(*x.shape[:-2], 0, self.m * x.shape[-1]), LfrState(frames, n_seen, n_emitted)
        rows = frames.unfold(-2, self.m, self.n)[..., :n_rows, :, :]  # (..., T', D, m)
        stacked = rows.transpose(-1, -2).flatten(-2)
        rest = frames[..., n_rows * self.n :, :]
        return stacked, LfrState(rest, n_seen, n_emitted + n_rows)

    def before(self, x: Tensor, state: LfrState | None) -> Tensor:
        if state is not None and state.n_seen:
            return torch.cat([state.frames, x], dim=-2)
        return torch.cat([repeat(x[..., :1, :], (self.m - 1) // 2), x], dim=-2)


def repeat(frame: Tensor, times: int) -> Tensor:
    return frame.expand(*frame.shape[:-2], times, frame.shape[-1])
