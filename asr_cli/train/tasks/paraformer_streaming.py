"""The streaming Paraformer in training: every window of a batch at once, each seeing exactly what it would see live.

M windows of all utterances, W rows of a window, C of them new, S rows that are remembered from windows before; N rows
and U tokens of utterances laid end to end, B utterances, D width, H heads. A row is 60 ms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import section
from asr_cli.models.paraformer_streaming import Chunks, StreamingParaformer, Turn
from asr_cli.nn.cif import integrate
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import SanmDecoderLayer, SanmLayer
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Losses
from asr_cli.train.tasks.paraformer import SILENT, ParaformerBatch, ParaformerTask
from asr_cli.train.tasks.paraformer_weights import begin_with
from asr_cli.train.tasks.sanm import end, remember

SLACK = 1e-4  # so that the last token is complete, whatever the rounding


class Cuts:
    """How utterances of so many rows are cut into windows, as `StreamingParaformer.step` is given them.

    Before the first row there are as many rows of zeros as a window looks ahead; a window's new rows are C from there,
    but for the last window's, which are all that is left.
    """

    def __init__(self, lengths: Sequence[int], chunks: Chunks, device: torch.device) -> None:
        self.chunks, self.lengths, self.device = chunks, tuple(lengths), device
        self.width = chunks.current + chunks.right
        self.n_windows = [length // chunks.current + 1 for length in lengths]

    @cached_property
    def owners(self) -> Tensor:
        """The utterance that each window is of (M,)."""
        return torch.arange(len(self.lengths), device=self.device).repeat_interleave(
            torch.tensor(self.n_windows, device=self.device)
        )

    @cached_property
    def heard(self) -> Rows:
        """The rows that carry tokens: each utterance's, and the zeros before."""
        return Rows([length + self.chunks.right for length in self.lengths], self.device)

    @cached_property
    def first_windows(self) -> Tensor:
        """The first window of each utterance (B,)."""
        counts = torch.tensor(self.n_windows, device=self.device)
        return counts.cumsum(0) - counts

    @cached_property
    def rows(self) -> Tensor:
        """Which row of `heard` is in which place of which window (M, W); -1 where there is none."""
        within = torch.arange(len(self.owners), device=self.device) - self.first_windows[self.owners]
        places = within.unsqueeze(1) * self.chunks.current + torch.arange(self.width, device=self.device)
        begins = self.heard.counts.cumsum(0) - self.heard.counts
        there = places < self.heard.counts[self.owners].unsqueeze(1)
        return torch.where(there, places + begins[self.owners].unsqueeze(1), -1)

    @cached_property
    def present(self) -> Tensor:
        return self.rows >= 0

    def window_of(self, places: Tensor, owners: Tensor) -> Tensor:
        """The window in which a row of an utterance is new, and its tokens are said."""
        last = torch.tensor(self.n_windows, device=self.device)[owners] - 1
        return self.first_windows[owners] + torch.minimum(places // self.chunks.current, last)

    @cached_property
    def homes(self) -> Tensor:
        """Where in all windows' rows (M * W) each row of `heard` is new (N,)."""
        window = self.window_of(self.heard.positions, self.heard.owners)
        within = window - self.first_windows[self.heard.owners]
        return window * self.width + self.heard.positions - within * self.chunks.current

    def before(self, n_windows: int) -> tuple[Tensor, Tensor]:
        """For each window the ones before it (M, n_windows), the oldest first, and whether they are there."""
        windows = torch.arange(len(self.owners), device=self.device)
        earlier = windows.unsqueeze(1) + torch.arange(-n_windows, 0, device=self.device)
        return earlier.clamp(min=0), earlier >= self.first_windows[self.owners].unsqueeze(1)


@dataclass(frozen=True, slots=True)
class Windows:
    """What the encoder made of a batch: windows (M, W, D), zeros where there is nothing."""

    encoded: Tensor
    cuts: Cuts


class StreamingTask(ParaformerTask):
    """The Task of a streaming Paraformer."""

    net: StreamingParaformer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.geometries = read_chunks(section(self.settings, "encoder_conf", self.path), self.path)

    def losses(self, batch: ParaformerBatch, net: nn.Module) -> Losses:
        assert isinstance(net, StreamingParaformer)
        chunks = self.geometries[-1]
        if net.training:
            chunks = self.geometries[int(torch.randint(len(self.geometries), ()))]
        device = batch.features.device
        tokens = Rows(batch.counts, device)
        windows = self.encode(net, batch, chunks)
        heard = windows.cuts.heard
        with torch.autocast(device.type, enabled=False):  # a token that fires or does not is text
            alphas = heard.padded(self.alphas(net, windows))  # (B, T)
            n_heard = alphas.sum(1)
            scaled = alphas * ((tokens.counts + SLACK) / n_heard).unsqueeze(1)
            frames = heard.padded(windows.encoded.flatten(0, 1)[windows.cuts.homes])
            embeds = tokens.unpadded(integrate(frames, scaled, max(batch.counts)))
        said_in = self.said_in(scaled, tokens, windows.cuts)

        def decode(embeds: Tensor) -> Tensor:
            return self.decode_windows(net, embeds, tokens, windows, said_in)

        embeds, n_correct = self.glance(net, embeds, tokens, batch.ids, decode)
        losses = self.judge(decode(embeds), n_heard, n_correct, tokens, batch.ids)
        return self.with_ctc(losses, net, frames, heard, batch)

    def encode(self, net: StreamingParaformer, batch: ParaformerBatch, chunks: Chunks) -> Windows:
        cuts = Cuts(batch.lengths, chunks, batch.features.device)
        given = Rows(batch.lengths, batch.features.device)
        entered = net.encoder.enter(batch.features, given.positions + 1)
        spaced, _ = given.apart(entered, chunks.right, 0)
        x = spaced[cuts.rows.clamp(min=0)] * cuts.present.unsqueeze(2)  # (M, W, D_in)
        before, known = cuts.before(chunks.encoder_look_back)
        # What is remembered of a window are its new rows; of a window before another, C of them.
        looks = torch.cat([known.repeat_interleave(chunks.current, dim=1), cuts.present], dim=1)[:, None, None, :]
        for layer in (net.encoder.first, *net.encoder.layers):
            x = self.through(cast(SanmLayer, layer), x, cuts, before, looks, training=net.training)
        return Windows(net.encoder.norm(x) * cuts.present.unsqueeze(2), cuts)

    def through(
        self, layer: SanmLayer, x: Tensor, cuts: Cuts, before: Tensor, looks: Tensor, *, training: bool
    ) -> Tensor:
        """A block over windows (M, W, D), as `SanmLayer.within`, with dropout where FunASR has it."""
        attention, dropout = layer.attention, self.encoder_dropout
        width = attention.memory.weight.shape[0]
        q, new = attention.qkv(layer.norm1(x)).split([width, 2 * width], dim=-1)
        past = new[:, : cuts.chunks.current][before].flatten(1, 2)  # (M, S, 2 D)
        found = looked(q, torch.cat([past, new], dim=1), attention.n_heads, looks, dropout.attention * training)
        values = new[..., width:].float() * cuts.present.unsqueeze(2)
        heard = attention.out(found) + F.dropout(attention.memory(values)[0], dropout.attention, training)
        heard = F.dropout(heard, dropout.block, training)
        x = x + heard if layer.is_residual else heard.float()
        up = F.dropout(layer.feed_forward.up(layer.norm2(x)).relu(), dropout.block, training)
        return x + F.dropout(layer.feed_forward.down(up), dropout.block, training)

    def alphas(self, net: StreamingParaformer, windows: Windows) -> Tensor:
        """How much of a token each row of `heard` carries (N,), as its own window has it."""
        cuts = windows.cuts
        rows = Rows(cuts.present.sum(1).tolist(), cuts.device)
        grid = windows.encoded.new_zeros(cuts.present.shape)
        grid[cuts.present] = net.predictor(windows.encoded.float()[cuts.present], rows)
        return grid.flatten()[cuts.homes]

    def said_in(self, scaled: Tensor, tokens: Rows, cuts: Cuts) -> tuple[Tensor, Tensor]:
        """The window in which each token is said (U,), and the one before it in which any is, -1 if none."""
        exact = torch.float32 if scaled.device.type == "mps" else torch.float64  # which Apple's GPUs do not have
        ends = scaled.to(exact).cumsum(1)
        places = torch.searchsorted(
            ends, torch.arange(1, ends.shape[1] + 1, device=ends.device, dtype=exact).expand_as(ends).contiguous()
        )
        places = places[tokens.owners, tokens.positions].minimum(cuts.heard.counts[tokens.owners] - 1)
        window = cuts.window_of(places, tokens.owners)
        # The last token that was said in another window: what comes before the first of this one.
        is_first = torch.ones_like(window, dtype=torch.bool)
        is_first[1:] = window[1:] != window[:-1]
        first = torch.where(is_first, torch.arange(len(window), device=window.device), 0).cummax(0).values
        earlier = window[(first - 1).clamp(min=0)]
        is_own = (first > 0) & (tokens.owners[(first - 1).clamp(min=0)] == tokens.owners)
        return window, torch.where(is_own, earlier, -1)

    def decode_windows(
        self, net: StreamingParaformer, x: Tensor, tokens: Rows, windows: Windows, said_in: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Embeddings (U, D) to logits (U, V): each token looks at its window, and at the end of the one before it in
        which anything was said."""
        dropout, training, current = self.decoder_dropout, net.training, windows.cuts.chunks.current
        window, earlier = said_in
        present = windows.cuts.present
        known = (earlier >= 0).unsqueeze(1).expand(-1, current)
        looks = torch.cat([known, present[window]], dim=1)[:, None, None, :]
        for layer in cast("list[SanmDecoderLayer]", list(net.decoder.layers)):
            cross = layer.cross
            x = remember(layer, x, tokens, dropout, training)
            keys = cross.kv(windows.encoded)  # (M, W, 2 D)
            seen = torch.cat([keys[earlier.clamp(min=0), -current:], keys[window]], dim=1)
            q = cross.q(layer.norm3(x)).unsqueeze(1)
            found = looked(q, seen, cross.n_heads, looks, dropout.cross * training).squeeze(1)
            x = x + F.dropout(cross.out(found), dropout.block, training)
        return cast(Tensor, net.output(end(net.decoder, x, dropout, training)))

    @torch.inference_mode()
    def transcribe(self, batch: ParaformerBatch) -> list[list[int]]:
        """By the very steps in which it hears a stream."""
        net, chunks = self.net, self.geometries[-1]
        features = batch.features.split(batch.lengths)
        states = [net.begin(chunks) for _ in features]
        said: list[list[int]] = [[] for _ in features]
        for at in range(0, max(batch.lengths) + 1, chunks.current):
            going = [i for i, one in enumerate(features) if at <= len(one)]
            pieces = [features[i][at : at + chunks.current] for i in going]
            turns = [
                Turn(piece, states[i], len(piece) < chunks.current) for i, piece in zip(going, pieces, strict=True)
            ]
            for i, (one, state) in zip(going, net.step(turns, chunks), strict=True):
                states[i] = state
                said[i] += [token for token in one.logits.argmax(-1).tolist() if token not in SILENT]
        return said


def looked(q: Tensor, seen: Tensor, n_heads: int, looks: Tensor, dropout: float) -> Tensor:
    """Attention of q (M, T, D) on keys and values side by side (M, S, 2 D), where `looks` (M, 1, 1, S) is true."""
    shape = n_heads, q.shape[2] // n_heads
    k, v = seen.chunk(2, dim=-1)
    q, k, v = (x.unflatten(2, shape).transpose(1, 2) for x in (q, k, v))  # each (M, H, T, D/H)
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=looks, dropout_p=dropout)
    return found.transpose(1, 2).flatten(2)


def build(
    settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, cmvn: Cmvn, init: Path | None
) -> StreamingTask:
    """The Builder: random weights, or those of a checkpoint."""
    net, initialised = begin_with(settings, path, vocabulary, cmvn, init)
    return StreamingTask(net, settings, path, vocabulary, cmvn, initialised)


def read_chunks(values: Mapping[str, Any], path: Path) -> list[Chunks]:
    """The divisions to train for: `stride` rows at a time, looking ahead to `chunk_size`; one is drawn for each batch.
    The last is the one that is validated with."""
    sizes, strides = numbers(values, "chunk_size", path), numbers(values, "stride", path)
    lefts = numbers(values, "pad_left", path)
    backs = numbers(values, "encoder_att_look_back_factor", path)
    if not sizes:
        return [Chunks()]
    found = []
    for size, stride, left, back in zip(
        sizes, strides or [10] * len(sizes), lefts or [0] * len(sizes), backs or [4] * len(sizes), strict=False
    ):
        if left or not 0 < stride <= size or size - stride > stride or back < 0:
            raise ModelError(
                f"{str(path)!r} wants chunks of {size} frames, {stride} of them new and {left} before them, that look"
                f" back {back} chunks; trained are those with none before, that look no further ahead than they are"
            )
        found.append(replace(Chunks(), current=stride, right=size - stride, encoder_look_back=back))
    return found


def numbers(values: Mapping[str, Any], name: str, path: Path) -> list[int]:
    found = values.get(name) or []
    return [int(fitted(name, value, int, path)) for value in (found if isinstance(found, list) else [found])]
