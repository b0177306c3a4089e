"""Paraformer, the networks of FunASR's `Paraformer`, `BiCifParaformer` and `SeacoParaformer` checkpoints.

N frames of 60 ms and U tokens of utterances laid end to end (see asr_cli.nn.rows), D width, V vocabulary, K hotwords.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from asr_cli.checkpoint import WeightMap
from asr_cli.models.sanm_weights import decoder_weights, encoder_weights
from asr_cli.nn.cif import Alphas, Fired, integrate_and_fire
from asr_cli.nn.embedding import embedding
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import Norm, SanmDecoderEnd, SanmDecoderLayer, SanmEncoder

TINY = 1e-9  # a sum of alphas below it is none


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """`encoder_conf` of the checkpoint, under its names."""

    output_size: int = 256
    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    kernel_size: int = 11
    sanm_shfit: int = 0


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """`decoder_conf`. num_blocks counts those beyond att_layer_num too, which do not attend to the encoder."""

    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    att_layer_num: int = 6
    kernel_size: int = 21
    sanm_shfit: int = 0


@dataclass(frozen=True, slots=True)
class PredictorConfig:
    """`predictor_conf`; the names that end in 2 are of the timestamp head."""

    idim: int
    l_order: int = 1
    r_order: int = 1
    smooth_factor: float = 1.0
    noise_threshold: float = 0.0
    tail_threshold: float = 0.0
    smooth_factor2: float = 1.0
    noise_threshold2: float = 0.0
    upsample_times: int = 5


@dataclass(frozen=True, slots=True)
class Config:
    """What shapes the network. seaco, contextual: how hotwords come in, if at all."""

    n_features: int
    n_tokens: int
    encoder: EncoderConfig
    decoder: DecoderConfig
    predictor: PredictorConfig
    has_times: bool = False
    seaco: DecoderConfig | None = None
    no_bias: int = 8377  # the token by which SeACo's second opinion abstains
    contextual: bool = False


class ParaformerDecoder(nn.Module):
    """FunASR's ParaformerSANMDecoder: from acoustic embeddings to hidden states, all tokens at once."""

    def __init__(self, config: DecoderConfig, width: int, memory_width: int) -> None:
        super().__init__()
        left = (config.kernel_size - 1) // 2 + config.sanm_shfit
        sizes = {"left": left, "right": config.kernel_size - 1 - left}
        self.layers = nn.ModuleList(
            SanmDecoderLayer(width, memory_width, config.attention_heads, config.linear_units, **sizes)
            for _ in range(config.att_layer_num)
        )
        self.end = SanmDecoderEnd(width, config.linear_units)
        self.norm = Norm(width)

    def forward(self, x: Tensor, rows: Rows, memory: Tensor, memory_rows: Rows) -> Tensor:
        """Embeddings (U, D) and a memory (M, D_memory) to hidden states (U, D)."""
        for layer in self.layers:
            x = layer(x, rows, memory, memory_rows)
        return self.norm(self.end(x))


class TimesHead(nn.Module):
    """A second look at the encoder's output, three times as often, that fires where tokens begin (CifPredictorV3)."""

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        width, self.times = config.idim, config.upsample_times
        self.smooth, self.noise = config.smooth_factor2, config.noise_threshold2
        self.upsample = nn.ConvTranspose1d(width, width, self.times, self.times)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * width, 1)

    def forward(self, x: Tensor, rows: Rows) -> tuple[Tensor, ...]:
        """Encoder output (N, D) to the alphas (3 T,) of each sequence."""
        if not rows.n_rows:
            return tuple(x.new_zeros(0) for _ in rows.lengths)
        finer = self.upsample(x.t().unsqueeze(0))[0].t()  # (3 N, D): a stride as wide as the kernel mixes no frames
        parts = finer.split([length * self.times for length in rows.lengths])
        filled = [part for part in parts if len(part)]
        packed = nn.utils.rnn.pack_sequence(filled, enforce_sorted=False)
        alphas = self.alphas(self.lstm(packed)[0].data)
        found = iter(nn.utils.rnn.unpack_sequence(packed._replace(data=alphas)))
        return tuple(next(found) if len(part) else part.new_zeros(0) for part in parts)

    def alphas(self, x: Tensor) -> Tensor:
        return (self.smooth * self.out(x).sigmoid() - self.noise).relu().squeeze(-1)


