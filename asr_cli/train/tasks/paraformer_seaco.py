"""SeACo-Paraformer in training (Shi et al. 2023, arXiv:2308.03266): hotwords are drawn from what is said.

U tokens of utterances laid end to end, B utterances, K hotwords, D width, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from asr_cli.errors import ModelError
from asr_cli.models.folder import section
from asr_cli.models.paraformer import SeacoParaformer
from asr_cli.nn.rows import Rows
from asr_cli.train.task import Losses
from asr_cli.train.tasks.hotwords import Lots, chance_of_torch, insist_width, listed
from asr_cli.train.tasks.model_conf import insist_share, read_model_conf
from asr_cli.train.tasks.paraformer import Aligned, ParaformerBatch, ParaformerTask, smoothed_cross_entropy
from asr_cli.train.tasks.sanm import decode, read_dropout

UNJUDGED = -1


@dataclass(frozen=True, slots=True)
class HotwordConf:
    """`model_conf`, as far as it says how hotwords are learned; FunASR's names and defaults."""

    seaco_lsm_weight: float = 0.0
    seaco_length_normalized_loss: bool = True
    seaco_weight: float = 0.01
    train_decoder: bool = True
    bias_encoder_dropout_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hotwords of a batch, each the ids of its tokens, the last one for none; and for each token of the batch (U,) what
    the second opinion should be: the token itself within a hotword, else NO_BIAS; UNJUDGED where it may be anything."""

    hotwords: list[list[int]]
    labels: list[int]


class SeacoTask(ParaformerTask):
    """The Task of a Paraformer that takes hotwords, as FunASR's `SeacoParaformer.forward`.

    Nothing is detached: the loss of the hotwords reaches encoder, predictor and decoder too; whoever wants the
    recogniser as it was freezes those. With train_decoder the recogniser's own loss counts seaco_weight beside it.
    FunASR takes of that the spelling alone; here the counts (and CTC) are in it as their weights say, since what moves
    under the predictor and the head for times would make them count wrong. With predictor_weight 0, and labels such as
    FunASR's, it is the same.
    """

    net: SeacoParaformer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config, path = self.net.config, self.path
        self.hotword_conf = conf = read_model_conf(HotwordConf, section(self.settings, "model_conf", path), path)
        for name in ("seaco_lsm_weight", "bias_encoder_dropout_rate"):
            insist_share(conf, name, path)
        if not 0 <= config.no_bias < config.n_tokens:
            raise ModelError(
                f"{str(path)!r} has NO_BIAS {config.no_bias}, and its vocabulary {config.n_tokens} tokens; set"
                " model_conf.NO_BIAS to one of them that no text has, such as 0"
            )
        insist_width(self.settings, config.encoder.output_size, path)
        self.lots = Lots.of(self.vocabulary, self.conf.predictor_bias)
        self.net.hotword_encoder.dropout = conf.bias_encoder_dropout_rate
        values = section(self.settings, "seaco_decoder_conf", path)
        self.hotword_dropout = read_dropout(values, "self_attention_dropout_rate", path)

    def losses(self, batch: ParaformerBatch, net: nn.Module) -> Losses:
        texts = [part.tolist() for part in batch.ids.split(batch.counts)]
        hotwords = self.lots.hotwords(texts, chance_of_torch())
        return self.losses_with(batch, net, Drawn(listed(hotwords), self.labels(texts, hotwords)))

    def labels(self, texts: Sequence[Sequence[int]], hotwords: Sequence[tuple[int, ...]]) -> list[int]:
        """What one text gave is a hotword wherever it is said. FunASR judges no end tokens, so that some of its models
        have another word to say there."""
        known, none = set(hotwords), self.net.config.no_bias
        bias = [none] * self.lots.bias
        return [one for text in texts for one in (*wanted(self.lots.said(text), known, none), *bias)]

    def losses_with(self, batch: ParaformerBatch, net: nn.Module, drawn: Drawn) -> Losses:
        net = cast(SeacoParaformer, net)
        aligned = self.align(batch, net)
        loss = self.hotword_loss(net, aligned, drawn)
        parts = {"hotwords": loss.detach()}
        conf = self.hotword_conf
        if not conf.train_decoder:
            return Losses(loss, parts, float(self.n_judged(aligned.tokens)))
        spelled = self.spelled(batch, net, aligned)
        return replace(spelled, total=loss + conf.seaco_weight * spelled.total, parts={**parts, **spelled.parts})

    def hotword_loss(self, net: SeacoParaformer, aligned: Aligned, drawn: Drawn) -> Tensor:
        labels = torch.tensor(drawn.labels, device=aligned.encoded.device)
        judged = labels != UNJUDGED
        logits = net.hotword_output(self.opinions(net, aligned, drawn.hotwords)[judged])
        n_judged = int(judged.sum()) if self.hotword_conf.seaco_length_normalized_loss else len(aligned.tokens.lengths)
        return smoothed_cross_entropy(logits, labels[judged], self.hotword_conf.seaco_lsm_weight) / n_judged

    def opinions(self, net: SeacoParaformer, aligned: Aligned, hotwords: list[list[int]]) -> Tensor:
        """What is heard of each token, and what the decoder makes of it, both with an eye on the hotwords: (U, D)."""
        tokens, training, device = aligned.tokens, net.training, aligned.encoded.device
        hidden = self.hidden(net, aligned, aligned.embeds)
        with torch.autocast(device.type, enabled=False):
            known = net.embed_hotwords(hotwords)  # (K, D)
        memory, memory_rows = known.repeat(len(tokens.lengths), 1), Rows([len(known)] * len(tokens.lengths), device)
        heard, read = (
            decode(net.hotword_decoder, x, tokens, memory, memory_rows, self.hotword_dropout, training)
            for x in (aligned.embeds, hidden)
        )
        return heard + read


def wanted(text: tuple[int, ...], hotwords: set[tuple[int, ...]], no_bias: int) -> list[int]:
    """The tokens that are part of a hotword; NO_BIAS stands for the others.

    >>> wanted((5, 6, 7, 5, 6), {(5, 6)}, 0)
    [5, 6, 0, 5, 6]
    """
    found = [no_bias] * len(text)
    for length in {len(one) for one in hotwords}:
        for begin in range(len(text) - length + 1):
            if text[begin : begin + length] in hotwords:
                found[begin : begin + length] = text[begin : begin + length]
    return found
