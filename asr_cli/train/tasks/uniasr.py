"""UniASR in training (Gao et al. 2020, arXiv:2010.14099), as FunASR's `UniASR.forward` with its settings: both passes
at once, in short chunks or in long ones.

M frames of 60 ms (of the second pass 120) and U tokens of utterances laid end to end, B utterances, T frames of the
longest, D width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli import checkpoint
from asr_cli.checkpoint import theirs
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.folder import file_of, section
from asr_cli.models.paraformer_folder import read_frontend
from asr_cli.models.uniasr import SHORT, STRIDE, WEIGHTS, Heard, Pass, Piece, UniAsr
from asr_cli.models.uniasr_decoder import AttendingLayer, RememberingLayer, ScamaDecoder
from asr_cli.models.uniasr_folder import read_config
from asr_cli.models.write_folder import write_folder
from asr_cli.nn.chunk import Chunks, cut
from asr_cli.nn.cif import integrate
from asr_cli.nn.rows import Rows
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Fit, Losses
from asr_cli.train.tasks.model_conf import insist_share, read_model_conf
from asr_cli.train.tasks.paraformer import Collate, ParaformerBatch, smoothed_cross_entropy
from asr_cli.train.tasks.sanm import Dropout, attend, encode_on, read_dropout

BEGIN = 1
EXACT = 1e-4  # of a token, which sums may lack through rounding


@dataclass(frozen=True, slots=True)
class ModelConf:
    """`model_conf` of the configuration, as far as it says how to train; FunASR's names and defaults."""

    lsm_weight: float = 0.0
    length_normalized_loss: bool = False
    predictor_weight: float = 0.0
    predictor2_weight: float = 0.0
    loss_weight_model1: float = 0.5


@dataclass(frozen=True, slots=True)
class PassDropout:
    encoder: Dropout
    decoder: Dropout


