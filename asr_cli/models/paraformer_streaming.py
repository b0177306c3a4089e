"""The streaming Paraformer, the network of FunASR's `ParaformerStreaming` checkpoints.

B streams, W rows of a window (what it looks back on, the chunk, what it looks ahead to), S rows before it whose keys
and values are remembered, U tokens of all streams end to end, D width, L layers. A row is 60 ms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from asr_cli.models.paraformer import Paraformer
from asr_cli.nn.cif import Begun, Fired, integrate_and_fire
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import SanmDecoderLayer, Windows

ALL = -1  # a look back without end


@dataclass(frozen=True, slots=True)
class Chunks:
    """How streams are divided: the rows of a window, and how many chunks before it are remembered."""

    left: int = 0
    current: int = 10
    right: int = 5
    encoder_look_back: int = 4
    decoder_look_back: int = 1

    @property
    def beside(self) -> int:
        """Rows of a window that are not new."""
        return self.left + self.right

    def remembered(self, look_back: int) -> int:
        return look_back if look_back == ALL else look_back * self.current


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a stream: nothing that grows with it, unless a look back has no end.

    inputs: the last rows that came in, at least one. n_rows: how many came in so far. begun: the token that is not
    complete. encoder, decoder: keys and values (L, S, 2 D). memory: the decoder's (L, left, D).
    """

    inputs: Tensor
    n_rows: int
    begun: Begun
    encoder: Tensor | None = None
    decoder: Tensor | None = None
    memory: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What has come of a stream: a chunk of normalised features (T, D_in); at its end also fewer, or none."""

    features: Tensor
    state: State
    final: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """The window of a turn: its rows (W, D_in), from where to where they may carry tokens, and which row of the stream
    the first of these is."""

    rows: Tensor
    begin: int
    end: int
    place: int


@dataclass(frozen=True, slots=True)
class Said:
    """What was said in a turn: logits (U, V) of the tokens, and the row of the stream at which each of them fired."""

    logits: Tensor
    places: tuple[int, ...]


class StreamingParaformer(Paraformer):
    """Paraformer in chunks (Gao et al. 2022, arXiv:2206.08317, on the encoder of SCAMA, Zhang et al. 2020,
    arXiv:2006.01712). Its decoder looks at no later token."""

    def begin(self, chunks: Chunks) -> State:
        """The state of a stream that has not begun: before it there is nothing but zeros."""
        weight = self.encoder.norm.weight  # on the device, and never in fewer bits
        exact = torch.float32 if weight.device.type == "mps" else torch.float64
        inputs = weight.new_zeros(max(chunks.beside, 1), self.config.n_features)
        return State(inputs, 0, Begun(weight.new_zeros(1, dtype=exact), weight.new_zeros(1, len(weight))))

    def step(self, turns: Sequence[Turn], chunks: Chunks) -> list[tuple[Said, State]]:
        """One window of each stream, all at once; no stream notices the others."""
        entered = [self.enter(turn) for turn in turns]
        views = [view(turn, new, chunks) for turn, new in zip(turns, entered, strict=True)]
        encoded, keys = self.encode(views, [turn.state.encoder for turn in turns], chunks)
        fired = self.fire(encoded, views, turns)
        states = [
            replace(turn.state, inputs=last(turn.state.inputs, new), n_rows=turn.state.n_rows + len(new), begun=begun,
                    encoder=key)
            for turn, new, begun, key in zip(turns, entered, apart(fired.begun), keys, strict=True)
        ]  # fmt: skip
        logits, states = self.decode_on(fired, encoded, states, chunks)
        said = map(Said, logits, places(fired, views, turns))
        return list(zip(said, states, strict=True))

    def enter(self, turn: Turn) -> Tensor:
        """The features as the encoder takes them, their positions counted from the beginning of the stream."""
        first = turn.state.n_rows + 1
        positions = torch.arange(first, first + len(turn.features), device=turn.features.device)
        return self.encoder.enter(turn.features, positions)

    def encode(
        self, views: Sequence[View], pasts: Sequence[Tensor | None], chunks: Chunks
    ) -> tuple[list[Tensor], list[Tensor | None]]:
        """The rows (W, D) of each window, encoded, and the keys and values to remember."""
        rows, frame = framed([view.rows for view in views], pasts)
        encoded, seen = self.encoder.within(rows, frame.windows, frame.before(self.config.encoder.num_blocks))
        keys = frame.latest(seen, chunks.right, chunks.remembered(chunks.encoder_look_back))
        grid = frame.windows.grid(encoded)
        return [part[: len(view.rows)] for part, view in zip(grid, views, strict=True)], keys

    def fire(self, encoded: Sequence[Tensor], views: Sequence[View], turns: Sequence[Turn]) -> Fired:
        """The tokens that are complete with these windows; where a stream ends, a row of silence comes last."""
        rows = Rows([len(part) for part in encoded], encoded[0].device)
        alphas = rows.split(self.predictor(torch.cat(list(encoded)), rows))
        silence = encoded[0].new_zeros(1, encoded[0].shape[1])
        tail = silence.new_full((1,), self.config.predictor.tail_threshold)
        heard: list[Tensor] = []
        weights: list[Tensor] = []
        for part, weight, view, turn in zip(encoded, alphas, views, turns, strict=True):
            heard += [part[view.begin : view.end], *([silence] if turn.final else [])]
            weights += [weight[view.begin : view.end], *([tail] if turn.final else [])]
        lengths = [view.end - view.begin + turn.final for view, turn in zip(views, turns, strict=True)]
        begun = Begun(
            torch.cat([turn.state.begun.weights for turn in turns]),
            torch.cat([turn.state.begun.embeds for turn in turns]),
        )
        return integrate_and_fire(torch.cat(heard), torch.cat(weights), Rows(lengths, rows.device), begun=begun)

    def decode_on(
        self, fired: Fired, encoded: Sequence[Tensor], states: Sequence[State], chunks: Chunks
    ) -> tuple[tuple[Tensor, ...], list[State]]:
        """Logits (U, V) of each stream, and the states, new for those in which tokens fired."""
        speaking = [i for i, count in enumerate(fired.rows.lengths) if count]
        if not speaking:
            return fired.rows.split(fired.embeds.new_zeros(0, self.config.n_tokens)), list(states)
        memory, frame = framed([encoded[i] for i in speaking], [states[i].decoder for i in speaking])
        memories = [states[i].memory for i in speaking]
        rows = Rows([fired.rows.lengths[i] for i in speaking], memory.device)
        x, seen, after = self.decoder_within(fired.embeds, rows, memory, frame, memories)
        found = list(states)
        keys = frame.latest(seen, 0, chunks.remembered(chunks.decoder_look_back))
        for i, key, memory in zip(speaking, keys, torch.stack(after, dim=1), strict=True):
            found[i] = replace(states[i], decoder=key, memory=memory.clone())  # a view would hold on to the others'
        return fired.rows.split(self.output(x)), found

    def decoder_within(
        self, x: Tensor, rows: Rows, memory: Tensor, frame: "Frame", memories: Sequence[Tensor | None]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Embeddings (U, D) to hidden states (U, D); and of each layer what was looked at, and its FSMN state."""
        layers = cast("list[SanmDecoderLayer]", list(self.decoder.layers))
        zeros = x.new_zeros(len(layers), layers[0].memory.left, x.shape[1])
        before = torch.stack([zeros if one is None else one for one in memories], dim=1)  # (L, B, left, D)
        seen, after = [], []
        for layer, keys, state in zip(layers, frame.before(len(layers)), before, strict=True):
            x, keys, state = layer.within(x, rows, memory, frame.windows, keys, state)
            seen.append(keys)
            after.append(state)
        return self.decoder.norm(self.decoder.end(x)), seen, after


