"""BAT and RWKV-BAT in training (An et al. 2023, arXiv:2305.11571 and 2309.14758), and the transducers they are measured
against.

`model: BAT` learns in a band around its own boundaries, `model: Transducer` over the whole lattice.

B utterances, T frames, U tokens, D width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.bat import BOUNDARIES, CTC, FIRED, Bat, weights_with
from asr_cli.models.bat_encoders import ConformerEncoder
from asr_cli.models.bat_folder import load, read_config, read_frontend, write_folder
from asr_cli.models.bat_search import begin, greedy
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.folder import file_of, section
from asr_cli.models.paraformer_folder import plain
from asr_cli.nn.cif import integrate
from asr_cli.nn.transducer import BLANK
from asr_cli.nn.transducer_lattice import Band, around, whole
from asr_cli.nn.transducer_loss import transducer_loss
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Example, Fit, Losses
from asr_cli.train.tasks.ctc import ctc_loss
from asr_cli.train.tasks.model_conf import insist_share, read_model_conf

SLACK = 1e-4  # so that the last token is complete, whatever the rounding; FunASR's
NO_TARGET = -100  # where there is no token to be compared with


@dataclass(frozen=True, slots=True)
class ModelConf:
    """`model_conf` of the configuration, as far as it says how to train; FunASR's names and defaults.

    r_d, r_u: how many tokens the transducer may lag behind the boundaries, and run ahead of them.
    auxiliary_ctc_weight: of the encoder's own loss, CTC.
    """

    transducer_weight: float = 1.0
    predictor_weight: float = 1.0
    cif_weight: float = 1.0
    r_d: int = 5
    r_u: int = 5
    fastemit_lambda: float = 0.0
    lsm_weight: float = 0.0
    auxiliary_ctc_weight: float = 0.0
    auxiliary_ctc_dropout_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class TransducerBatch:
    """features: normalised (B, T, D) and how many of each count; targets: (B, U) and how many."""

    features: Tensor
    lengths: Tensor
    targets: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> Self:
        names = ("features", "lengths", "targets", "counts")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


@dataclass(frozen=True, slots=True)
class Collate:
    """Examples to a batch."""

    cmvn: Cmvn
    lfr: LowFrameRate

    def __call__(self, examples: Sequence[Example]) -> TransducerBatch:
        rows = [self.cmvn(self.lfr(example.features)[0]) for example in examples]
        ids = [torch.tensor(example.ids, dtype=torch.long) for example in examples]
        return TransducerBatch(
            pad_sequence(rows, batch_first=True),
            torch.tensor([len(one) for one in rows]),
            pad_sequence(ids, batch_first=True),
            torch.tensor([len(one) for one in ids]),
        )


class TransducerTask:
    """The Task of every transducer here."""

    net: Bat

    def __init__(
        self,
        net: Bat,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        cmvn: Cmvn,
        initialised: frozenset[str] = frozenset(),
    ) -> None:
        self.net, self.settings, self.vocabulary, self.cmvn = net, settings, vocabulary, cmvn
        self.initialised = initialised
        self.conf = read_conf(section(settings, "model_conf", path), path)
        self.is_banded = BOUNDARIES in heads_of(settings, self.conf)
        frontend = read_frontend(settings, path)
        self.refusal = Fit(frontend.lfr_n * net.encoder.frame_shift)
        self.collate = Collate(cmvn, LowFrameRate(frontend.lfr_m, frontend.lfr_n))

    def losses(self, batch: TransducerBatch, net: nn.Module) -> Losses:
        assert isinstance(net, Bat)
        encoded, lengths = self.encode(net, batch)
        begins = torch.full_like(batch.targets[:, :1], BLANK)
        predicted = net.prediction(torch.cat([begins, batch.targets], dim=1))
        joiner, n_utterances = net.joiner, len(batch.lengths)
        band, parts = self.band(net, encoded, lengths, batch)
        losses = transducer_loss(
            joiner.enc(encoded), joiner.dec(predicted), joiner.out, batch.targets, band,
            fastemit=self.conf.fastemit_lambda,
        )  # fmt: skip
        parts = {"transducer": self.conf.transducer_weight * losses.sum() / n_utterances} | parts
        if net.ctc_lin is not None:
            parts["ctc"] = self.conf.auxiliary_ctc_weight * self.ctc(net.ctc_lin, encoded, lengths, batch)
        total = torch.stack(list(parts.values())).sum()
        return Losses(total, {name: part.detach() for name, part in parts.items()}, float(n_utterances))

    def encode(self, net: Bat, batch: TransducerBatch) -> tuple[Tensor, Tensor]:
        """A network that is to hear in chunks learns from them, and every other time from whole utterances."""
        encoder = net.encoder
        if not net.training or not isinstance(encoder, ConformerEncoder) or not encoder.config.hears_in_chunks:
            chunk = encoder.chunk if isinstance(encoder, ConformerEncoder) and encoder.config.hears_in_chunks else None
            return encoder(batch.features, batch.lengths, *([chunk] if chunk else []))
        chance = Random(int(torch.randint(1 << 30, ())))
        is_whole = encoder.config.unified_model_training and chance.random() < 0.5
        return encoder(
            batch.features, batch.lengths, None if is_whole else encoder.draw_chunk(batch.features.shape[1], chance)
        )

    def band(
        self, net: Bat, encoded: Tensor, lengths: Tensor, batch: TransducerBatch
    ) -> tuple[Band, dict[str, Tensor]]:
        """Where in the lattice the transducer learns, and what is wrong with the boundaries that say so."""
        if not self.is_banded:
            return whole(lengths, batch.counts), {}
        assert net.predictor is not None and net.cif_output_layer is not None
        with torch.autocast(encoded.device.type, enabled=False):
            frames = encoded.float()
            shares = net.predictor(frames, lengths)
            n_heard = shares.sum(1)
            scaled = shares * ((batch.counts + SLACK) / n_heard).unsqueeze(1)
            fired = integrate(frames, scaled, batch.targets.shape[1])
            logits = net.cif_output_layer(fired)  # (B, U, V)
        places = torch.arange(batch.targets.shape[1], device=encoded.device)
        targets = batch.targets.masked_fill(places >= batch.counts.unsqueeze(1), NO_TARGET)
        spelling = F.cross_entropy(
            logits.transpose(1, 2), targets, reduction="sum", label_smoothing=self.conf.lsm_weight
        )
        counting = (batch.counts - n_heard).abs().sum()
        n_utterances = len(lengths)
        band = around(scaled.cumsum(1), lengths, batch.counts, back=self.conf.r_d, ahead=self.conf.r_u)
        return band, {
            "counting": self.conf.predictor_weight * counting / n_utterances,
            "spelling": self.conf.cif_weight * spelling / n_utterances,
        }

    def ctc(self, head: nn.Linear, encoded: Tensor, lengths: Tensor, batch: TransducerBatch) -> Tensor:
        dropped = F.dropout(encoded, self.conf.auxiliary_ctc_dropout_rate, head.training)
        return ctc_loss(head(dropped), lengths, batch.targets, batch.counts)

    @torch.inference_mode()
    def transcribe(self, batch: TransducerBatch) -> list[list[int]]:
        net = self.net
        encoded, lengths = self.encode(net, batch)
        frames = [row[:length].float() for row, length in zip(encoded, lengths.tolist(), strict=True)]
        with torch.autocast(encoded.device.type, enabled=False):  # what decides has all its bits, as in the backend
            fresh = begin(net.prediction)
            found = greedy(net.prediction, net.joiner, frames, [fresh] * len(frames))
        return [[token.id for token in one.best.tokens()] for one in found]

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        net = Bat(self.net.config, heads=heads_of(self.settings, self.conf))
        net.load_state_dict(dict(tensors))
        write_folder(folder, net, self.settings, self.cmvn, self.vocabulary)


def build(
    settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, cmvn: Cmvn, init: Path | None
) -> TransducerTask:
    """The Builder: random weights, or those of a checkpoint, to which heads are added that it does not have."""
    config = read_config(settings, path, read_frontend(settings, path), len(vocabulary))
    if len(cmvn.shift) != config.n_features:
        raise ModelError(f"{str(path)!r} wants {config.n_features} features, and am.mvn is for {len(cmvn.shift)}")
    heads = heads_of(settings, read_conf(section(settings, "model_conf", path), path))
    if init is None:
        return TransducerTask(Bat(config, heads=heads), settings, path, vocabulary, cmvn)
    source = file_of(init, WEIGHT_FILES)
    net = load(config, source, heads=heads)
    for parameter in net.parameters():
        parameter.data = parameter.data.clone()  # out of the file, which must not follow them
    there = frozenset(name for name, _ in checkpoint.renamed(checkpoint.read(source), weights_with(heads)))
    initialised = frozenset(name for name, _ in net.named_parameters() if name in there)
    return TransducerTask(net, settings, path, vocabulary, cmvn, initialised)


def heads_of(settings: Mapping[str, Any], conf: ModelConf) -> tuple[str, ...]:
    """Those with which such a model is trained."""
    banded = () if plain(settings["model"]) == "transducer" else (BOUNDARIES, FIRED)
    return (*banded, CTC) if conf.auxiliary_ctc_weight else banded


def read_conf(values: Mapping[str, Any], path: Path) -> ModelConf:
    for name in ("auxiliary_lm_loss_weight", "ctc_weight"):
        if values.get(name):
            raise ModelError(
                f"{str(path)!r} wants {name} {values[name]!r}; a transducer is trained without it here:"
                f" --set model_conf.{name}=0"
            )
    conf: ModelConf = read_model_conf(ModelConf, values, path)
    if conf.r_d < 1 or conf.r_u < 1:
        raise ModelError(f"{str(path)!r} has r_d {conf.r_d} and r_u {conf.r_u}, where numbers above 0 should be")
    for name in ("lsm_weight", "auxiliary_ctc_dropout_rate"):
        insist_share(conf, name, path)
    return conf
