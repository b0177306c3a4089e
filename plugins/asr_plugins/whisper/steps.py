"""A decoder's steps: on a GPU run again as they were captured, since its many small kernels take longer to be launched
than to compute.

N slots, R rows each, M = N * R, U tokens.
"""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from asr_plugins.whisper.decoder import Decoder, Memory, Out

OFTEN = 16  # steps that look back as far, before one is captured: which takes as long as some of them
FULL = 0.5  # of the rows have to be in use, as a captured step computes all of them


class Capture(Protocol):
    """A way to have a computation run again, on what is then where it reads."""

    def __call__(self, compute: Callable[[], None], /) -> Callable[[], None]:
        """What runs it. It is run while it is captured, too."""


class CudaGraphs:
    """CUDA graphs, which share the memory that they need while they run."""

    capturing = Lock()  # one at a time in a process

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.room, self.stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream(device)

    def __call__(self, compute: Callable[[], None]) -> Callable[[], None]:
        with self.capturing, torch.cuda.device(self.device):
            # Once beforehand, beside what is in hand: what libraries prepare for themselves is not to be captured.
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                compute()
            torch.cuda.current_stream().wait_stream(self.stream)
            graph = torch.cuda.CUDAGraph()
            # What other threads do on the GPU meanwhile is theirs.
            with torch.cuda.graph(graph, pool=self.room, stream=self.stream, capture_error_mode="thread_local"):
                compute()
        replay: Callable[[], None] = graph.replay
        return replay


class Steps:
    """A decoder's memory, and steps over the rows of its first slots. capture: None to compute each anew.

    Only steps of one token are captured: several at a time are read seldom. All read and write in the same places, so
    that many of them take no more room than one.
    """

    def __init__(self, decoder: Decoder, memory: Memory, capture: Capture | None) -> None:
        self.decoder, self.memory, self.capture = decoder, memory, capture
        self.asked: Counter[int] = Counter()
        self.captured: dict[int, Callable[[], None]] = {}  # by how far they look back
        self.n_rows = memory.n_slots * memory.n_rows
        if capture is not None:
            device = decoder.tokens.device
            self.tokens = torch.zeros(self.n_rows, 1, device=device, dtype=torch.long)
            self.begins = torch.zeros(self.n_rows, device=device, dtype=torch.long)
            self.out = decoder.room(self.n_rows)

    def __call__(self, tokens: Tensor, begins: Tensor, latest: int, at: tuple[int, ...] | None = None) -> Out:
        """Read tokens (M, U) from places (M,) on, of which the last is `latest`. It is good until the next step.

        at: as of the decoder.
        """
        m, u = tokens.shape
        seen = self.memory.seen(latest + u)
        if u > 1 or m < FULL * self.n_rows or not self.is_worth_it(seen):
            return self.decoder(self.memory, slice(0, m // self.memory.n_rows), tokens, begins, seen, at)
        # What the others read, in slots where nobody is, nobody looks back at.
        self.tokens[:m], self.begins[:m] = tokens, begins
        if seen not in self.captured:
            self.captured[seen] = self.captured_step(seen)
        self.captured[seen]()
        return Out(self.out.logits[:m], None if self.out.heard is None else self.out.heard[:m])

    def is_worth_it(self, seen: int) -> bool:
        """Whether such steps come often enough."""
        if self.capture is None:
            return False
        self.asked[seen] += 1
        return self.asked[seen] > OFTEN

    def captured_step(self, seen: int) -> Callable[[], None]:
        def compute() -> None:
            found = self.decoder(self.memory, slice(0, self.memory.n_slots), self.tokens, self.begins, seen)
            self.out.logits.copy_(found.logits)
            if self.out.heard is not None:
                self.out.heard.copy_(found.heard)

        assert self.capture is not None
        return self.capture(compute)


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
