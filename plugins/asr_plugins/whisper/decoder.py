"""Whisper's decoder with its memory: many windows at once, each at a place of its own.

A slot is room for one window; each slot has R rows, one for each hypothesis about it. N slots, M = N * R rows, U tokens
at a time, T tokens at most, S positions of a window, A heads that are looked at, D width, H heads, C = D / H, V tokens.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperDecoder, WhisperDecoderLayer

from asr_plugins.whisper.layers import CrossAttention, FeedForward, SelfAttention, joined, normed

STEP = 16  # tokens by which what is looked back at grows: few shapes, few kernels


class Out(NamedTuple):
    """logits (M, U, V) float32. heard (M, A, U, S): where the heads that are looked at listened; None without any.

    Both behind those tokens only that were asked about.
    """

    logits: Tensor
    heard: Tensor | None


class DecoderLayer(nn.Module):
    def __init__(self, theirs: WhisperDecoderLayer, activation: str) -> None:
        super().__init__()
        self.before_attention, self.attention = theirs.self_attn_layer_norm, SelfAttention(theirs.self_attn)
        self.before_hearing, self.hearing = theirs.encoder_attn_layer_norm, CrossAttention(theirs.encoder_attn)
        self.before_feed, self.feed = theirs.final_layer_norm, FeedForward(theirs, activation)


class Decoder(nn.Module):
    """transformers' decoder, whose weights it takes.

    dtype: of its memory. alignment_heads: (layer, head) of those whose attention is told.
    """

    def __init__(
        self, theirs: WhisperDecoder, output: nn.Linear, alignment_heads: Sequence[tuple[int, int]], dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.n_heads = theirs.config.decoder_attention_heads
        self.width, self.n_places = theirs.config.d_model, theirs.config.max_source_positions
        self.max_tokens = theirs.config.max_target_positions
        self.scale = theirs.embed_scale
        self.tokens: Tensor
        self.places: Tensor
        self.register_buffer("tokens", theirs.embed_tokens.weight.detach())
        self.register_buffer("places", theirs.embed_positions.weight.detach().float())
        layers = cast(Iterable[WhisperDecoderLayer], theirs.layers)
        self.layers = nn.ModuleList(DecoderLayer(layer, theirs.config.activation_function) for layer in layers)
        self.after = theirs.layer_norm
        self.output: nn.Module = output
        self.heads = [[head for at, head in alignment_heads if at == index] for index in range(len(self.layers))]

    @property
    def stack(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.layers))

    def slot_bytes(self, n_rows: int) -> int:
        """What a slot with so many rows takes."""
        n_values = len(self.layers) * 2 * self.width * (self.n_places + n_rows * self.max_tokens)
        return n_values * torch.finfo(self.dtype).bits // 8

    def room(self, n_rows: int) -> Out:
        """For what so many rows say behind one token."""
        device, n_heads = self.tokens.device, sum(map(len, self.heads))
        logits = torch.zeros(n_rows, 1, len(self.tokens), device=device)
        return Out(logits, torch.zeros(n_rows, n_heads, 1, self.n_places, device=device) if n_heads else None)

    def forward(
        self,
        memory: "Memory",
        slots: slice,
        tokens: Tensor,
        begins: Tensor,
        seen: int,
        at: Sequence[int] | None = None,
    ) -> Out:
        """Read tokens (M, U) into the rows of these slots, each from its own place (M,) on.

        seen: how far to look back, at least at the last of these places; a number, for which no GPU has to be waited.
        at: behind which of the tokens to say what comes next; None for all of them, empty to read only.
        """
        m, u = tokens.shape
        rows = slice(slots.start * memory.n_rows, slots.stop * memory.n_rows)
        places = begins.unsqueeze(1) + torch.arange(u, device=tokens.device)  # (M, U)
        unseen = torch.arange(seen, device=tokens.device) > places.unsqueeze(2)  # (M, U, seen)
        mask = torch.zeros(unseen.shape, device=tokens.device, dtype=self.dtype).masked_fill_(unseen, float("-inf"))
        x = F.embedding(tokens, self.tokens).float() * self.scale + F.embedding(places, self.places)
        heard = []
        for index, layer in enumerate(self.stack):
            q, k, v = layer.attention.heads(normed(layer.before_attention, x))
            keys, values = memory.write(index, rows, places, k, v, seen)
            x = x + layer.attention.join(look_back(q.to(self.dtype), keys, values, mask))
            q = layer.hearing.queries(normed(layer.before_hearing, x)).to(self.dtype)
            keys, values = memory.heard(index, slots)
            found, shares = listen(q, keys, values, self.heads[index], at)
            heard += shares
            x = x + joined(found, layer.hearing.out)
            x = x + layer.feed(normed(layer.before_feed, x))
        told = torch.stack(heard, 1) if heard else None
        if at is not None and not at:
            return Out(x.new_zeros(m, 0, len(self.tokens)), told)
        x = normed(self.after, x if at is None else picked(x, at))
        logits: Tensor = self.output(x.flatten(0, 1)).float().view(m, x.shape[1], -1)
        return Out(logits, told)


class Memory:
    """What a decoder keeps of each slot: the window that it hears, and the tokens that its rows have read.

    Room for so many slots of so many rows each, for so many tokens.
    """

    def __init__(self, decoder: Decoder, n_slots: int, n_rows: int, n_tokens: int) -> None:
        self.decoder, self.n_slots, self.n_rows = decoder, n_slots, n_rows
        self.n_tokens = -(-n_tokens // STEP) * STEP
        device, dtype = decoder.tokens.device, decoder.dtype
        n_layers, n_heads, width = len(decoder.layers), decoder.n_heads, decoder.width // decoder.n_heads
        read = (n_layers, 2, n_slots * n_rows, n_heads, self.n_tokens, width)
        self.read = torch.zeros(read, device=device, dtype=dtype)  # finite where nothing was written
        window = (n_layers, 2, n_slots, n_heads, decoder.n_places, width)
        self.window = torch.zeros(window, device=device, dtype=dtype)  # as finite, where nobody was
        self.n_read = 0  # how far tokens were written, of all rows

    def has_room(self, n_slots: int, n_rows: int, n_tokens: int) -> bool:
        return self.n_slots >= n_slots and self.n_rows == n_rows and self.n_tokens >= n_tokens

    def admit(self, slots: slice, states: Tensor) -> None:
        """Have these slots hear what the encoder made of as many windows (N, S, D)."""
        for index, layer in enumerate(self.decoder.stack):
            keys, values = layer.hearing.keys_values(states)
            self.window[index, 0, slots], self.window[index, 1, slots] = keys, values

    def move(self, source: int, target: int) -> None:
        """Take what one slot has into another."""
        self.window[:, :, target] = self.window[:, :, source]
        n, read = self.n_rows, self.read[:, :, :, :, : self.n_read]
        read[:, :, target * n : target * n + n] = read[:, :, source * n : source * n + n]

    def reorder(self, slots: slice, sources: Tensor) -> None:
        """Let each row of these slots go on from another's past; sources (M,): which, counted from the first slot's."""
        rows = self.read[:, :, slots.start * self.n_rows : slots.stop * self.n_rows, :, : self.n_read]
        for part in rows.flatten(0, 1):  # one at a time: they stay in the cache, and little is needed beside them
            part.copy_(part.index_select(0, sources))

    def seen(self, n_tokens: int) -> int:
        """How far to look back where so many tokens are read."""
        found = min(-(-n_tokens // STEP) * STEP, self.n_tokens)
        self.n_read = max(self.n_read, found)
        return found

    def write(self, layer: int, rows: slice, places: Tensor, k: Tensor, v: Tensor, seen: int) -> tuple[Tensor, Tensor]:
        """Remember keys and values (M, H, U, C) at places (M, U); give all of these rows, (M, H, seen, C)."""
        keys, values = self.read[layer, 0, rows], self.read[layer, 1, rows]
        which = torch.arange(len(places), device=places.device).unsqueeze(1)  # (M, 1)
        keys[which, :, places] = k.transpose(1, 2).to(keys.dtype)
        values[which, :, places] = v.transpose(1, 2).to(values.dtype)
        return keys[:, :, :seen], values[:, :, :seen]

    def heard(self, layer: int, slots: slice) -> tuple[Tensor, Tensor]:
        """Keys and values (N, H, S, C) of the windows."""
        return self.window[layer, 0, slots], self.window[layer, 1, slots]


def picked(x: Tensor, at: Sequence[int]) -> Tensor:
    """Some of (M, U, ...) by their place in U, without a list of them that a GPU would have to be told."""
    return torch.stack([x[:, one] for one in at], 1) if at else x[:, :0]


def look_back(q: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Queries (M, H, U, C) at what was read (M, H, T, C); mask (M, U, T)."""
    scores = (q @ keys.transpose(2, 3)).float() + mask.unsqueeze(1)
    return torch.softmax(scores, -1).to(q.dtype) @ values


def listen(
    q: Tensor, keys: Tensor, values: Tensor, heads: Sequence[int], at: Sequence[int] | None
) -> tuple[Tensor, list[Tensor]]:
    """Queries (M, H, U, C) at windows (N, H, S, C); also where each of `heads` listened, (M, U, S), or with `at` at
    those U only.

    All rows of a slot ask together: its window is read once for them, which is what takes the time.
    """
    m, h, u, c = q.shape
    n, s = len(keys), keys.shape[2]
    asked = q.view(n, m // n, h, u, c).transpose(1, 2).reshape(n * h, m // n * u, c)
    scores = torch.bmm(asked, keys.reshape(n * h, s, c).transpose(1, 2))
    shares = torch.softmax(scores, -1, dtype=torch.float32)
    found = torch.bmm(shares.to(q.dtype), values.reshape(n * h, s, c))
    apart = shares.view(n, h, m // n, u, s)
    told = [apart[:, head].flatten(0, 1) for head in heads]
    if at is not None:
        # A long prompt's shares are large, and a view of them would keep them all.
        told = [picked(one, at) for one in told]
    return found.view(n, h, m // n, u, c).transpose(1, 2).reshape(m, h, u, c), told
