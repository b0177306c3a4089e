"""SAN-M: self-attention with a memory, the block of FunASR's encoders and decoders.

N rows of sequences laid end to end (see asr_cli.nn.rows), D width, H heads, F feed-forward units, U tokens.
The residual stream, norms and softmax are float32 whatever the products are computed in: half precision must not
change the text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr_cli.nn.attention import attend, side_by_side
from asr_cli.nn.fsmn import FsmnMemory
from asr_cli.nn.rows import Rows

EPS = 1e-12  # of every norm the checkpoints were trained with


@dataclass(frozen=True, slots=True)
class Windows:
    """What is looked at of streams: a window of each, all of the same width, laid end to end in B * W rows.

    present: (B, W, 1), false behind the end of what is shorter. mask: (B, 1, 1, S + W), true for what is there of S
    rows before and the window. None where everything is there.
    """

    width: int
    present: Tensor | None = None
    mask: Tensor | None = None

    def grid(self, x: Tensor) -> Tensor:
        """(B * W, D) to (B, W, D)."""
        return x.unflatten(0, (x.shape[0] // self.width, self.width))


class Norm(nn.LayerNorm):
    """LayerNorm in float32."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Positional encoding (N, D), sines first, then cosines; `positions` (N,) count from 1."""
    step = math.log(10_000) / (width / 2 - 1)
    rates = torch.exp(torch.arange(width // 2, dtype=torch.float32, device=positions.device) * -step)
    angles = positions.float().unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class SanmAttention(nn.Module):
    """SAN-M attention (Gao et al. 2020, arXiv:2006.01713): self-attention plus an FSMN memory on the values."""

    def __init__(self, in_width: int, width: int, n_heads: int, *, left: int, right: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(in_width, 3 * width)
        self.out = nn.Linear(width, width)
        self.memory = FsmnMemory(width, left, right)

    def forward(self, x: Tensor, rows: Rows, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """(N, D_in) to (N, D). masks: as `attend` takes them; the memory does not see them."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)  # each (N, D)
        return self.out(attend(q, k, v, rows, rows, self.n_heads, masks)) + self.memory.over(v.float(), rows)

    def within(self, x: Tensor, windows: Windows, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Windows (B * W, D_in) to (B * W, D), and their keys and values behind those of the past: (B, S + W, 2 D)."""
        width = self.memory.weight.shape[0]
        q, new = windows.grid(self.qkv(x)).split([width, 2 * width], dim=-1)
        seen = new if past is None else torch.cat([past, new], dim=1)
        k, v = seen.chunk(2, dim=-1)
        heard = self.out(side_by_side(q, k, v, self.n_heads, windows.mask).flatten(0, 1))
        values = new[..., width:].float()
        if windows.present is not None:
            values = values * windows.present
        return heard + self.memory.within(values).flatten(0, 1), seen


class FeedForward(nn.Module):
    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, units)
        self.down = nn.Linear(units, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())


class SanmLayer(nn.Module):
    """One encoder block. The first of a stack may widen its input: then nothing can be added to it."""

    def __init__(self, in_width: int, width: int, n_heads: int, units: int, *, left: int, right: int) -> None:
        super().__init__()
        self.is_residual = in_width == width
        self.norm1 = Norm(in_width)
        self.attention = SanmAttention(in_width, width, n_heads, left=left, right=right)
        self.norm2 = Norm(width)
        self.feed_forward = FeedForward(width, units)

    def forward(self, x: Tensor, rows: Rows, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        return self.onward(x, self.attention(self.norm1(x), rows, masks))

    def within(self, x: Tensor, windows: Windows, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `SanmAttention.within`."""
        heard, seen = self.attention.within(self.norm1(x), windows, past)
        return self.onward(x, heard), seen

    def onward(self, x: Tensor, heard: Tensor) -> Tensor:
        x = x + heard if self.is_residual else heard.float()
        return x + self.feed_forward(self.norm2(x))


class SanmEncoder(nn.Module):
    """A stack of SAN-M blocks over features or embeddings, as FunASR's SANMEncoder.

    shift: how far the memory's window is moved into the past; (kernel - 1) / 2 makes it causal.
    """

    def __init__(
        self, in_width: int, width: int, n_heads: int, units: int, n_layers: int, *, kernel: int, shift: int = 0
    ) -> None:
        super().__init__()
        left = (kernel - 1) // 2 + shift
        self.width = width
        sizes = {"left": left, "right": kernel - 1 - left}
        self.first = SanmLayer(in_width, width, n_heads, units, **sizes)
        self.layers = nn.ModuleList(SanmLayer(width, width, n_heads, units, **sizes) for _ in range(n_layers - 1))
        self.norm = Norm(width)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """Features (N, D_in) to (N, D), every sequence as if it were alone."""
        x = self.first(self.enter(x, rows.positions + 1), rows)
        for layer in self.layers:
            x = layer(x, rows)
        return self.norm(x)

    def within(self, x: Tensor, windows: Windows, past: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor]]:
        """Windows (B * W, D_in) of what `enter` made to (B * W, D); past and present as in `SanmAttention.within`, of
        each layer."""
        seen = []
        for layer, before in zip((self.first, *self.layers), past, strict=True):
            x, now = layer.within(x, windows, before)
            seen.append(now)
        return self.norm(x), seen

    def enter(self, x: Tensor, positions: Tensor) -> Tensor:
        # Scaled by the width that comes out, not by its own: so the checkpoints were trained.
        return x * math.sqrt(self.width) + sinusoids(positions, x.shape[1])


class NormedFeedForward(nn.Module):
    """The decoder's: a norm over the hidden units, and no bias on the way back."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, units)
        self.norm = Norm(units)
        self.down = nn.Linear(units, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.norm(self.up(x).relu()))


class CrossAttention(nn.Module):
    """Attention of tokens on an encoder's rows, or on any other memory."""

    def __init__(self, width: int, memory_width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(memory_width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, rows: Rows, memory: Tensor, memory_rows: Rows) -> Tensor:
        """Tokens (U, D) on a memory (M, D_memory) to (U, D)."""
        k, v = self.kv(memory).chunk(2, dim=-1)
        return self.out(attend(self.q(x), k, v, rows, memory_rows, self.n_heads))

    def within(
        self, x: Tensor, rows: Rows, memory: Tensor, windows: Windows, past: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (U, D) on windows (B * W, D_memory) and what was looked at before: (U, D), and both's keys and values
        (B, S + W, 2 D)."""
        new = windows.grid(self.kv(memory))
        seen = new if past is None else torch.cat([past, new], dim=1)
        k, v = seen.chunk(2, dim=-1)
        found = side_by_side(rows.padded(self.q(x)), k, v, self.n_heads, windows.mask)
        return self.out(rows.unpadded(found)), seen

    def shared(self, x: Tensor, memory: Tensor) -> Tensor:
        """Tokens of any sequences (U, D), all on the same memory (M, D_memory), to (U, D)."""
        return self(x, Rows([len(x)], x.device), memory, Rows([len(memory)], x.device))

    def weights(self, x: Tensor, memory: Tensor) -> Tensor:
        """How much each token (U, D) attends to each row of the same memory (M, D_memory): (H, U, M)."""
        q = self.q(x).float().unflatten(1, (self.n_heads, -1)).transpose(0, 1)
        k = self.kv(memory).float().chunk(2, dim=-1)[0].unflatten(1, (self.n_heads, -1)).transpose(0, 1)
        return (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1)


class SanmDecoderLayer(nn.Module):
    """One decoder block: feed-forward first, then the memory, then attention on the encoder."""

    def __init__(self, width: int, memory_width: int, n_heads: int, units: int, *, left: int, right: int) -> None:
        super().__init__()
        self.norm1 = Norm(width)
        self.feed_forward = NormedFeedForward(width, units)
        self.norm2 = Norm(width)
        self.memory = FsmnMemory(width, left, right)
        self.norm3 = Norm(width)
        self.cross = CrossAttention(width, memory_width, n_heads)

    def forward(self, x: Tensor, rows: Rows, memory: Tensor, memory_rows: Rows) -> Tensor:
        x = self.remember(x, rows)
        return x + self.cross(self.norm3(x), rows, memory, memory_rows)

    def remember(self, x: Tensor, rows: Rows) -> Tensor:
        """Feed-forward and memory, all but the attention on the encoder."""
        return x + self.memory.over(self.norm2(self.feed_forward(self.norm1(x))), rows)

    def within(
        self, x: Tensor, rows: Rows, memory: Tensor, windows: Windows, past: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (U, D) that go on from others; `state` as the FSMN memory's. past and what comes out second: as in
        `CrossAttention.within`."""
        said = rows.padded(self.norm2(self.feed_forward(self.norm1(x))))
        remembered, state = self.memory(said, state, rows.counts)
        x = x + rows.unpadded(remembered)
        looked, seen = self.cross.within(self.norm3(x), rows, memory, windows, past)
        return x + looked, seen, state


class SanmDecoderEnd(nn.Module):
    """The last block: a feed-forward alone, without a residual around it."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.norm = Norm(width)
        self.feed_forward = NormedFeedForward(width, units)

    def forward(self, x: Tensor) -> Tensor:
        return self.feed_forward(self.norm(x)).float()
