"""Paraformer in training (Gao et al. 2022, arXiv:2206.08317), as FunASR's `Paraformer.forward` with its settings, and
where there is a head for times (Shi et al. 2023, arXiv:2301.12343) as its `BiCifParaformer.forward`.

N frames of 60 ms and U tokens of utterances laid end to end, B utterances, T frames of the longest, D width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.folder import section
from asr_cli.models.paraformer import Paraformer, SeacoParaformer
from asr_cli.models.paraformer_contextual import ContextualParaformer
from asr_cli.models.paraformer_folder import read_frontend
from asr_cli.models.write_folder import write_folder
from asr_cli.nn.cif import integrate, integrate_and_fire
from asr_cli.nn.rows import Rows
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Example, Fit, Losses
from asr_cli.train.tasks.ctc import ctc_loss
from asr_cli.train.tasks.model_conf import insist_share, read_model_conf
from asr_cli.train.tasks.paraformer_weights import begin_with, published
from asr_cli.train.tasks.sanm import decode, encode, read_dropout

EOS = 2
TIMES_SHARE = 0.5  # of predictor_weight, for the count of the head for times
SILENT = (0, 1, EOS)  # tokens that are no text


@dataclass(frozen=True, slots=True)
class ModelConf:
    """`model_conf` of the configuration, as far as it says how to train; FunASR's names and defaults."""

    ctc_weight: float = 0.0
    lsm_weight: float = 0.0
    length_normalized_loss: bool = False
    predictor_weight: float = 0.0
    predictor_bias: int = 0
    sampling_ratio: float = 0.2


@dataclass(frozen=True, slots=True)
class ParaformerBatch:
    """features: normalised and stacked (N, 560), lengths of each utterance; ids (U,) with the end token, and counts."""

    features: Tensor
    lengths: tuple[int, ...]
    ids: Tensor
    counts: tuple[int, ...]

    def to(self, device: torch.device) -> Self:
        return replace(
            self,
            features=self.features.to(device, non_blocking=True),
            ids=self.ids.to(device, non_blocking=True),
        )


@dataclass(frozen=True, slots=True)
class Collate:
    """Examples to a batch. bias: 1 where the end of an utterance is a token of its own."""

    cmvn: Cmvn
    lfr: LowFrameRate
    bias: int

    def __call__(self, examples: Sequence[Example]) -> ParaformerBatch:
        rows = [self.cmvn(self.lfr(example.features)[0]) for example in examples]
        ids = [[*example.ids, *[EOS] * self.bias] for example in examples]
        return ParaformerBatch(
            torch.cat(rows),
            tuple(map(len, rows)),
            torch.tensor([one for part in ids for one in part]),
            tuple(map(len, ids)),
        )


@dataclass(frozen=True, slots=True)
class Aligned:
    """A batch as the network hears it when it is told how many tokens each utterance has.

    encoded (N, D); embeds (U, D), what is heard of each token; n_heard (B,), how many tokens it would have heard;
    hotwords (K, D), where the decoder looks at any.
    """

    encoded: Tensor
    rows: Rows
    embeds: Tensor
    tokens: Rows
    n_heard: Tensor
    hotwords: Tensor | None = None


