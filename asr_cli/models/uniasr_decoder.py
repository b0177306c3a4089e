"""UniASR's decoder: one token at a time, each looking at the one chunk in which it was heard.

B utterances, K hypotheses of each, D width, M of the memory, C chunks, c frames of the longest, H heads, L layers, V
vocabulary.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.checkpoint import WeightMap
from asr_cli.models.sanm_weights import DECODER_LAYER, FEED_FORWARD, decoder_weights, under
from asr_cli.nn.chunk import ChunkRows
from asr_cli.nn.embedding import embedding
from asr_cli.nn.fsmn import FsmnMemory
from asr_cli.nn.sanm import CrossAttention, Norm, NormedFeedForward, SanmDecoderEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """`decoder_conf` of the checkpoint, under its names. num_blocks counts those without attention too."""

    attention_dim: int
    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    att_layer_num: int = 6
    kernel_size: int = 21


@dataclass(frozen=True, slots=True)
class Memory:
    """What the layers look at: keys and values of every chunk (C, H, c, D/H), and mask (C, 1, 1, c), where there is
    something."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor


class RememberingLayer(nn.Module):
    """Feed-forward and a causal memory of the tokens before."""

    def __init__(self, width: int, units: int, kernel: int) -> None:
        super().__init__()
        self.norm1 = Norm(width)
        self.feed_forward = NormedFeedForward(width, units)
        self.norm2 = Norm(width)
        self.memory = FsmnMemory(width, kernel - 1)

    def remember(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """(B * K, D) to the same, and the past (B * K, left, D) to one that is a token longer and shorter."""
        y = self.norm2(self.feed_forward(self.norm1(x)))
        window = torch.cat([past, y.unsqueeze(1)], dim=1)
        memory = (window * self.memory.weight.squeeze(1).t()).sum(1)
        return x + y + memory, window[:, 1:]


class AttendingLayer(RememberingLayer):
    """The same, and attention on a chunk."""

    def __init__(self, width: int, memory_width: int, n_heads: int, units: int, kernel: int) -> None:
        super().__init__(width, units, kernel)
        self.norm3 = Norm(width)
        self.cross = CrossAttention(width, memory_width, n_heads)

    def look(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """(B * K, D), each utterance's on a chunk of its own: keys and values (B, H, c, D/H)."""
        q = self.cross.q(self.norm3(x)).unflatten(0, (len(keys), -1)).unflatten(2, (self.cross.n_heads, -1))
        seen = F.scaled_dot_product_attention(q.transpose(1, 2), keys, values, attn_mask=mask)  # (B, H, K, D/H)
        return x + self.cross.out(seen.transpose(1, 2).flatten(2).flatten(0, 1))


class Mix(nn.Module):
    """The token before, and what integrate-and-fire gave for this one."""

    def __init__(self, width: int, memory_width: int, units: int) -> None:
        super().__init__()
        self.norm = Norm(width + memory_width)
        self.feed_forward = NormedFeedForward(width + memory_width, units)
        self.feed_forward.down = nn.Linear(units, width, bias=False)

    def forward(self, token: Tensor, heard: Tensor) -> Tensor:
        return self.feed_forward(self.norm(torch.cat([token, heard], dim=1))).float()


class ScamaDecoder(nn.Module):
    """SCAMA's decoder (Zhang et al. 2020, arXiv:2006.01712), as FunASR's FsmnDecoderSCAMAOpt."""

    def __init__(self, config: DecoderConfig, n_tokens: int, memory_width: int) -> None:
        super().__init__()
        width, units, kernel = config.attention_dim, config.linear_units, config.kernel_size
        self.left = kernel - 1
        self.embed = embedding(n_tokens, width)
        self.mix = Mix(width, memory_width, units)
        self.layers = nn.ModuleList(
            AttendingLayer(width, memory_width, config.attention_heads, units, kernel)
            for _ in range(config.att_layer_num)
        )
        n_more = config.num_blocks - config.att_layer_num
        self.more = nn.ModuleList(RememberingLayer(width, units, kernel) for _ in range(n_more))
        self.end = SanmDecoderEnd(width, units)
        self.norm = Norm(width)
        self.output = nn.Linear(width, n_tokens)

    def past(self) -> Tensor:
        """What a hypothesis remembers before its first token: (L, 1, left, D)."""
        n_layers = len(self.layers) + len(self.more)
        return self.norm.weight.new_zeros(n_layers, 1, self.left, len(self.norm.weight))

    def memorize(self, encoded: Tensor, rows: ChunkRows) -> Memory:
        """The chunks' rows (N, M) to what the layers look at."""
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for layer in cast("list[AttendingLayer]", list(self.layers)):
            k, v = layer.cross.kv(encoded).chunk(2, dim=-1)  # each (N, D)
            for found, x in ((keys, k), (values, v)):
                found.append(rows.padded(x).unflatten(2, (layer.cross.n_heads, -1)).transpose(1, 2))
        return Memory(tuple(keys), tuple(values), rows.mask[:, None, None, :])

    def forward(
        self, tokens: Tensor, heard: Tensor, past: Tensor, memory: Memory, chunks: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One token on. tokens: the last one of each hypothesis (B, K). heard: what fired for the next one (B, M).
        past: (L, B * K, left, D). chunks: which one each utterance looks at (B,).

        Gives the logarithms of the probabilities (B * K, V), and the past.
        """
        x = self.mix(self.embed(tokens.flatten()), heard.repeat_interleave(tokens.shape[1], dim=0))
        mask = memory.mask[chunks]
        remembered = []
        for index, layer in enumerate(cast("list[AttendingLayer]", list(self.layers))):
            x, window = layer.remember(x, past[index])
            x = layer.look(x, memory.keys[index][chunks], memory.values[index][chunks], mask)
            remembered.append(window)
        for index, more in enumerate(cast("list[RememberingLayer]", list(self.more)), len(self.layers)):
            x, window = more.remember(x, past[index])
            remembered.append(window)
        logits = self.output(self.norm(self.end(x)))
        return logits.float().log_softmax(-1), torch.stack(remembered)


def scama_weights(theirs: str, ours: str) -> WeightMap:
    """For a ScamaDecoder; `theirs` and `ours` are the prefixes."""
    return (
        *decoder_weights(theirs, ours),
        *under(f"{theirs}.decoders2.{{}}", f"{ours}.more.{{}}", DECODER_LAYER),
        *under(f"{theirs}.embed_concat_ffn.0", f"{ours}.mix", (*FEED_FORWARD, ("norm1", "norm"))),
        (f"{theirs}.embed.0", f"{ours}.embed"),
        (f"{theirs}.output_layer", f"{ours}.output"),
    )
