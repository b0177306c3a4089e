"""Networks as graphs that a tracer can follow: one sequence of any length, and only operations that ONNX has.

T frames, U tokens, D width.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.models.fsmn_vad import FsmnVadNet
from asr_cli.models.paraformer import Paraformer
from asr_cli.nn.rows import Rows


class OneSequence(Rows):
    """Rows that are all of one sequence, in operations that ONNX has, for any length of it."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.lengths = (like.shape[0],)
        self.n_rows = like.shape[0]
        self.device = like.device

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,)

    @property
    def positions(self) -> Tensor:
        return torch.arange(self.like.shape[0])

    def apart(self, x: Tensor, left: int, right: int) -> tuple[Tensor, Tensor]:
        return F.pad(x, (0, 0, left, right)), self.positions + left


class ParaformerGraph(nn.Module):
    """One utterance; what fires is found with products alone."""

    def __init__(self, net: Paraformer) -> None:
        super().__init__()
        self.net = net

    def forward(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        features = speech[0, : speech_lengths[0].long()]
        rows = OneSequence(features)
        encoded = self.net.encoder(features, rows)
        embeds = self.fire(encoded, self.net.predictor(encoded, rows))
        tokens = OneSequence(embeds)
        logits = self.net.output(self.net.decoder(embeds, tokens, encoded, rows))
        count = torch.ones_like(embeds[:, 0], dtype=torch.int32).sum().to(torch.int32)
        return F.log_softmax(logits, dim=-1).unsqueeze(0), count.unsqueeze(0)

    def fire(self, x: Tensor, alphas: Tensor) -> Tensor:
        """`integrate_and_fire` of one sequence: (T, D) and (T,) to (U, D)."""
        sums = alphas.double().cumsum(0).float()
        after = sums.floor()
        before = torch.cat([torch.zeros(1), after[:-1]])
        rest = torch.where(after > before, sums - after, torch.zeros(1))
        total = (sums[-1] + self.net.config.predictor.tail_threshold).floor().long()
        tokens = torch.arange(cast(int, total)).unsqueeze(1)  # a tensor, so that the trace follows it
        weights = (before == tokens) * (alphas - rest) + (after == tokens) * rest  # (U, T)
        return torch.mm(weights, x)


class VadGraph(nn.Module):
    """The network with its caches as FunASR lays them out: (1, D, left, 1)."""

    def __init__(self, net: FsmnVadNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, speech: Tensor, *caches: Tensor) -> tuple[Tensor, ...]:
        state = tuple(cache.squeeze(-1).transpose(1, 2) for cache in caches)
        logits, state = self.net(speech, state)
        return logits.softmax(-1), *(one.transpose(1, 2).unsqueeze(-1) for one in state)
