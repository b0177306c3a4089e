"""From an encoder's chunks to tokens: integrate-and-fire that goes on where it stopped, and the search behind it.

B utterances, N frames of all of them, laid end to end, U tokens that fired, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_cli.models.uniasr_decoder import Memory, ScamaDecoder
from asr_cli.models.uniasr_search import Beam, Task, search
from asr_cli.nn.chunk import ChunkRows, Chunks
from asr_cli.nn.cif import Alphas, Begun, integrate_and_fire

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
    fired = integrate_and_fire(chunks.heard, alphas, chunks.frames, begun=together(begun))
    totals = fired.begun.weights.tolist()
    frames = [part.nonzero().flatten().tolist() for part in chunks.frames.split(fired.fires.cpu())]
    shelf = Shelf(chunks)
    tasks = [
        Task(state.beam, heard, shelf.put(places, state.chunk), longest(total, final=final))
        for state, heard, places, total, final in zip(
            begun, fired.rows.split(fired.embeds), chunks_at(frames, chunks), totals, finals, strict=True
        )
    ]
    beams = search(decoder, tasks, shelf.memory(decoder))
    return [
        Decoded(
            beams[index],
            fired.begun.embeds[index].clone(),
            totals[index],
            (*state.fires, *(state.n_frames + frame for frame in frames[index])),
            shelf.pieces[tasks[index].chunks[-1]].clone() if tasks[index].chunks else None,
            state.n_frames + chunks.frames.lengths[index],
        )
        for index, state in enumerate(begun)
    ]


def together(states: Sequence[Decoded]) -> Begun:
    """Where all of them stopped. Their sums go on, so that however an utterance is divided its tokens are the same."""
    totals = torch.tensor([state.total for state in states], dtype=torch.float64)
    return Begun(totals, torch.stack([state.rest for state in states]))


def chunks_at(frames: Sequence[list[int]], chunks: Chunks) -> list[list[int]]:
    """In which chunk each token of each utterance was complete, from the frames at which they were."""
    parts = (part.tolist() for part in chunks.frames.split(chunks.chunk_of.cpu()))
    return [[part[frame] for frame in some] for part, some in zip(parts, frames, strict=True)]


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