@dataclass(frozen=True, slots=True)
class Frame:
    """Windows of several streams side by side, and behind whatever each remembers.

    past: (L, B, S, 2 D), or None if nobody remembers anything. counts: how many of the S rows each stream has, the last
    ones. lengths: how many of its W rows each window has, the first ones.
    """

    windows: Windows
    past: Tensor | None
    counts: tuple[int, ...]
    lengths: tuple[int, ...]

    def before(self, n_layers: int) -> Sequence[Tensor | None]:
        """What each layer remembers (B, S, 2 D)."""
        return [None] * n_layers if self.past is None else self.past.unbind()

    def latest(self, seen: Sequence[Tensor], n_ahead: int, n_kept: int) -> list[Tensor | None]:
        """The last keys and values of each stream (L, n_kept, 2 D), but for those of the `n_ahead` rows at its end.

        seen: of each layer (B, S + W, 2 D).
        """
        if n_kept == 0:
            return [None] * len(self.counts)
        n_past = seen[0].shape[1] - self.windows.width
        found: list[Tensor | None] = []
        for i, (count, length) in enumerate(zip(self.counts, self.lengths, strict=True)):
            end = n_past + max(0, length - n_ahead)
            begin = max(n_past - count, 0 if n_kept == ALL else end - n_kept)
            found.append(torch.stack([layer[i, begin:end] for layer in seen]))
        return found


