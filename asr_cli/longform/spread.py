"""One network, several threads, each with utterances of its own.

Threads that share every product wait for each other thousands of times a second, and all wait for the one whose core
somebody else is using. Threads with work of their own wait once a batch.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from asr_cli.audio import Audio
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.transcript import Draft, Segment

# Asked once: torch tells a thread that is born after `set_num_threads` was called the number of that call.
N_CORES = torch.get_num_threads()
SHARE_SECONDS = 60.0  # of speech for each thread: enough to share it out evenly, done within seconds


class SpreadRecognizer:
    """A Recognizer that divides each batch among threads; a lone utterance gets them all."""

    pads = False

    def __init__(self, recognizer: Recognizer, n_threads: int) -> None:
        self.recognizer = recognizer
        self.n_threads = n_threads
        self.max_duration = recognizer.max_duration
        self.gathers, self.slides = long_form(recognizer)
        self.least_seconds: float = getattr(recognizer, "least_seconds", 0.0)
        self.batch_seconds = share_of(recognizer) * n_threads
        self.lanes = [Lane(recognizer) for _ in range(n_threads)]
        self.pool = ThreadPoolExecutor(n_threads, thread_name_prefix="recognizer")

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        shares = divided([max(one.duration, self.least_seconds) for one in utterances], self.n_threads)
        # As many threads for each product as are left over when every share has one.
        n_threads = max(1, self.n_threads // max(1, len(shares)))
        heard = self.pool.map(
            lambda share: recognize_on(n_threads, self.recognizer, [utterances[index] for index in share]), shares
        )
        segments = {index: segment for share, found in zip(shares, heard, strict=True) for index, segment in
                    zip(share, found, strict=True)}  # fmt: skip
        return [segments[index] for index in range(len(utterances))]

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        close = getattr(self.recognizer, "close", None)
        if close is not None:
            close()


class SpreadStreaming(SpreadRecognizer):
    """Whole utterances are divided among threads; of what is heard live each product has them all."""

    def __init__(self, recognizer: StreamingRecognizer, n_threads: int) -> None:
        assert isinstance(recognizer, Recognizer)
        super().__init__(recognizer, n_threads)
        self.streaming = recognizer
        self.chunk_duration = recognizer.chunk_duration

    def hear(self, chunks: Sequence[Chunk]) -> list[tuple[Draft, Any]]:
        torch.set_num_threads(self.n_threads)
        return self.streaming.hear(chunks)


class Lane:
    """The recogniser on one core, for who keeps the others busy himself."""

    pads = False

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self.least_seconds: float = getattr(recognizer, "least_seconds", 0.0)
        self.batch_seconds = share_of(recognizer)
        self.max_duration = recognizer.max_duration
        self.gathers, self.slides = long_form(recognizer)

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        return recognize_on(1, self.recognizer, utterances)


def share_of(recognizer: Recognizer) -> float:
    """How many seconds one thread had better take at once."""
    share: float = getattr(recognizer, "share_seconds", SHARE_SECONDS)
    return share


def long_form(recognizer: Recognizer) -> tuple[bool, bool]:
    """Whether it gathers, and whether it slides."""
    return getattr(recognizer, "gathers", False), getattr(recognizer, "slides", False)


def recognize_on(n_threads: int, recognizer: Recognizer, utterances: Sequence[Audio]) -> list[Segment]:
    torch.set_num_threads(n_threads)  # of this thread's products alone
    return recognizer.recognize(utterances)


def divided(durations: Sequence[float], n: int) -> list[list[int]]:
    """The indices in at most n shares that take about equally long.

    >>> divided([1.0, 5.0, 2.0, 4.0], 2)
    [[1, 0], [3, 2]]
    """
    shares: list[list[int]] = [[] for _ in range(min(n, len(durations)))]
    loads = [0.0] * len(shares)
    for index in sorted(range(len(durations)), key=lambda index: -durations[index]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += durations[index]
    return shares
