"""Whisper in training (Radford et al. 2022, arXiv:2212.04356); the network is transformers'.

B windows, M mel bins, T frames of 10 ms, F frames of 20 ms, U tokens, D width, V vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli.errors import ModelError
from asr_cli.train.task import FRAME_SECONDS, Losses
from asr_cli.train.tasks.ctc import ctc_loss
from asr_cli.train.tasks.whisper_folder import (
    FREE,
    Conf,
    load,
    make_config,
    read_conf,
    sizes,
    write_folder,
)
from asr_cli.train.tasks.whisper_tokens import N_BYTES, Ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

NO_TARGET = -100
NEARBY = (-4, 0, 4)  # frames of 20 ms: of the heads in turn
FASTEST, SLOWEST = 0.04, 0.7  # of the sinusoids: those that tell neighbours apart, and hardly turn within a window
POINTED, BY_CHANCE = 2.0, 0.3  # how narrow it begins: about two frames wide; what is left of the random weights
WHOLE = 0.25  # of the batches are heard in whole windows, the others as far as there is sound: that is cheaper
PARTS = {"encoder": "model.encoder", "decoder": "model.decoder"}  # of transformers' network


@dataclass(frozen=True, slots=True)
class Heard:
    """A window to learn from. features: log-mel of all of it (M, T), silence behind n_frames. ids: from the first token
    on. labels: what follows each, as far as it is learned. For the encoder, letters: the bytes of all that is
    heard; frames: which of them each frame of 20 ms is a part of (F,), counted from 1, where somebody knows."""

    key: str
    features: Tensor
    n_frames: int
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    letters: tuple[int, ...]
    frames: Tensor | None
    text: str

    @property
    def seconds(self) -> float:
        return self.n_frames * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class WhisperBatch:
    """features: (B, M, T), of which n_frames have sound in any; ids, labels: (B, U); letters: (B, W) and how many;
    frames: (B, F), NO_TARGET where nobody knows."""

    features: Tensor
    n_frames: int
    ids: Tensor
    labels: Tensor
    letters: Tensor
    counts: Tensor
    frames: Tensor

    def to(self, device: torch.device) -> Self:
        names = "features", "ids", "labels", "letters", "counts", "frames"
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


@dataclass(frozen=True, slots=True)
class Collate:
    """Windows to a batch."""

    end: int

    def __call__(self, windows: Sequence[Heard]) -> WhisperBatch:
        rows = {name: [torch.tensor(getattr(one, name), dtype=torch.long) for one in windows]
                for name in ("ids", "labels", "letters")}  # fmt: skip
        unknown = torch.full((windows[0].features.shape[1] // 2,), NO_TARGET)
        return WhisperBatch(
            torch.stack([one.features for one in windows]),
            max(one.n_frames for one in windows),
            pad_sequence(rows["ids"], batch_first=True, padding_value=self.end),
            pad_sequence(rows["labels"], batch_first=True, padding_value=NO_TARGET),
            pad_sequence(rows["letters"], batch_first=True),
            torch.tensor([len(one) for one in rows["letters"]]),
            torch.stack([unknown if one.frames is None else one.frames for one in windows]),
        )


class WhisperNet(nn.Module):
    """transformers' encoder and decoder, and a head with which the encoder says itself what it hears."""

    def __init__(self, whisper: "WhisperForConditionalGeneration", *, hears: bool) -> None:
        super().__init__()
        self.encoder, self.decoder = whisper.model.encoder, whisper.model.decoder
        self.hearing = nn.Linear(whisper.config.d_model, 1 + N_BYTES) if hears else None

    def encode(self, features: Tensor) -> Tensor:
        """(B, M, T) to (B, F, D), the window or its beginning."""
        return encode(self.encoder, features)

    def spell(self, ids: Tensor, encoded: Tensor) -> Tensor:
        """Logits (B, U, V) of what follows each id."""
        return spell(self.decoder, ids, encoded)


def encode(encoder: Any, features: Tensor) -> Tensor:
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(features)))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    x = F.dropout(x, encoder.dropout, encoder.training)
    for layer in encoder.layers:
        x = layer(x, None)
    return encoder.layer_norm(x)


