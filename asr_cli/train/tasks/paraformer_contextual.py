"""Contextual Paraformer in training: its decoder's last layer learns to look at hotwords (CLAS, Pundak et al. 2018,
arXiv:1808.02480), which are drawn from what is said.

U tokens of utterances laid end to end, K hotwords, D width.
"""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.models.paraformer import Paraformer
from asr_cli.models.paraformer_contextual import ContextualDecoder, ContextualParaformer
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import SanmDecoderLayer
from asr_cli.train.task import Losses
from asr_cli.train.tasks.hotwords import Lots, chance_of_torch, insist_width, listed
from asr_cli.train.tasks.paraformer import Aligned, ParaformerBatch, ParaformerTask
from asr_cli.train.tasks.sanm import end, look, remember


class ContextualTask(ParaformerTask):
    """The Task of a Contextual Paraformer, as FunASR's `ContextualParaformer.forward`: what is said is all that is
    judged, and to spell it the decoder may look at hotwords of the whole batch."""

    net: ContextualParaformer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        insist_width(self.settings, self.net.config.encoder.output_size, self.path)
        self.lots = Lots.of(self.vocabulary, self.conf.predictor_bias)

    def losses(self, batch: ParaformerBatch, net: nn.Module) -> Losses:
        texts = [part.tolist() for part in batch.ids.split(batch.counts)]
        return self.losses_with(batch, net, listed(self.lots.hotwords(texts, chance_of_torch())))

    def losses_with(self, batch: ParaformerBatch, net: nn.Module, hotwords: list[list[int]]) -> Losses:
        net = cast(ContextualParaformer, net)
        aligned = self.align(batch, net)
        with torch.autocast(aligned.encoded.device.type, enabled=False):
            known = net.embed_hotwords(hotwords)
        return self.spelled(batch, net, replace(aligned, hotwords=known))

    def hidden(self, net: Paraformer, aligned: Aligned, embeds: Tensor) -> Tensor:
        decoder = cast(ContextualDecoder, net.decoder)
        tokens, dropout, training = aligned.tokens, self.decoder_dropout, net.training
        memory = aligned.encoded, aligned.rows
        x = embeds
        for layer in cast("list[SanmDecoderLayer]", list(decoder.layers)):
            x = remember(layer, x, tokens, dropout, training)
            looked = look(layer.cross, layer.norm3(x), tokens, *memory, dropout, training)
            x = x + F.dropout(looked, dropout.block, training)
        x = remember(decoder.last, x, tokens, dropout, training)
        spoken = look(decoder.last.cross, decoder.last.norm3(x), tokens, *memory, dropout, training)
        context = F.dropout(self.context(decoder, x, aligned, training), dropout.block, training)
        merged = decoder.merge(torch.cat([spoken, context], dim=1))
        return end(decoder, x + F.dropout(merged, dropout.block, training), dropout, training)

    def context(self, decoder: ContextualDecoder, x: Tensor, aligned: Aligned, training: bool) -> Tensor:
        """What tokens (U, D) find in the list of hotwords: (U, D)."""
        known, x = cast(Tensor, aligned.hotwords), decoder.hotwords.norm3(x)
        tokens, rows = Rows([len(x)], x.device), Rows([len(known)], x.device)  # all look at the same list
        return look(decoder.hotwords.cross, x, tokens, known, rows, self.decoder_dropout, training)
