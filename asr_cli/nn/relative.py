"""Multi-head attention that knows how far apart two frames are, and which frames of an utterance see which.

B utterances, T frames, P frames before them that are still attended to, D width, H heads.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROWS = 128  # frames whose scores a processor computes together; those of a minute do not fit into its caches


@dataclass(frozen=True, slots=True)
class Chunk:
    """How much is heard at a time: a frame sees its own chunk of `size` frames, and `left` chunks before it, or all."""

    size: int
    left: int | None = 0

    @property
    def reach(self) -> int | None:
        """How many frames before a chunk are seen from it."""
        return None if self.left is None else self.left * self.size

    def sees(self, n_frames: int, n_past: int, device: torch.device) -> Tensor:
        """(T, P + T), true where the frame of a row may see the one of a column; the first T begins a chunk."""
        begins = torch.arange(n_frames, device=device).unsqueeze(1) // self.size * self.size
        others = torch.arange(-n_past, n_frames, device=device)
        inside = others < begins + self.size
        return inside if self.reach is None else inside & (others >= begins - self.reach)


def sinusoids(n_frames: int, n_past: int, width: int, device: torch.device) -> Tensor:
    """How far a frame is behind another (P + 2 T - 1, D), sines and cosines in turn: from the last frame after the
    first of the past down to the first before the last."""
    distances = torch.arange(n_past + n_frames - 1, -n_frames, -1, device=device, dtype=torch.float32)
    rates = torch.exp(torch.arange(0, width, 2, device=device, dtype=torch.float32) * (-math.log(10_000) / width))
    angles = distances.unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class RelativeAttention(nn.Module):
    """Self-attention with relative positions (Dai et al. 2019, arXiv:1901.02860)."""

    def __init__(self, width: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.positions = nn.Linear(width, width, bias=False)
        self.key_bias = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_heads, width // n_heads)))
        self.position_bias = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_heads, width // n_heads)))
        self.dropout = dropout

    def forward(self, x: Tensor, looks: Tensor | None, positions: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) and the keys and values before them (B, P, 2 D) to (B, T, D), and all keys and values.

        looks: broadcast to (B, 1, T, P + T), true where a frame may look; None for everywhere. positions: as
        `sinusoids`.
        """
        rows = x.flatten(0, 1)
        new = torch.cat([widened(self.k(rows)), widened(self.v(rows))], dim=-1).unflatten(0, x.shape[:2])
        seen = new if past is None else torch.cat([past.to(new.dtype), new], dim=1)
        k, v = (self.heads(part) for part in seen.chunk(2, dim=-1))  # each (B, H, P + T, D/H)
        q = widened(self.q(rows)).unflatten(0, x.shape[:2]).unflatten(2, (self.n_heads, -1))  # (B, T, H, D/H)
        by_content = (q + self.key_bias.to(q.dtype)).transpose(1, 2)
        by_position = (q + self.position_bias.to(q.dtype)).transpose(1, 2)
        p = widened(self.positions(positions)).unflatten(1, (self.n_heads, -1))  # (P + 2 T - 1, H, D/H)
        p = p.permute(1, 2, 0) * q.shape[-1] ** -0.5
        n_frames, n_keys = x.shape[1], seen.shape[1]
        n_rows = ROWS if x.device.type == "cpu" else n_frames
        parts = []
        for begin in range(0, n_frames, n_rows):
            end = min(begin + n_rows, n_frames)
            near = p[..., n_frames - end : n_frames - begin + n_keys - 1]
            bias = aligned(by_position[:, :, begin:end] @ near, n_keys)
            if looks is not None:
                bias = bias.masked_fill(~looks[:, :, begin:end], -math.inf)
            parts.append(self.attend(by_content[:, :, begin:end], k, v, bias))
        heard = torch.cat(parts, dim=2).transpose(1, 2).flatten(2)
        return self.out(heard.flatten(0, 1)).unflatten(0, x.shape[:2]), seen

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        dropped = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropped)

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


def widened(x: Tensor) -> Tensor:
    """In float32 on a processor, which attends no faster with fewer bits."""
    return x.float() if x.device.type == "cpu" else x


def aligned(scores: Tensor, n_keys: int) -> Tensor:
    """Scores by distance (B, H, T, P + 2 T - 1) to those by frame (B, H, T, P + T), without a copy: each row begins one
    place before the row above."""
    scores = scores.contiguous()
    *outer, row, column = scores.stride()
    n_frames = scores.shape[2]
    shape = (*scores.shape[:3], n_keys)
    return scores.as_strided(shape, (*outer, row - column, column), scores.storage_offset() + (n_frames - 1) * column)