def spell(decoder: Any, ids: Tensor, encoded: Tensor) -> Tensor:
    x = decoder(input_ids=ids, encoder_hidden_states=encoded, use_cache=False).last_hidden_state
    return F.linear(x, decoder.embed_tokens.weight)


class WhisperTask:
    """The Task of a Whisper."""

    net: WhisperNet

    def __init__(
        self, whisper: "WhisperForConditionalGeneration", conf: Conf, tokenizer: "Tokenizer", ids: Ids, *, known: bool
    ) -> None:
        """known: the weights come from a checkpoint."""
        self.config, self.conf, self.tokenizer, self.ids = whisper.config, conf, tokenizer, ids
        self.net = WhisperNet(whisper, hears=conf.hearing_weight > 0)
        names = (name for name, _ in self.net.named_parameters() if not name.startswith("hearing."))
        self.initialised = frozenset(names if known else ())
        self.collate = Collate(ids.end)

    def losses(self, batch: WhisperBatch, net: nn.Module) -> Losses:
        assert isinstance(net, WhisperNet)
        # On a processor, fused attention goes back three times as slowly as products that stand alone.
        self.config._attn_implementation = "eager" if batch.features.device.type == "cpu" else "sdpa"
        encoded = self.encoded(batch, net)
        logits = net.spell(batch.ids, encoded)
        n_tokens = (batch.labels != NO_TARGET).sum()
        parts = self.spelling(logits, batch, encoded)
        if net.hearing is not None:
            parts["hearing"] = self.conf.hearing_weight * hearing(net.hearing(encoded), batch)
        total = torch.stack(list(parts.values())).sum()
        return Losses(total, {name: part.detach() for name, part in parts.items()}, float(n_tokens))

    def encoded(self, batch: WhisperBatch, net: WhisperNet) -> Tensor:
        """Of whole windows, or as far as there is sound, (B, F, D)."""
        if net.training and torch.rand(()) >= WHOLE:
            return net.encode(batch.features[..., : batch.n_frames + batch.n_frames % 2])
        return net.encode(batch.features)

    def spelling(self, logits: Tensor, batch: WhisperBatch, encoded: Tensor) -> dict[str, Tensor]:
        """What is wrong with the decoder's answers, a mean over tokens."""
        return {"spelling": cross_entropy(logits, batch.labels)}

    @torch.inference_mode()
    def transcribe(self, batch: WhisperBatch) -> list[list[int]]:
        return greedy(self.net, batch.features, self.ids, self.conf.max_target_positions)

    def write(self, folder: Path, tensors: Mapping[str, Tensor], heads: Sequence[tuple[int, int]] = ()) -> None:
        """heads: layer and head of the decoder's that look at what is being said."""
        own = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part in PARTS:
                own[f"{PARTS[part]}.{rest}"] = tensor
        write_folder(folder, self.config, self.conf, self.tokenizer, self.ids, own, heads)


def hearing(logits: Tensor, batch: WhisperBatch) -> Tensor:
    """What is wrong with an encoder's own letters (B, F, 257), the mean over windows: of each frame, or with CTC where
    nobody knows when what is said."""
    known = batch.frames[:, 0] != NO_TARGET
    losses = []
    if known.any():
        losses.append(cross_entropy(logits[known], batch.frames[known, : logits.shape[1]]) * known.sum())
    if not known.all():
        n_letters = batch.counts[~known]
        lengths = torch.full_like(n_letters, logits.shape[1])
        ctc = ctc_loss(logits[~known], lengths, 1 + batch.letters[~known], n_letters)
        losses.append(ctc * len(n_letters) ** 2 / n_letters.sum().clamp_min(1))
    return torch.stack(losses).sum() / len(known)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=NO_TARGET)


