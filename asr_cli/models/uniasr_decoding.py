"""From an encoder's chunks to tokens: integrate-and-fire that goes on where it stopped, and the search behind it.

B utterances, N frames of all of them, laid end to end, U tokens that fired, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_cli.errors import damaged
from asr_cli.models.uniasr_decoder import Memory, ScamaDecoder
from asr_cli.models.uniasr_search import Beam, Task, search
from asr_cli.nn.chunk import ChunkRows, Chunks
from asr_cli.nn.cif import Alphas
from asr_cli.nn.rows import Rows

RELAXED = 5  # tokens there may be beyond those that fired; the value FunASR decodes with


@dataclass(frozen=True, slots=True)
class Decoded:
    """An utterance as far as a pass has heard it: `n_frames` of them.

    total, rest: what integrate-and-fire has summed up in all, and of what since it last fired (D,). fires: the frames
    at which it did. chunk: the encoder's rows of the chunk in which it last did.
    """

    beam: Beam
    rest: Tensor
    total: float = 0.0
    fires: tuple[int, ...] = ()
    chunk: Tensor | None = None
    n_frames: int = 0


def decode(
    predictor: Alphas, decoder: ScamaDecoder, chunks: Chunks, states: Sequence[Decoded | None], finals: Sequence[bool]
) -> list[Decoded]:
    """Each utterance's next chunks to more of its tokens."""
    silence = chunks.encoded.new_zeros(chunks.encoded.shape[1])
    begun = [state or Decoded(Beam(decoder.past()), silence) for state in states]
    alphas = predictor(chunks.encoded, chunks.rows)[chunks.own]
    fired = fire(chunks.heard, alphas, chunks.frames, begun)
    shelf = Shelf(chunks)
    tasks = [
        Task(state.beam, heard, shelf.put(places, state.chunk), longest(total, final=final))
        for state, heard, places, total, final in zip(
            begun, fired.embeds, fired.chunks(chunks), fired.totals, finals, strict=True
        )
    ]
    beams = search(decoder, tasks, shelf.memory(decoder))
    return [
        Decoded(
            beams[index],
            fired.rests[index],
            fired.totals[index],
            (*state.fires, *(state.n_frames + frame for frame in fired.frames[index])),
            shelf.pieces[tasks[index].chunks[-1]].clone() if tasks[index].chunks else None,
            state.n_frames + chunks.frames.lengths[index],
        )
        for index, state in enumerate(begun)
    ]


def longest(total: float, *, final: bool) -> int | None:
    """How many tokens there may be, of which nobody can tell before the end; none where nothing fired."""
    if not final:
        return None
    return int(total + RELAXED) if total >= 1 else 0


class Shelf:
    """The chunks that tokens look at, and those only."""

    def __init__(self, chunks: Chunks) -> None:
        self.all = chunks.rows.split(chunks.encoded)
        self.places: dict[int, int] = {}
        self.pieces: list[Tensor] = []

    def put(self, chunks: Sequence[int], before: Tensor | None) -> list[int]:
        """The places of these chunks; without any that of the one before them."""
        if not chunks and before is not None:
            self.pieces.append(before)
            return [len(self.pieces) - 1]
        return [self.place(chunk) for chunk in chunks]

    def place(self, chunk: int) -> int:
        if chunk not in self.places:
            self.places[chunk] = len(self.pieces)
            self.pieces.append(self.all[chunk])
        return self.places[chunk]

    def memory(self, decoder: ScamaDecoder) -> Memory:
        if not self.pieces:
            return Memory((), (), torch.zeros(0))
        encoded = torch.cat(self.pieces)
        return decoder.memorize(encoded, ChunkRows([len(piece) for piece in self.pieces], encoded.device))


@dataclass(frozen=True, slots=True)
class Fired:
    """What integrate-and-fire made of each utterance's next frames: tokens (U, D), the frames at which they were
    complete, and what goes on."""

    embeds: tuple[Tensor, ...]
    frames: tuple[list[int], ...]
    totals: tuple[float, ...]
    rests: tuple[Tensor, ...]

    def chunks(self, chunks: Chunks) -> list[list[int]]:
        """In which chunk each token was complete."""
        parts = (part.tolist() for part in chunks.frames.split(chunks.chunk_of))
        return [[part[frame] for frame in frames] for part, frames in zip(parts, self.frames, strict=True)]


def fire(x: Tensor, alphas: Tensor, rows: Rows, begun: Sequence[Decoded]) -> Fired:
    """As asr_cli.nn.cif.integrate_and_fire, going on from where it was, and never with another sum than if it had
    heard everything at once: by the sum are tokens told."""
    exact = torch.float32 if x.device.type == "mps" else torch.float64
    before = torch.tensor([state.total for state in begun], dtype=exact, device=x.device)
    running = torch.cat([before.unsqueeze(1), rows.padded(alphas.to(exact))], dim=1).cumsum(1)  # (B, 1 + longest)
    sums = rows.unpadded(running[:, 1:]).float()
    n_after, n_begun = sums.floor().long(), before.float().floor().long()
    n_before = torch.where(rows.positions == 0, n_begun[rows.owners], n_after.roll(1))
    fires = n_after > n_before
    over = torch.where(fires, sums - n_after, 0.0)  # what goes over to the next token
    totals = running.gather(1, rows.counts.unsqueeze(1)).squeeze(1)
    if not totals.isfinite().all():
        raise damaged("the model")
    slots = Rows(((totals.float().floor().long() - n_begun) + 1).tolist(), rows.device)  # and one that hangs
    begins = slots.counts.cumsum(0) - slots.counts
    embeds = x.new_zeros(slots.n_rows, x.shape[1])
    embeds[begins] = torch.stack([state.rest for state in begun])
    first = (begins - n_begun)[rows.owners]
    for weight, token in ((alphas - over, n_before), (over, n_after)):
        embeds.index_add_(0, first + token, weight.unsqueeze(1) * x)
    parts = slots.split(embeds)
    frames = tuple(part.nonzero().flatten().tolist() for part in rows.split(fires))
    ends = tuple(part[-1].clone() for part in parts)
    return Fired(tuple(part[:-1] for part in parts), frames, tuple(totals.tolist()), ends)
