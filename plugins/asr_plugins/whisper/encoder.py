"""Whisper's encoder (Radford et al. 2022, arXiv:2212.04356): a window of log-mel to what the decoder hears."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder, WhisperEncoderLayer

from asr_plugins.whisper.attention import Attend
from asr_plugins.whisper.layers import FeedForward, SelfAttention, normed


class EncoderLayer(nn.Module):
    def __init__(self, theirs: WhisperEncoderLayer, activation: str) -> None:
        super().__init__()
        self.before_attention, self.attention = theirs.self_attn_layer_norm, SelfAttention(theirs.self_attn)
        self.before_feed, self.feed = theirs.final_layer_norm, FeedForward(theirs, activation)

    def forward(self, x: Tensor, attend: Attend, dtype: torch.dtype) -> Tensor:
        q, k, v = self.attention.heads(normed(self.before_attention, x))
        x = x + self.attention.join(attend(q.to(dtype), k.to(dtype), v.to(dtype)))
        return x + self.feed(normed(self.before_feed, x))


class Encoder(nn.Module):
    """transformers' encoder, whose weights it takes. dtype: what attention is computed in."""

    def __init__(self, theirs: WhisperEncoder, attend: Attend, dtype: torch.dtype) -> None:
        super().__init__()
        self.attend, self.dtype = attend, dtype
        self.first, self.second = theirs.conv1, theirs.conv2
        self.places: Tensor
        self.register_buffer("places", theirs.embed_positions.weight.detach().float())
        layers = cast(Iterable[WhisperEncoderLayer], theirs.layers)
        self.layers = nn.ModuleList(EncoderLayer(layer, theirs.config.activation_function) for layer in layers)
        self.after = theirs.layer_norm

    def forward(self, mel: Tensor) -> Tensor:
        """mel (N, n_mels, 2 S), log10 as Whisper scales it -> (N, S, D)."""
        x = F.gelu(self.first(mel.to(self.first.weight.dtype)))
        x = F.gelu(self.second(x)).transpose(1, 2) + self.places
        for layer in self.layers:
            x = layer(x, self.attend, self.dtype)
        return normed(self.after, x)