def greedy(net: WhisperNet, features: Tensor, ids: Ids, n_most: int) -> list[list[int]]:
    """The likeliest text, token after token, without times."""
    head = ids.head(times=False)
    encoded, found = net.encode(features), torch.tensor([head] * len(features), device=features.device)
    cache, given = None, found
    over = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    while found.shape[1] < n_most and not over.all():
        step = net.decoder(input_ids=given, encoder_hidden_states=encoded, past_key_values=cache, use_cache=True)
        cache = step.past_key_values
        logits = F.linear(step.last_hidden_state[:, -1], net.decoder.embed_tokens.weight)
        given = logits.float()[:, : ids.end + 1].argmax(1, keepdim=True).masked_fill(over.unsqueeze(1), ids.end)
        found = torch.cat([found, given], dim=1)
        over |= given[:, 0] == ids.end
    return [[one for one in row if one < ids.end] for row in found[:, len(head) :].tolist()]


@torch.no_grad()
def listen_nearby(encoder: Any) -> None:
    """Have the encoder's heads begin with what is near, each a little before, at or after a frame.

    Places are told by sines and cosines alone, and what is near has to be learned from those: from random weights,
    thousands of steps hear next to nothing of their surroundings. Here queries and keys begin with some of the
    sinusoids, the keys turned by a head's distance, so their products are largest that far away.
    """
    half = encoder.embed_positions.weight.shape[1] // 2
    rates = torch.exp(-torch.arange(half) * math.log(10_000) / (half - 1))  # of the sinusoids, radians a frame
    for attention in (layer.self_attn for layer in encoder.layers):
        width = attention.head_dim
        chosen = torch.linspace(half * FASTEST, half * SLOWEST, width // 2).round().long()
        sines, cosines = torch.arange(0, 2 * len(chosen), 2), torch.arange(1, 2 * len(chosen), 2)
        for head in range(attention.num_heads):
            turn = rates[chosen] * NEARBY[head % len(NEARBY)]
            query, key = torch.zeros(2, width, 2 * half)
            query[sines, chosen] = query[cosines, half + chosen] = 1.0
            key[sines, chosen] = key[cosines, half + chosen] = turn.cos()
            key[sines, half + chosen], key[cosines, chosen] = -turn.sin(), turn.sin()
            rows = slice(head * width, (head + 1) * width)
            for linear, toward in ((attention.q_proj, query), (attention.k_proj, key)):
                linear.weight[rows] = linear.weight[rows] * BY_CHANCE + toward * POINTED


def read_checkpoint(
    settings: Mapping[str, Any], path: Path, tokenizer: "Tokenizer", init: Path, *, where: Path
) -> tuple["WhisperForConditionalGeneration", Conf, Ids]:
    """A checkpoint with what only training may change. where: the tokenizer was read, for messages."""
    conf = read_conf(settings, path)
    whisper = load(init, {name: getattr(conf, name) for name in FREE})
    for name in sizes(conf):
        if getattr(whisper.config, name) != getattr(conf, name):
            raise ModelError(
                f"{str(path)!r} has {name} {getattr(conf, name)}, and {str(init)!r} {getattr(whisper.config, name)};"
                " leave the sizes to the checkpoint"
            )
    if whisper.config.vocab_size < tokenizer.get_vocab_size():
        raise ModelError(
            f"{str(init)!r} knows {whisper.config.vocab_size} tokens and its tokenizer {tokenizer.get_vocab_size()};"
            " they do not belong together: download the model again"
        )
    return whisper, conf, Ids.of(tokenizer, conf.language, where)


def build(
    settings: Mapping[str, Any], path: Path, tokenizer: "Tokenizer", init: Path | None, *, where: Path
) -> WhisperTask:
    """Random weights, or those of a checkpoint. where: the tokenizer was read, for messages."""
    from transformers import WhisperForConditionalGeneration

    if init is not None:
        whisper, conf, ids = read_checkpoint(settings, path, tokenizer, init, where=where)
        return WhisperTask(whisper, conf, tokenizer, ids, known=True)
    conf = read_conf(settings, path)
    ids = Ids.of(tokenizer, conf.language, where)
    whisper = WhisperForConditionalGeneration(make_config(conf, ids, tokenizer.get_vocab_size()))
    # Of the usual weights, what is heard would come out half as strong as where it stands.
    for conv in (whisper.model.encoder.conv1, whisper.model.encoder.conv2):
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    listen_nearby(whisper.model.encoder)
    return WhisperTask(whisper, conf, tokenizer, ids, known=False)