class UniAsrTask:
    """The Task of a UniASR. Batches are a Paraformer's: their ids end with the end token."""

    net: UniAsr

    def __init__(
        self,
        net: UniAsr,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        cmvn: Cmvn,
        initialised: frozenset[str] = frozenset(),
    ) -> None:
        self.net, self.settings, self.vocabulary, self.cmvn = net, settings, vocabulary, cmvn
        self.initialised = initialised
        self.conf = read_conf(section(settings, "model_conf", path), path)
        self.dropouts = tuple(read_dropouts(settings, number, path) for number in ("", "2"))
        frontend = read_frontend(settings, path)
        self.refusal = Fit(frontend.lfr_n * STRIDE, bias=1)
        self.collate = Collate(cmvn, LowFrameRate(frontend.lfr_m, frontend.lfr_n), bias=1)

    def losses(self, batch: ParaformerBatch, net: nn.Module) -> Losses:
        assert isinstance(net, UniAsr)
        length = int(torch.randint(2, ())) if net.training else SHORT
        features = list(batch.features.split(batch.lengths))
        first, second = self.dropouts
        chunks = listen(net.first, features, length, first, net.training)
        loss, parts = self.judge(net.first, chunks, batch, first, self.conf.predictor_weight, net.training)
        both = [torch.cat(part, dim=1) for part in zip(features, chunks.frames.split(chunks.heard), strict=True)]
        pairs = net.paired([F.pad(one, (0, 0, 0, len(one) % STRIDE)) for one in both])
        chunks = listen(net.second, pairs, length, second, net.training)
        loss2, parts2 = self.judge(net.second, chunks, batch, second, self.conf.predictor2_weight, net.training)
        share = self.conf.loss_weight_model1
        parts |= {f"{name}2": part for name, part in parts2.items()}
        return Losses(share * loss + (1 - share) * loss2, parts, float(self.divisor(batch)))

    def divisor(self, batch: ParaformerBatch) -> int:
        return len(batch.ids) if self.conf.length_normalized_loss else len(batch.counts)

    def judge(
        self, net: Pass, chunks: Chunks, batch: ParaformerBatch, dropout: PassDropout, weight: float, training: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What is wrong with one pass."""
        device = batch.features.device
        tokens, divisor = Rows(batch.counts, device), self.divisor(batch)
        with torch.autocast(device.type, enabled=False):  # a token that fires or does not is text
            alphas = chunks.frames.padded(net.predictor(chunks.encoded.float(), chunks.rows)[chunks.own])  # (B, T)
            n_heard = alphas.sum(1)
            scaled = alphas * (tokens.counts / n_heard).unsqueeze(1)
            fired = integrate(chunks.frames.padded(chunks.heard.float()), scaled, max(batch.counts))
        places = chunks_of(scaled, chunks, tokens)
        begun = torch.cat([torch.cat([one.new_full((1,), BEGIN), one[:-1]]) for one in tokens.split(batch.ids)])
        decode = partial(spell, net.decoder, dropout=dropout.decoder, training=training)
        logits = decode(begun, tokens.unpadded(fired), tokens, chunks, places)
        spelling = smoothed_cross_entropy(logits, batch.ids, self.conf.lsm_weight) / divisor
        counting = (tokens.counts - n_heard).abs().sum() / divisor
        parts = {
            "spelling": spelling.detach(),
            "counting": counting.detach(),
            "accuracy": (logits.argmax(-1) == batch.ids).float().mean(),
        }
        return spelling + weight * counting, parts

    def transcribe(self, batch: ParaformerBatch) -> list[list[int]]:
        """By the second pass, in short chunks."""
        pieces = [Piece(features, Heard()) for features in batch.features.split(batch.lengths)]
        passes = [state.second for state in self.net.hear(pieces, "normal")]
        return [[token.id for token in one.beam.best.tokens()] if one is not None else [] for one in passes]

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        write_folder(folder, self.settings, dict(theirs(tensors, WEIGHTS)), self.cmvn, self.vocabulary.tokens)


def build(settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, cmvn: Cmvn, init: Path | None) -> UniAsrTask:
    """The Builder: random weights, or those of a checkpoint."""
    config = read_config(settings, path, read_frontend(settings, path), len(vocabulary))
    if len(cmvn.shift) != config.n_features:
        raise ModelError(f"{str(path)!r} wants {config.n_features} features, and am.mvn is for {len(cmvn.shift)}")
    net, initialised = UniAsr(config), frozenset[str]()
    if init is not None:
        source = file_of(init, WEIGHT_FILES)
        tensors = {name: tensor.clone() for name, tensor in checkpoint.read(source).items()}
        checkpoint.fill(net, tensors, WEIGHTS, source)
        initialised = frozenset(name for name, _ in net.named_parameters())
    return UniAsrTask(net, settings, path, vocabulary, cmvn, initialised)


def listen(net: Pass, features: Sequence[Tensor], length: int, dropout: PassDropout, training: bool) -> Chunks:
    """Whole utterances (T, D) in chunks, as the encoder itself hears them, with dropout."""
    encoder, chunking = net.encoder, net.chunkings[length]
    begun = [encoder.enlarge(one, None, chunking) for one in features]
    cuts = [cut(state.frames, chunking, final=True) for state in begun]
    through = partial(encode_on, encoder, dropout=dropout.encoder, training=training)
    return encoder.encode(cuts, chunking, through)


@torch.no_grad()
def chunks_of(scaled: Tensor, chunks: Chunks, tokens: Rows) -> Tensor:
    """The chunk (U,) in which each token was complete, the last one at the latest with the last frame.

    scaled: alphas (B, T) that sum up to the number of tokens.
    """
    sums = scaled.double().cumsum(1) if scaled.device.type != "mps" else scaled.cumsum(1)
    wanted = torch.arange(1, max(tokens.lengths) + 1, device=scaled.device, dtype=sums.dtype) - EXACT
    frames = torch.searchsorted(sums, wanted.expand(len(sums), -1).contiguous())  # (B, U)
    frames = frames.minimum(chunks.frames.counts.unsqueeze(1) - 1)
    begins = chunks.frames.counts.cumsum(0) - chunks.frames.counts
    return chunks.chunk_of[tokens.unpadded(frames + begins.unsqueeze(1))]


def spell(
    decoder: ScamaDecoder, ids: Tensor, fired: Tensor, tokens: Rows, chunks: Chunks, places: Tensor, *,
    dropout: Dropout, training: bool,
) -> Tensor:  # fmt: skip
    """Logits (U, V) of the tokens behind these (U,), which are right; all at once what the decoder gives one by one.

    fired: (U, D) what fired for each. places: the chunk (U,) that each looks at; they never go back.
    """
    # The tokens of a chunk are neighbours: to each chunk its own, however many.
    looking = Rows(torch.bincount(places, minlength=len(chunks.rows.lengths)).tolist(), ids.device)
    x = decoder.mix(decoder.embed(ids), fired)
    for layer in cast("list[RememberingLayer]", [*decoder.layers, *decoder.more]):
        ahead = layer.feed_forward
        said = ahead.down(ahead.norm(F.dropout(ahead.up(layer.norm1(x)).relu(), dropout.block, training)))
        remembered = F.dropout(layer.memory.over(layer.norm2(said), tokens), dropout.attention, training)
        x = x + F.dropout(remembered, dropout.block, training)
        if isinstance(layer, AttendingLayer):
            cross = layer.cross
            k, v = cross.kv(chunks.encoded).chunk(2, dim=-1)
            heard = attend(
                cross.q(layer.norm3(x)), k, v, looking, chunks.rows, cross.n_heads, dropout.cross if training else 0.0
            )
            x = x + F.dropout(cross.out(heard), dropout.block, training)
    ahead = decoder.end.feed_forward
    said = ahead.norm(F.dropout(ahead.up(decoder.end.norm(x)).relu(), dropout.block, training))
    return decoder.output(decoder.norm(ahead.down(said).float()))


def read_dropouts(settings: Mapping[str, Any], number: str, path: Path) -> PassDropout:
    encoder, decoder = (section(settings, f"{part}{number}_conf", path) for part in ("encoder", "decoder"))
    return PassDropout(
        read_dropout(encoder, "attention_dropout_rate", path),
        read_dropout(decoder, "self_attention_dropout_rate", path),
    )


def read_conf(values: Mapping[str, Any], path: Path) -> ModelConf:
    for name in ("enable_maas_finetune", "freeze_encoder2"):
        if values.get(name):
            raise ModelError(
                f"{str(path)!r} wants {name}; say which parts stay as they are with --freeze (first, second.encoder),"
                f" and --set model_conf.{name}=false"
            )
    if values.get("encoder1_encoder2_joint_training") is False:
        raise ModelError(
            f"{str(path)!r} wants the passes trained apart (encoder1_encoder2_joint_training); here they are trained"
            " together, or the first is left as it is with --freeze first"
        )
    # FunASR reads one name, and its configurations have the other.
    known = {"predictor2_weight": values.get("predictor_weight2", 0.0), **values}
    conf: ModelConf = read_model_conf(ModelConf, known, path)
    insist_share(conf, "lsm_weight", path)
    if conf.loss_weight_model1 > 1:
        raise ModelError(
            f"{str(path)!r} has loss_weight_model1 {conf.loss_weight_model1}, where a number from 0 to 1 should be"
        )
    return conf
