"""SAN-M encoders and decoders in training: as the modules themselves, with dropout where FunASR has it.

N rows and U tokens of sequences laid end to end (see asr_cli.nn.rows), B sequences, T and S their longest, D width, H
heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor
from torch.nn import functional as F

from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError
from asr_cli.models.paraformer import ParaformerDecoder
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import CrossAttention, SanmAttention, SanmDecoderLayer, SanmEncoder, SanmLayer


@dataclass(frozen=True, slots=True)
class Dropout:
    """What share is dropped: of what a block adds, of attention's weights and memory."""

    block: float
    attention: float
    cross: float = 0.0


def read_dropout(values: Mapping[str, Any], attention: str, path: Path) -> Dropout:
    """FunASR's defaults: a tenth of what blocks add, nothing inside attention."""
    names = ("dropout_rate", 0.1), (attention, 0.0), ("src_attention_dropout_rate", 0.0)
    found = [fitted(name, values.get(name, usual), float, path) for name, usual in names]
    for (name, _), rate in zip(names, found, strict=True):
        if not 0 <= rate < 1:
            raise ModelError(f"{str(path)!r} wants {name} {rate!r}, where a number from 0 to below 1 should be")
    return Dropout(*found)


def encode(
    encoder: SanmEncoder, x: Tensor, rows: Rows, dropout: Dropout, training: bool, masks: Sequence[Tensor | None] = ()
) -> Tensor:
    """As the encoder itself, with dropout where FunASR has it. masks: of each layer, who sees whom (B, T, T)."""
    return encode_on(encoder, encoder.enter(x, rows.positions + 1), rows, dropout, training, masks)


def encode_on(
    encoder: SanmEncoder, x: Tensor, rows: Rows, dropout: Dropout, training: bool, masks: Sequence[Tensor | None] = ()
) -> Tensor:
    """The same from behind the encoder's entrance."""
    layers = cast("list[SanmLayer]", [encoder.first, *encoder.layers])
    for layer, mask in zip(layers, masks or [None] * len(layers), strict=True):
        heard = attend_itself(layer.attention, layer.norm1(x), rows, dropout.attention if training else 0.0, mask)
        heard = F.dropout(heard, dropout.block, training)
        x = x + heard if layer.is_residual else heard.float()
        up = F.dropout(layer.feed_forward.up(layer.norm2(x)).relu(), dropout.block, training)
        x = x + F.dropout(layer.feed_forward.down(up), dropout.block, training)
    return encoder.norm(x)


def decode(
    decoder: ParaformerDecoder,
    x: Tensor,
    rows: Rows,
    memory: Tensor,
    memory_rows: Rows,
    dropout: Dropout,
    training: bool,
) -> Tensor:
    """As the decoder itself, with dropout where FunASR has it."""
    for layer in cast("list[SanmDecoderLayer]", list(decoder.layers)):
        x = remember(layer, x, rows, dropout, training)
        looked = look(layer.cross, layer.norm3(x), rows, memory, memory_rows, dropout, training)
        x = x + F.dropout(looked, dropout.block, training)
    return end(decoder, x, dropout, training)


def remember(layer: SanmDecoderLayer, x: Tensor, rows: Rows, dropout: Dropout, training: bool) -> Tensor:
    """A decoder's layer before it looks at what was heard."""
    ahead = layer.feed_forward
    said = ahead.down(ahead.norm(F.dropout(ahead.up(layer.norm1(x)).relu(), dropout.block, training)))
    remembered = F.dropout(layer.memory.over(layer.norm2(said), rows), dropout.attention, training)
    return x + F.dropout(remembered, dropout.block, training)


def look(
    cross: CrossAttention, x: Tensor, rows: Rows, memory: Tensor, memory_rows: Rows, dropout: Dropout, training: bool
) -> Tensor:
    k, v = cross.kv(memory).chunk(2, dim=-1)
    share = dropout.cross if training else 0.0
    return cross.out(attend(cross.q(x), k, v, rows, memory_rows, cross.n_heads, share))


def end(decoder: ParaformerDecoder, x: Tensor, dropout: Dropout, training: bool) -> Tensor:
    """What comes behind a decoder's layers."""
    ahead = decoder.end.feed_forward
    said = ahead.norm(F.dropout(ahead.up(decoder.end.norm(x)).relu(), dropout.block, training))
    return decoder.norm(ahead.down(said).float())


def attend_itself(
    attention: SanmAttention, x: Tensor, rows: Rows, dropout: float, seen: Tensor | None = None
) -> Tensor:
    q, k, v = attention.qkv(x).chunk(3, dim=-1)
    heard = attention.out(attend(q, k, v, rows, rows, attention.n_heads, dropout, seen))
    return heard + F.dropout(attention.memory.over(v.float(), rows), dropout)


def attend(
    q: Tensor, k: Tensor, v: Tensor, queries: Rows, keys: Rows, n_heads: int, dropout: float, seen: Tensor | None = None
) -> Tensor:
    """Each sequence's queries on its own keys, all sequences at once: batches are of like lengths.

    q of shape (N, D), k and v (M, D); gives (N, D). seen: which query sees which key (B, T, S); None is all.
    """
    mask = keys.mask[:, None, None, :]
    if seen is not None:
        mask = mask & seen.unsqueeze(1)
    shape = n_heads, q.shape[1] // n_heads
    sides = queries.padded(q), keys.padded(k), keys.padded(v)
    q, k, v = (x.unflatten(2, shape).transpose(1, 2) for x in sides)  # each (B, H, T, D/H)
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    return queries.unpadded(found.transpose(1, 2).flatten(2))
