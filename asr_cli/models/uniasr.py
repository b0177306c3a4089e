"""UniASR (Gao et al. 2020, arXiv:2010.14099), the networks of FunASR's `UniASR` checkpoints: a first pass that hears in
short chunks, and a second one on top of it that hears in long ones, each with a decoder of its own.

B utterances, T frames of 60 ms of one of them, D width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from asr_cli.checkpoint import WeightMap
from asr_cli.models.sanm_weights import encoder_weights
from asr_cli.models.uniasr_decoder import DecoderConfig, ScamaDecoder, scama_weights
from asr_cli.models.uniasr_decoding import Decoded, decode
from asr_cli.nn.chunk import ChunkEncoder, Chunking, Chunks, ChunkState
from asr_cli.nn.cif import Alphas

MODES = ("normal", "fast", "offline")
SHORT, LONG = 0, 1  # chunks, as the checkpoints count them
STRIDE = 2  # frames of the first pass in one of the second


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """`encoder_conf` of the checkpoint, under its names; chunkings: of streaming, and of a whole recording."""

    output_size: int = 256
    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    kernel_size: int = 11
    chunkings: tuple[Chunking, Chunking]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """`predictor_conf`, under its names."""

    idim: int
    l_order: int = 1
    r_order: int = 1
    smooth_factor: float = 1.0
    noise_threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class PassConfig:
    encoder: EncoderConfig
    decoder: DecoderConfig
    predictor: PredictorConfig


@dataclass(frozen=True, slots=True)
class Config:
    """What shapes the network."""

    n_features: int
    n_tokens: int
    first: PassConfig
    second: PassConfig


class Pass(nn.Module):
    """Encoder, predictor and decoder: all it takes to write down what was said."""

    def __init__(self, config: PassConfig, n_features: int, n_tokens: int) -> None:
        super().__init__()
        encoder, predictor = config.encoder, config.predictor
        self.chunkings = encoder.chunkings
        self.encoder = ChunkEncoder(
            n_features, encoder.output_size, encoder.attention_heads, encoder.linear_units, encoder.num_blocks,
            kernel=encoder.kernel_size,
        )  # fmt: skip
        self.predictor = Alphas(
            predictor.idim, left=predictor.l_order, right=predictor.r_order, smooth=predictor.smooth_factor,
            noise=predictor.noise_threshold,
        )  # fmt: skip
        self.decoder = ScamaDecoder(config.decoder, n_tokens, encoder.output_size)

    def decode(self, chunks: Chunks, states: Sequence[Decoded | None], finals: Sequence[bool]) -> list[Decoded]:
        return decode(self.predictor, self.decoder, chunks, states, finals)


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance so far.

    short, long: where the first encoder stands in its short and its long chunks. unmatched: features (T, 560) that it
    has not given back. unpaired: frames (T, 880), both together, for the second pass. encoded: where that one's
    encoder stands. first, second: what the passes have written down.
    """

    short: ChunkState | None = None
    long: ChunkState | None = None
    unmatched: Tensor | None = None
    unpaired: Tensor | None = None
    encoded: ChunkState | None = None
    first: Decoded | None = None
    second: Decoded | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What comes next of an utterance: features (T, 560). is_due: whether the second pass should look at it yet."""

    features: Tensor
    state: Heard
    final: bool = True
    is_due: bool = True


class UniAsr(nn.Module):
    """Modes: "fast" is the first pass alone; "normal" the second on top of the first; "offline" the same with longer
    chunks in both. Nothing of an utterance is kept here: it is all in its `Heard`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.first = Pass(config.first, config.n_features, config.n_tokens)
        both = config.n_features + config.first.encoder.output_size
        self.pair = nn.Conv1d(both, both, STRIDE, STRIDE)
        self.second = Pass(config.second, both, config.n_tokens)

    def hear(self, pieces: Sequence[Piece], mode: str, *, drafts: bool = False) -> list[Heard]:
        """What is known of each utterance with its next piece. drafts: whether the first pass writes down what the
        second has not heard yet; of what is over nobody asks for that."""
        heard = [piece.state for piece in pieces]
        finals = [piece.final for piece in pieces]
        drafts = drafts and not all(finals)
        if mode != "offline" or drafts:
            chunks, heard = self.listen(pieces, heard, "short")
        if mode == "fast" or drafts:
            decoded = self.first.decode(chunks, [state.first for state in heard], finals)
            heard = [replace(state, first=first) for state, first in zip(heard, decoded, strict=True)]
        if mode == "fast":
            return heard
        if mode == "offline":
            chunks, heard = self.listen(pieces, heard, "long")
        frames = chunks.frames.split(chunks.heard)
        heard = [matched(*part) for part in zip(heard, pieces, frames, strict=True)]
        return self.look_again(pieces, heard, LONG if mode == "offline" else SHORT)

    def listen(self, pieces: Sequence[Piece], heard: Sequence[Heard], length: str) -> tuple[Chunks, list[Heard]]:
        """The first encoder's chunks of a length, "short" or "long"."""
        chunks, states = self.first.encoder.hear(
            [piece.features for piece in pieces],
            [getattr(state, length) for state in heard],
            [piece.final for piece in pieces],
            self.first.chunkings[LONG if length == "long" else SHORT],
        )
        if length == "long":
            return chunks, [replace(state, long=one) for state, one in zip(heard, states, strict=True)]
        return chunks, [replace(state, short=one) for state, one in zip(heard, states, strict=True)]

    def look_again(self, pieces: Sequence[Piece], heard: Sequence[Heard], length: int) -> list[Heard]:
        """The second pass over what the first encoder has heard, where it is due."""
        finals = [piece.final for piece in pieces]
        cuts = [cut_in_pairs(state.unpaired, piece) for state, piece in zip(heard, pieces, strict=True)]
        frames = self.paired([pairs for pairs, _ in cuts])
        chunks, states = self.second.encoder.hear(
            frames, [state.encoded for state in heard], finals, self.second.chunkings[length]
        )
        decoded = self.second.decode(chunks, [state.second for state in heard], finals)
        return [
            replace(state, unpaired=rest, encoded=encoded, second=second)
            for state, (_, rest), encoded, second in zip(heard, cuts, states, decoded, strict=True)
        ]

    def paired(self, frames: Sequence[Tensor]) -> list[Tensor]:
        """Even numbers of frames (2 T, 880) to half as many."""
        together = torch.cat(list(frames))
        if not len(together):
            return list(frames)
        halved = self.pair(together.t().unsqueeze(0))[0].t().relu()
        return list(halved.split([len(part) // STRIDE for part in frames]))


def matched(state: Heard, piece: Piece, encoded: Tensor) -> Heard:
    """Features beside what the first encoder made of them (T, 320), as far as it has got."""
    features = piece.features if state.unmatched is None else torch.cat([state.unmatched, piece.features])
    both = torch.cat([features[: len(encoded)], encoded], dim=1)
    waiting = both if state.unpaired is None else torch.cat([state.unpaired, both])
    return replace(state, unmatched=features[len(encoded) :].clone(), unpaired=waiting)


def cut_in_pairs(frames: Tensor | None, piece: Piece) -> tuple[Tensor, Tensor]:
    """An even number of frames to look at now, and those for later. Behind the last one there is nothing."""
    assert frames is not None, "matched before"
    if piece.final:
        odd = len(frames) % STRIDE
        return torch.cat([frames, frames.new_zeros(odd, frames.shape[1])]), frames[:0]
    n_now = len(frames) // STRIDE * STRIDE if piece.is_due else 0
    return frames[:n_now], frames[n_now:].clone()


WEIGHTS: WeightMap = (
    *encoder_weights("encoder", "first.encoder"),
    *encoder_weights("encoder2", "second.encoder"),
    *scama_weights("decoder", "first.decoder"),
    *scama_weights("decoder2", "second.decoder"),
    ("predictor.cif_conv1d", "first.predictor.conv"),
    ("predictor.cif_output", "first.predictor.out"),
    ("predictor2.cif_conv1d", "second.predictor.conv"),
    ("predictor2.cif_output", "second.predictor.out"),
    ("stride_conv.conv", "pair"),
    ("ctc", None),  # second objectives of some trainings; nobody decodes with them
    ("ctc2", None),
)