class ParaformerTask:
    """The Task of an offline Paraformer, with or without a head of its own for times."""

    net: Paraformer

    def __init__(
        self,
        net: Paraformer,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        cmvn: Cmvn,
        initialised: frozenset[str] = frozenset(),
    ) -> None:
        self.net, self.settings, self.path, self.vocabulary, self.cmvn = net, settings, path, vocabulary, cmvn
        self.initialised = initialised
        self.conf = read_conf(section(settings, "model_conf", path), path)
        self.encoder_dropout = read_dropout(section(settings, "encoder_conf", path), "attention_dropout_rate", path)
        self.decoder_dropout = read_dropout(
            section(settings, "decoder_conf", path), "self_attention_dropout_rate", path
        )
        frontend = read_frontend(settings, path)
        self.refusal = Fit(frontend.lfr_n, self.conf.predictor_bias)
        self.collate = Collate(cmvn, LowFrameRate(frontend.lfr_m, frontend.lfr_n), self.conf.predictor_bias)

    def losses(self, batch: ParaformerBatch, net: nn.Module) -> Losses:
        assert isinstance(net, Paraformer)
        return self.spelled(batch, net, self.align(batch, net))

    def align(self, batch: ParaformerBatch, net: Paraformer) -> Aligned:
        device = batch.features.device
        rows, tokens = Rows(batch.lengths, device), Rows(batch.counts, device)
        encoded = encode(net.encoder, batch.features, rows, self.encoder_dropout, net.training)
        with torch.autocast(device.type, enabled=False):  # a token that fires or does not is text
            encoded = encoded.float()
            alphas = rows.padded(net.predictor(encoded, rows))  # (B, T)
            n_heard = alphas.sum(1)
            scaled = alphas * (tokens.counts / n_heard).unsqueeze(1)
            embeds = tokens.unpadded(integrate(rows.padded(encoded), scaled, max(batch.counts)))
        return Aligned(encoded, rows, embeds, tokens, n_heard)

    def spelled(self, batch: ParaformerBatch, net: Paraformer, aligned: Aligned) -> Losses:
        """What is wrong with what is read in the embeddings, and with how many of them there would have been."""
        decode = partial(self.decode, net, aligned)
        embeds, n_correct = self.glance(net, aligned.embeds, aligned.tokens, batch.ids, decode)
        losses = self.judge(decode(embeds), aligned.n_heard, n_correct, aligned.tokens, batch.ids)
        losses = self.with_times(losses, net, aligned)
        return self.with_ctc(losses, net, aligned.rows.padded(aligned.encoded), aligned.rows, batch)

    def with_times(self, losses: Losses, net: Paraformer, aligned: Aligned) -> Losses:
        """Beside the predictor, the head for times is to count right, too; nothing tells it when."""
        if net.times is None or not self.conf.predictor_weight:
            return losses
        with torch.autocast(aligned.encoded.device.type, enabled=False):
            n_heard = torch.stack([alphas.sum() for alphas in net.times(aligned.encoded, aligned.rows)])
        counting = (aligned.tokens.counts - n_heard).abs().sum() / losses.weight
        return replace(
            losses,
            total=losses.total + TIMES_SHARE * self.conf.predictor_weight * counting,
            parts={**losses.parts, "times": counting.detach()},
        )

    def with_ctc(self, losses: Losses, net: Paraformer, encoded: Tensor, rows: Rows, batch: ParaformerBatch) -> Losses:
        """Beside the decoder's, the loss of the encoder (B, T, D) alone (CTC, Graves et al. 2006), which tells it from
        the first step what is said where; the mean over utterances, as FunASR has it."""
        weight = self.conf.ctc_weight
        if not weight:
            return losses
        ids = pad_sequence([one[: len(one) - self.conf.predictor_bias] for one in batch.ids.split(batch.counts)], True)
        counts = torch.tensor(batch.counts, device=encoded.device) - self.conf.predictor_bias
        whole = ctc_loss(cast(nn.Linear, net.ctc)(encoded), rows.counts, ids, counts)
        return replace(
            losses,
            total=losses.total + weight * whole,
            parts={**losses.parts, "ctc": whole.detach()},
        )

    def judge(self, logits: Tensor, n_heard: Tensor, n_correct: Tensor | None, tokens: Rows, ids: Tensor) -> Losses:
        """Of logits (U, V) and of how many tokens were heard in each utterance (B,)."""
        if n_correct is None:
            n_correct = (logits.argmax(-1) == ids).sum()
        divisor = self.n_judged(tokens)
        spelling = smoothed_cross_entropy(logits, ids, self.conf.lsm_weight) / divisor
        counting = (tokens.counts - n_heard).abs().sum() / divisor
        return Losses(
            (1 - self.conf.ctc_weight) * spelling + self.conf.predictor_weight * counting,
            {
                "spelling": spelling.detach(),
                "counting": counting.detach(),
                "accuracy": n_correct / tokens.n_rows,
            },
            float(divisor),
        )

    def n_judged(self, tokens: Rows) -> int:
        """Of how many things a loss is the mean: of tokens, or of utterances."""
        return tokens.n_rows if self.conf.length_normalized_loss else len(tokens.lengths)

    def glance(
        self, net: Paraformer, embeds: Tensor, tokens: Rows, ids: Tensor, decode: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Some embeddings (U, D) replaced by those of the right tokens, more of them the more a first look gets wrong;
        and how many tokens that look got right. The glancing sampler of the paper, section 3.3."""
        if self.conf.sampling_ratio <= 0:
            return embeds, None
        with torch.no_grad():
            right = decode(embeds).argmax(-1) == ids  # (U,)
            n_wrong = tokens.counts - tokens.padded(right.long()).sum(1)
            n_shown = (n_wrong * self.conf.sampling_ratio).long()
            # Of each utterance the places that drew the lowest numbers are shown.
            drawn = torch.rand(tokens.mask.shape, device=ids.device).masked_fill(~tokens.mask, 2.0)
            shown = tokens.unpadded(drawn.argsort(1).argsort(1) < n_shown.unsqueeze(1))
        # Weights in fewer bits are kept for the second look, and older torch's would lead no gradient back from there.
        torch.clear_autocast_cache()
        return torch.where(shown.unsqueeze(1), net.embed(ids).to(embeds.dtype), embeds), right.sum()

    def decode(self, net: Paraformer, aligned: Aligned, embeds: Tensor) -> Tensor:
        """Embeddings (U, D) to logits (U, V)."""
        return net.output(self.hidden(net, aligned, embeds))

    def hidden(self, net: Paraformer, aligned: Aligned, embeds: Tensor) -> Tensor:
        return decode(
            net.decoder, embeds, aligned.tokens, aligned.encoded, aligned.rows, self.decoder_dropout, net.training
        )

    def transcribe(self, batch: ParaformerBatch) -> list[list[int]]:
        net, device = self.net, batch.features.device
        rows = Rows(batch.lengths, device)
        encoded = net.encoder(batch.features, rows)
        with torch.autocast(device.type, enabled=False):
            encoded = encoded.float()
            alphas = net.predictor(encoded, rows)
            fired = integrate_and_fire(encoded, alphas, rows, tail=net.config.predictor.tail_threshold)
        best = net.decode(fired, encoded, rows, None).argmax(-1)
        return [[one for one in part.tolist() if one not in SILENT] for part in fired.rows.split(best)]

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        write_folder(folder, self.settings, published(tensors, self.net.config), self.cmvn, self.vocabulary.tokens)


def build(
    settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, cmvn: Cmvn, init: Path | None
) -> ParaformerTask:
    """The Builder: random weights, or those of a checkpoint."""
    from asr_cli.train.tasks.paraformer_contextual import ContextualTask  # which stands on this one
    from asr_cli.train.tasks.paraformer_seaco import SeacoTask

    net, initialised = begin_with(settings, path, vocabulary, cmvn, init)
    kinds = {SeacoParaformer: SeacoTask, ContextualParaformer: ContextualTask}
    return kinds.get(type(net), ParaformerTask)(net, settings, path, vocabulary, cmvn, initialised)


def read_conf(values: Mapping[str, Any], path: Path) -> ModelConf:
    conf: ModelConf = read_model_conf(ModelConf, values, path)
    insist_share(conf, "ctc_weight", path)  # the decoder's is what remains
    insist_share(conf, "lsm_weight", path)
    if conf.predictor_bias not in (0, 1):
        raise ModelError(f"{str(path)!r} has predictor_bias {conf.predictor_bias}, where 0 or 1 should be")
    return conf


def smoothed_cross_entropy(logits: Tensor, ids: Tensor, smoothing: float) -> Tensor:
    """The divergence (Kullback-Leibler) of the right tokens, of which a share is spread over all others, summed up.

    Logits (U, V), ids (U,).
    """
    logs = logits.float().log_softmax(-1)
    right = logs.gather(1, ids.unsqueeze(1)).squeeze(1)
    if not smoothing:
        return -right.sum()
    sure, other = 1 - smoothing, smoothing / (logits.shape[1] - 1)
    least = torch.tensor([sure, other], dtype=torch.float64).log()
    floor = float(sure * least[0] + smoothing * least[1])  # what remains of a net that is as unsure as it should be
    return (floor - (sure - other) * right - other * logs.sum(1)).sum()
