"""BAT, the boundary-aware transducer (An et al. 2023, arXiv:2305.11571), with a Conformer or with RWKV in front (An and
Zhang 2023, arXiv:2309.14758).

What makes it boundary-aware is how it was trained; to recognise, it is a transducer like any other.

B utterances, T frames, D width of the encoder, V vocabulary.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli.checkpoint import WeightMap
from asr_cli.errors import damaged
from asr_cli.models.bat_beam import beam
from asr_cli.models.bat_encoders import ENCODER_WEIGHTS, ConformerConfig, RwkvConfig, build_encoder
from asr_cli.models.bat_search import Decoded, begin, greedy
from asr_cli.nn.transducer import Joiner, PredictionNet

SEARCHES = {"beam": beam, "greedy": greedy}
SHORTEST = 8  # frames of 40 ms; an encoder that could take in each alone would read all of its weights for it
WORTH = 0.8  # of what is computed for utterances together


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """`decoder_conf` of the checkpoint, under its names; FunASR's defaults."""

    embed_size: int = 256
    hidden_size: int = 256
    dropout_rate: float = 0.0
    embed_dropout_rate: float = 0.0
    use_embed_mask: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JointConfig:
    """`joint_network_conf` of the checkpoint, under its names; FunASR's defaults."""

    joint_space_size: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """`predictor_conf` of the checkpoint, under its names; FunASR's defaults, but for its one dropout in training."""

    l_order: int = 1
    r_order: int = 1
    dropout: float = 0.1
    smooth_factor: float = 1.0
    noise_threshold: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """predictor: what finds the boundaries in training."""

    n_features: int
    n_tokens: int
    encoder: ConformerConfig | RwkvConfig
    decoder: DecoderConfig = DecoderConfig()
    joint: JointConfig = JointConfig()
    predictor: PredictorConfig = PredictorConfig()


class BoundaryPredictor(nn.Module):
    """How much of a token each frame holds, as the first predictor of CIF has it (Dong and Xu 2020, arXiv:1905.11235).

    cif_conv1d is depthwise, and what it computes is added to the frame.
    """

    def __init__(self, width: int, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        self.cif_conv1d = nn.Conv1d(width, width, config.l_order + config.r_order + 1, groups=width)
        self.cif_output = nn.Linear(width, 1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Frames (B, T, D), of which so many count, to their shares (B, T): zero behind the end."""
        config = self.config
        inside = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
        frames = x.masked_fill(~inside.unsqueeze(2), 0.0).transpose(1, 2)
        mixed = self.cif_conv1d(F.pad(frames, (config.l_order, config.r_order))) + frames
        mixed = F.dropout(mixed, config.dropout, self.training).relu().transpose(1, 2)
        shares = self.cif_output(mixed).squeeze(2).sigmoid() * config.smooth_factor - config.noise_threshold
        return shares.relu() * inside


@dataclass(frozen=True, slots=True)
class Heard:
    """All that is remembered of an utterance."""

    encoder: Any
    decoded: Decoded


class Bat(nn.Module):
    """heads: those of HEADS that training needs."""

    def __init__(self, config: Config, *, heads: Collection[str] = ()) -> None:
        super().__init__()
        self.config = config
        decoder, width = config.decoder, config.encoder.output_size
        self.encoder = build_encoder(config.encoder, config.n_features)
        self.prediction = PredictionNet(
            config.n_tokens, decoder.embed_size, decoder.hidden_size, dropout=decoder.dropout_rate,
            embed_dropout=decoder.embed_dropout_rate, holes=decoder.use_embed_mask,
        )  # fmt: skip
        self.joiner = Joiner(width, decoder.hidden_size, config.joint.joint_space_size, config.n_tokens)
        self.predictor = BoundaryPredictor(width, config.predictor) if BOUNDARIES in heads else None
        self.cif_output_layer = nn.Linear(width, config.n_tokens) if FIRED in heads else None
        self.ctc_lin = nn.Linear(width, config.n_tokens) if CTC in heads else None

    @property
    def streams(self) -> bool:
        """Whether it can be heard while somebody speaks."""
        encoder = self.config.encoder
        return isinstance(encoder, RwkvConfig) or encoder.hears_in_chunks

    @property
    def chunk_size(self) -> int:
        """How many features it takes in at a step while somebody speaks."""
        encoder = self.config.encoder
        n_frames = SHORTEST if isinstance(encoder, RwkvConfig) else encoder.default_chunk_size
        return n_frames * encoder.subsampling_factor

    def transcribe(self, features: Sequence[Tensor], mode: str) -> list[Decoded]:
        """What is said in whole utterances, each (T, F); mode: one of SEARCHES."""
        frames = [features[0].new_zeros(0, self.config.encoder.output_size)] * len(features)
        for group in alike([len(one) for one in features]):
            lengths = torch.tensor([len(features[index]) for index in group], device=features[0].device)
            padded = pad_sequence([features[index] for index in group], batch_first=True)
            encoded, counts = self.encoder(padded, lengths)
            for index, row, count in zip(group, encoded, counts.tolist(), strict=True):
                frames[index] = row[:count]
        return self.search(frames, [begin(self.prediction)] * len(features), mode)

    def hear(
        self, features: Sequence[Tensor], states: Sequence[Heard | None], finals: Sequence[bool], mode: str
    ) -> list[Heard]:
        """Utterances further on, each by any number of features (T, F). finals: whether that was all."""
        before = [state.encoder if state else None for state in states]
        frames, after = self.encoder.hear(features, before, finals)
        fresh = begin(self.prediction)
        found = self.search(frames, [state.decoded if state else fresh for state in states], mode)
        return [Heard(*pair) for pair in zip(after, found, strict=True)]

    def search(self, frames: Sequence[Tensor], states: Sequence[Decoded], mode: str) -> list[Decoded]:
        if not torch.cat(list(frames)).isfinite().all():
            raise damaged("the model")
        return SEARCHES[mode](self.prediction, self.joiner, frames, states)


def alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The indices of all that are longer than nothing, in groups in which no more than a fifth would be padding.

    >>> list(alike([100, 9, 0, 10, 60, 90]))
    [[0, 5], [4], [3, 1]]
    """
    group: list[int] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if group and total + lengths[index] < WORTH * lengths[group[0]] * (len(group) + 1):
            yield group
            group, total = [], 0
        if lengths[index]:
            group.append(index)
            total += lengths[index]
    if group:
        yield group


# What only training needs, of frames: their shares of tokens; logits where the shares have fired; logits everywhere.
HEADS = BOUNDARIES, FIRED, CTC = ("predictor", "cif_output_layer", "ctc_lin")
WEIGHTS: WeightMap = (
    *ENCODER_WEIGHTS,
    ("decoder.embed", "prediction.embed"),
    ("decoder.rnn.0", "prediction.lstm"),
    ("joint_network.lin_enc", "joiner.enc"),
    ("joint_network.lin_dec", "joiner.dec"),
    ("joint_network.lin_out", "joiner.out"),
    *((head, head) for head in HEADS),
    # Of other losses that it may have been trained with.
    *((head, None) for head in ("ctc", "lm_lin")),
)


def weights_with(heads: Collection[str]) -> WeightMap:
    """Of a checkpoint, for a network with these heads and no others."""
    return (*((head, None) for head in HEADS if head not in heads), *WEIGHTS)
