"""A decoder's steps: on a GPU run again as they were captured, since its many small kernels take longer to be launched
than to compute.

N slots, R rows each, M = N * R, U tokens.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from asr_plugins.whisper.decoder import Decoder, Memory, Out

OFTEN = 16  # steps of a shape, before it is captured: which takes as long as some of them
FULL = 0.5  # of the rows have to be in use, as a captured step computes all of them


class Capture(Protocol):
    """A way to have a computation run again, with what its inputs hold then."""

    def __call__(self, compute: Callable[[], Out], /) -> tuple[Out, Callable[[], None]]:
        """Where its outcome is to be found each time, and what runs it."""


class CudaGraphs:
    """CUDA graphs, whose memory is one and the same: an outcome is good until the next one runs."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.room = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], Out]) -> tuple[Out, Callable[[], None]]:
        with torch.cuda.device(self.device):
            # Once beforehand, beside what is in hand: what libraries prepare for themselves is not to be captured.
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                compute()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # What other threads do on the GPU meanwhile is theirs.
            with torch.cuda.graph(graph, pool=self.room, stream=stream, capture_error_mode="thread_local"):
                out = compute()
        return out, graph.replay


class Shape(NamedTuple):
    """Of a step: seen: how far it looks back. at: behind which tokens it says what comes next."""

    n_tokens: int
    seen: int
    at: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Captured:
    """tokens (M, U) and begins (M,) are where it reads them."""

    tokens: Tensor
    begins: Tensor
    out: Out
    run: Callable[[], None]


class Steps:
    """A decoder's memory, and steps over the rows of its first slots. capture: None to compute each anew."""

    def __init__(self, decoder: Decoder, memory: Memory, capture: Capture | None) -> None:
        self.decoder, self.memory, self.capture = decoder, memory, capture
        self.asked: Counter[Shape] = Counter()
        self.captured: dict[Shape, Captured] = {}

    def __call__(self, tokens: Tensor, begins: Tensor, latest: int, at: tuple[int, ...] | None = None) -> Out:
        """Read tokens (M, U) from places (M,) on, of which the last is `latest`. It is good until the next step.

        at: as of the decoder.
        """
        m, u = tokens.shape
        shape = Shape(u, self.memory.seen(latest + u), at)
        step = self.step(shape) if m >= FULL * self.memory.n_slots * self.memory.n_rows else None
        if step is None:
            return self.decoder(self.memory, slice(0, m // self.memory.n_rows), tokens, begins, shape.seen, at)
        # What the others read, in slots where nobody is, is overwritten when somebody comes.
        step.tokens[:m], step.begins[:m] = tokens, begins
        step.run()
        return Out(step.out.logits[:m], None if step.out.heard is None else step.out.heard[:m])

    def step(self, shape: Shape) -> Captured | None:
        """The one that was captured, if any."""
        if self.capture is None:
            return None
        if shape not in self.captured:
            self.asked[shape] += 1
            if self.asked[shape] <= OFTEN:
                return None
            self.captured[shape] = self.capture_step(self.capture, shape)
        return self.captured[shape]

    def capture_step(self, capture: Capture, shape: Shape) -> Captured:
        memory, device = self.memory, self.decoder.tokens.device
        slots = slice(0, memory.n_slots)
        tokens = torch.zeros(memory.n_slots * memory.n_rows, shape.n_tokens, device=device, dtype=torch.long)
        # Where it runs while it is captured, it is to write nothing over what was read: nobody is behind these places.
        latest = min(shape.seen, self.decoder.max_tokens) - shape.n_tokens
        begins = torch.full((len(tokens),), latest, device=device)
        out, run = capture(lambda: self.decoder(memory, slots, tokens, begins, shape.seen, shape.at))
        return Captured(tokens, begins, out, run)


class Memories:
    """A decoder's: room for a batch. The last one is kept for the next batch, with the steps that were captured in it.

    capture: for each memory a way to capture its steps; None to compute each anew, and to keep nothing.
    """

    def __init__(self, decoder: Decoder, capture: Callable[[], Capture] | None = None) -> None:
        self.decoder, self.capture = decoder, capture
        self.kept: deque[Steps] = deque(maxlen=1)

    def take(self, n_slots: int, n_rows: int, n_tokens: int) -> Steps:
        """With room for at least so many slots, of so many rows each, for at least so many tokens."""
        with suppress(IndexError):
            if (kept := self.kept.pop()).memory.has_room(n_slots, n_rows, n_tokens):
                kept.memory.n_read = 0
                return kept
            del kept  # before there is another one
        memory = Memory(self.decoder, n_slots, n_rows, n_tokens)
        return Steps(self.decoder, memory, None if self.capture is None else self.capture())

    def give_back(self, steps: Steps) -> None:
        if steps.capture is not None:
            self.kept.append(steps)

    def clear(self) -> None:
        """Where the room is needed for something else."""
        self.kept.clear()
