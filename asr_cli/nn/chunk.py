"""An encoder that hears in overlapping chunks, each a sequence of its own (latency-controlled; Zhang et al. 2020,
arXiv:2006.01712), so that it may hear while somebody speaks and costs the same for every second.

T frames of one utterance, N rows of all chunks of all utterances laid end to end, D width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import SanmEncoder


@dataclass(frozen=True, slots=True)
class Chunking:
    """A chunk of `size` frames every `stride`; of its frames the first `left` and those behind `left + stride` are
    context, and belong to its neighbours."""

    size: int
    stride: int
    left: int

    def n_chunks(self, n_frames: int, *, final: bool) -> int:
        """How many can be cut from that many frames, the first of which are the first one's left context."""
        if final:
            return -(-(n_frames - self.left) // self.stride)
        return max(0, (n_frames - self.size) // self.stride + 1)


@dataclass(frozen=True, slots=True)
class ChunkState:
    """frames: (t, D_in) with their positions in them, from where the next chunk begins. n_seen: how many there were."""

    frames: Tensor
    n_seen: int


class ChunkRows(Rows):
    """Rows of chunks: nearly all equally long, so that they are cheaper computed together than one by one."""

    together = True

    @cached_property
    def places(self) -> Tensor:
        """Where each row lies in a grid of all chunks."""
        return self.owners * max(self.lengths, default=0) + self.positions

    def padded(self, x: Tensor) -> Tensor:
        longest = max(self.lengths, default=0)
        if self.n_rows == len(self.lengths) * longest:
            return x.unflatten(0, (len(self.lengths), longest))
        grid = x.new_zeros(len(self.lengths) * longest, *x.shape[1:])
        return grid.index_copy_(0, self.places, x).unflatten(0, (len(self.lengths), longest))

    def unpadded(self, grid: Tensor) -> Tensor:
        flat = grid.flatten(0, 1)
        return flat if len(flat) == self.n_rows else flat.index_select(0, self.places)


@dataclass(frozen=True, slots=True)
class Chunks:
    """What the encoder made of some utterances' next chunks.

    encoded: (N, D), all of their rows, context and all. own: which of the rows (M,) are no context; of them the first
    frames.lengths[0] are the first utterance's, and so on. chunk_of: the chunk each of those is in (M,).
    """

    encoded: Tensor
    rows: ChunkRows
    own: Tensor
    frames: Rows
    chunk_of: Tensor

    @property
    def heard(self) -> Tensor:
        """The frames (M, D), once each."""
        return self.encoded[self.own]


class ChunkEncoder(SanmEncoder):
    """A SanmEncoder over chunks. Positions are counted through the whole utterance; what lies around the utterance is
    nothing but zeros, which are attended to like any frame: so the checkpoints were trained."""

    def hear(
        self,
        features: Sequence[Tensor],
        states: Sequence[ChunkState | None],
        finals: Sequence[bool],
        chunking: Chunking,
    ) -> tuple[Chunks, list[ChunkState]]:
        """Each utterance's next features (T, D_in) to its chunks that are complete with them."""
        begun = [self.enlarge(*part, chunking) for part in zip(features, states, strict=True)]
        cuts = [cut(state.frames, chunking, final=final) for state, final in zip(begun, finals, strict=True)]
        chunks = self.encode(cuts, chunking)
        rests = [
            ChunkState(state.frames[len(pieces) * chunking.stride :].clone(), state.n_seen)
            for state, pieces in zip(begun, cuts, strict=True)
        ]
        return chunks, rests

    def enlarge(self, x: Tensor, state: ChunkState | None, chunking: Chunking) -> ChunkState:
        if state is None:
            state = ChunkState(x.new_zeros(chunking.left, x.shape[1]), 0)
        positions = torch.arange(state.n_seen + 1, state.n_seen + 1 + len(x), device=x.device)
        return ChunkState(torch.cat([state.frames, self.enter(x, positions)]), state.n_seen + len(x))

    def encode(
        self, cuts: Sequence[list[Tensor]], chunking: Chunking, through: Callable[[Tensor, Rows], Tensor] | None = None
    ) -> Chunks:
        """through: how the layers are gone through, where not as usual."""
        pieces = [piece for utterance in cuts for piece in utterance]
        device = self.norm.weight.device
        rows = ChunkRows([len(piece) for piece in pieces], device)
        ends = torch.tensor([chunking.left + chunking.stride] * len(pieces), device=device)
        own = ((rows.positions >= chunking.left) & (rows.positions < ends[rows.owners])).nonzero().squeeze(1)
        n_own = [sum(min(chunking.stride, len(piece) - chunking.left) for piece in utterance) for utterance in cuts]
        x = torch.cat(pieces) if pieces else torch.zeros(0, self.in_width, device=device)
        return Chunks((through or self.through)(x, rows), rows, own, Rows(n_own, device), rows.owners[own])

    @property
    def in_width(self) -> int:
        return len(self.first.norm1.weight)

    def through(self, x: Tensor, rows: Rows) -> Tensor:
        if not rows.n_rows:
            return x.new_zeros(0, self.width)
        x = self.first(x, rows)
        for layer in self.layers:
            x = layer(x, rows)
        return self.norm(x)


def cut(frames: Tensor, chunking: Chunking, *, final: bool) -> list[Tensor]:
    """The chunks (size, D) that these frames (t, D) hold.

    final: no more frames follow; the last chunk ends with them, those before it have zeros behind them.
    """
    n_chunks = chunking.n_chunks(len(frames), final=final)
    if n_chunks <= 0:
        return []
    missing = max(0, (n_chunks - 1) * chunking.stride + chunking.size - len(frames))
    longer = torch.cat([frames, frames.new_zeros(missing, frames.shape[1])]) if missing else frames
    begins = [chunk * chunking.stride for chunk in range(n_chunks)]
    found = [longer[begin : begin + chunking.size] for begin in begins]
    if final:
        found[-1] = frames[begins[-1] :]
    return found