def framed(rows: Sequence[Tensor], pasts: Sequence[Tensor | None]) -> tuple[Tensor, Frame]:
    """Windows (W, D) of each stream, laid end to end (B * W, D), and what they stand in."""
    lengths = tuple(map(len, rows))
    counts = tuple(0 if past is None else past.shape[1] for past in pasts)
    past = side_by_side(pasts, counts)
    width = max(lengths)
    if len(set(lengths)) == 1:
        filled, present = torch.cat(list(rows)), None
    else:
        filled = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).flatten(0, 1)
        present = behind(lengths, width, filled.device).unsqueeze(2)
    return filled, Frame(Windows(width, present, mask(lengths, counts, filled.device)), past, counts, lengths)


def side_by_side(pasts: Sequence[Tensor | None], counts: Sequence[int]) -> Tensor | None:
    """What streams remember (L, S, 2 D) as (L, B, longest, 2 D), zeros before the shorter ones."""
    known = [past for past in pasts if past is not None]
    if not known:
        return None
    if len(pasts) == 1:
        return known[0].unsqueeze(1)
    n_layers, _, width = known[0].shape
    grid = known[0].new_zeros(n_layers, len(pasts), max(counts), width)
    for i, (past, count) in enumerate(zip(pasts, counts, strict=True)):
        if past is not None:
            grid[:, i, max(counts) - count :] = past
    return grid


def mask(lengths: Sequence[int], counts: Sequence[int], device: torch.device) -> Tensor | None:
    """Which of the rows before (right-aligned) and in the window (left-aligned) are there (B, 1, 1, S + W)."""
    if len(set(lengths)) == len(set(counts)) == 1:
        return None
    before = behind(counts, max(counts), device).flip(1)
    return torch.cat([before, behind(lengths, max(lengths), device)], dim=1)[:, None, None, :]


def behind(counts: Sequence[int], longest: int, device: torch.device) -> Tensor:
    """(B, longest), true for the first counts of each."""
    return torch.arange(longest, device=device) < torch.tensor(counts, device=device).unsqueeze(1)


def view(turn: Turn, new: Tensor, chunks: Chunks) -> View:
    """The window of a turn: what its state kept of the rows before, then the new ones."""
    assert len(new) == chunks.current or (turn.final and len(new) < chunks.current)
    inputs = turn.state.inputs
    # Where nothing is kept and nothing new comes, the last token looks at the last row once more.
    n_before = chunks.beside or int(not len(new))
    rows = torch.cat([inputs[len(inputs) - n_before :], new])
    begin = n_before - chunks.right
    end = len(rows) if turn.final else begin + chunks.current
    return View(rows, begin, end, turn.state.n_rows - chunks.right)


def last(before: Tensor, new: Tensor) -> Tensor:
    """As many rows as there were before, the newest."""
    return torch.cat([before, new])[len(new) :]


def apart(begun: Begun) -> Iterator[Begun]:
    """Of each stream its own; not a view, which would hold on to the others'. Of the sum only what no token was made
    of: the sum of a week could not be read in float32."""
    # What float32 rounds up to a token leaves less than nothing.
    rests = (begun.weights - begun.weights.float().floor()).clamp(min=0)
    pairs = zip(rests.split(1), begun.embeds.split(1), strict=True)
    return (Begun(weight.clone(), embed.clone()) for weight, embed in pairs)


def places(fired: Fired, views: Sequence[View], turns: Sequence[Turn]) -> Iterator[tuple[int, ...]]:
    """The rows of each stream at which something fired; what is behind its end counts as one more."""
    lengths = [view.end - view.begin + turn.final for view, turn in zip(views, turns, strict=True)]
    fires = fired.fires.cpu().split(lengths)
    for one, shown in zip(fires, views, strict=True):
        yield tuple(place + shown.place for place in one.nonzero().flatten().tolist())