@dataclass(frozen=True, slots=True)
class Hotwords:
    """What a network listens for: a vector for each hotword, and last one that stands for none of them (K + 1, D).

    weight: how much they count; 1 as in training.
    """

    embeds: Tensor
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a network made of a batch: logits (U, V) of the tokens that fired, and of each utterance the alphas its
    times are read from."""

    logits: Tensor
    fired: Fired
    alphas: tuple[Tensor, ...]


class Paraformer(nn.Module):
    """Paraformer (Gao et al. 2022, arXiv:2206.08317): non-autoregressive, one pass for all tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width = config.encoder.output_size
        self.encoder = SanmEncoder(
            config.n_features, width, config.encoder.attention_heads, config.encoder.linear_units,
            config.encoder.num_blocks, kernel=config.encoder.kernel_size, shift=config.encoder.sanm_shfit,
        )  # fmt: skip
        self.predictor = Alphas(
            width, left=config.predictor.l_order, right=config.predictor.r_order,
            smooth=config.predictor.smooth_factor, noise=config.predictor.noise_threshold,
        )  # fmt: skip
        self.times = TimesHead(config.predictor) if config.has_times else None
        self.embed = embedding(config.n_tokens, width)  # training's, and the hotwords'
        self.decoder = self.build_decoder(width)
        self.output = nn.Linear(width, config.n_tokens)

    def build_decoder(self, width: int) -> ParaformerDecoder:
        return ParaformerDecoder(self.config.decoder, width, width)

    def forward(self, features: Tensor, rows: Rows, hotwords: Hotwords | None = None) -> Heard:
        """Normalised features (N, 560) to logits."""
        encoded = self.encoder(features, rows)
        alphas = self.predictor(encoded, rows)
        fired = integrate_and_fire(encoded, alphas, rows, tail=self.config.predictor.tail_threshold)
        logits = self.decode(fired, encoded, rows, hotwords)
        return Heard(logits, fired, self.spread(encoded, alphas, rows, fired))

    def spread(self, encoded: Tensor, alphas: Tensor, rows: Rows, fired: Fired) -> tuple[Tensor, ...]:
        """The alphas of each utterance that tell when its tokens were said."""
        if self.times is None:
            return rows.split(alphas)
        # Two heads, one count: the finer one says where, not how many.
        parts = zip(self.times(encoded, rows), fired.rows.lengths, strict=True)
        return tuple(part * (n_fired / part.sum().clamp(min=TINY)) for part, n_fired in parts)

    def decode(self, fired: Fired, encoded: Tensor, rows: Rows, hotwords: Hotwords | None) -> Tensor:
        return self.output(self.decoder(fired.embeds, fired.rows, encoded, rows))

    @property
    def frames_per_alpha(self) -> int:
        """How many frames of 20 ms one of `Heard.alphas` stands for."""
        return 1 if self.times is not None else 3


class SeacoParaformer(Paraformer):
    """SeACo-Paraformer (Shi et al. 2023, arXiv:2308.03266): a second decoder looks at the hotwords, and has the last
    word on every token it has an opinion about."""

    N_KEPT = 50  # hotwords that are looked at closely; of more, those that a first look finds likeliest

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        width = config.encoder.output_size
        assert config.seaco is not None
        self.hotword_encoder = nn.LSTM(width, width, 2, batch_first=True)
        self.hotword_decoder = ParaformerDecoder(config.seaco, width, width)
        self.hotword_output = nn.Linear(width, config.n_tokens)

    def embed_hotwords(self, hotwords: list[list[int]]) -> Tensor:
        """Token ids of each hotword to (K, D)."""
        return last_states(self.hotword_encoder, self.embed, hotwords)

    def decode(self, fired: Fired, encoded: Tensor, rows: Rows, hotwords: Hotwords | None) -> Tensor:
        hidden = self.decoder(fired.embeds, fired.rows, encoded, rows)
        plain = self.output(hidden)
        if hotwords is None or not fired.rows.n_rows:
            return plain
        memory, memory_rows = self.likeliest(hotwords.embeds, hidden, fired.rows)
        opinions = self.hotword_decoder(fired.embeds, fired.rows, memory, memory_rows)
        opinions = opinions + self.hotword_decoder(hidden, fired.rows, memory, memory_rows)
        biased = self.hotword_output(opinions)
        abstains = biased.argmax(-1, keepdim=True) == self.config.no_bias
        if hotwords.weight < 1:
            biased = torch.lerp(plain.log_softmax(-1), biased.log_softmax(-1), hotwords.weight)
        return torch.where(abstains, plain, biased)

    def likeliest(self, hotwords: Tensor, hidden: Tensor, rows: Rows) -> tuple[Tensor, Rows]:
        """For each utterance the hotwords it should look at, and the last one, which stands for none."""
        n_sequences = len(rows.lengths)
        if len(hotwords) <= self.N_KEPT:
            return hotwords.repeat(n_sequences, 1), Rows([len(hotwords)] * n_sequences, hotwords.device)
        looks = rows.split(self.first_look(hotwords, hidden, rows))
        kept = [torch.cat([hotwords[look.sum(0).topk(self.N_KEPT).indices], hotwords[-1:]]) for look in looks]
        return torch.cat(kept), Rows([len(part) for part in kept], hotwords.device)

    def first_look(self, hotwords: Tensor, hidden: Tensor, rows: Rows) -> Tensor:
        """How much each token (U, D) attends to each of all hotwords: (U, K + 1)."""
        x = hidden
        *first, final = cast("list[SanmDecoderLayer]", list(self.hotword_decoder.layers))
        for layer in first:
            x = layer.remember(x, rows)
            x = x + layer.cross.shared(layer.norm3(x), hotwords)
        return final.cross.weights(final.norm3(final.remember(x, rows)), hotwords).sum(0)


def last_states(encoder: nn.LSTM, embed: nn.Embedding, sequences: list[list[int]]) -> Tensor:
    """The state (K, D) of the encoder's last layer at the end of each sequence of ids."""
    device = embed.weight.device
    packed = nn.utils.rnn.pack_sequence(
        [embed(torch.tensor(ids, device=device)) for ids in sequences], enforce_sorted=False
    )
    _, (states, _) = encoder(packed)
    return states[-1]


WEIGHTS: WeightMap = (
    *encoder_weights("encoder", "encoder"),
    *decoder_weights("decoder", "decoder"),
    *decoder_weights("seaco_decoder", "hotword_decoder"),
    ("decoder.embed.0", "embed"),
    ("decoder.output_layer", "output"),
    ("predictor.cif_conv1d", "predictor.conv"),
    ("predictor.cif_output", "predictor.out"),
    ("predictor.upsample_cnn", "times.upsample"),
    ("predictor.blstm", "times.lstm"),
    ("predictor.cif_output2", "times.out"),
    ("bias_encoder", "hotword_encoder"),
    ("hotword_output_layer", "hotword_output"),
    ("ctc", None),  # a second objective of some trainings; nobody decodes with it
)
