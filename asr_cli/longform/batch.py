"""Utterances recognised by the batch, given back in order."""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from asr_cli.audio import Audio
from asr_cli.audio.waiting import Interrupted
from asr_cli.errors import ModelError
from asr_cli.protocols import Recognizer
from asr_cli.transcript import Segment, Word

T = TypeVar("T")

SHORTEST = 0.3  # s; hardly any utterance is shorter, so a batch with less room than that is full


class Memory(Protocol):
    """What an earlier, interrupted run has already recognised."""

    def recall(self, utterance: Audio, /) -> Segment | None: ...

    def remember(self, utterance: Audio, segment: Segment, /) -> None: ...


def recognize(
    utterances: Iterable[Audio],
    recognizer: Recognizer,
    *,
    batch_seconds: float,
    memory: Memory | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Segment]:
    """Yield a segment for each utterance, in order, its words put right and its overlap marked.

    batch_seconds: what a batch may cost; an utterance that costs more goes alone.
    stop: once set, nothing more is pulled or recognised.
    """
    pads, least = getattr(recognizer, "pads", True), getattr(recognizer, "least_seconds", 0.0)
    for batch in until(stop, batches(until(stop, utterances), batch_seconds, memory, pads=pads, least=least)):
        if isinstance(batch, Segment):
            yield batch
            continue
        heard = [place(*pair) for pair in zip(by_length(batch, recognizer), batch, strict=True)]
        # All of it before any of it goes on: whoever takes the first segment may never come back for the second.
        for utterance, segment in zip(batch, heard, strict=True):
            if memory is not None:
                memory.remember(utterance, segment)
        yield from heard


def until(stop: threading.Event | None, items: Iterable[T]) -> Iterator[T]:
    """The items, until somebody says stop; also while the next one is being waited for."""
    iterator = iter(items)
    while stop is None or not stop.is_set():
        try:
            item = next(iterator)
        except (StopIteration, Interrupted):
            return
        if stop is not None and stop.is_set():
            return
        yield item


def batches(
    utterances: Iterable[Audio],
    batch_seconds: float,
    memory: Memory | None,
    *,
    pads: bool = True,
    least: float = 0.0,
) -> Iterator[list[Audio] | Segment]:
    """Yield what is to be recognised together, and in its turn each segment that is known already."""
    batch: list[Audio] = []
    for utterance in utterances:
        known = memory.recall(utterance) if memory is not None else None
        if batch and (known is not None or cost([*batch, utterance], pads, least) > batch_seconds):
            yield batch
            batch = []
        if known is not None:
            yield place(known, utterance)
            continue
        batch.append(utterance)
        # Even the shortest newcomer is padded to the longest: when one more cannot fit, waiting is in vain.
        so_far = cost(batch, pads, least)
        with_another = so_far * (len(batch) + 1) / len(batch) if pads else so_far + max(SHORTEST, least)
        if with_another > batch_seconds:
            yield batch
            batch = []
    if batch:
        yield batch


def cost(batch: Sequence[Audio], pads: bool, least: float = 0.0) -> float:
    """Seconds computed: with padding, all are as long as the longest; none costs less than `least`."""
    durations = [max(utterance.duration, least) for utterance in batch]
    return max(durations) * len(batch) if pads else sum(durations)


def by_length(batch: Sequence[Audio], recognizer: Recognizer) -> list[Segment]:
    """One segment for each utterance; the longest goes first: a lack of memory shows at once."""
    order = sorted(range(len(batch)), key=lambda index: -batch[index].duration)
    segments = recognizer.recognize([batch[index] for index in order])
    if len(segments) != len(batch):
        name = f"{type(recognizer).__module__}.{type(recognizer).__qualname__}"
        raise ModelError(
            f"recogniser {name} gave {len(segments)} segments for {len(batch)} utterances, so nobody can tell"
            " which is which; tell its author, or choose another with --model"
        )
    return [segment for _, segment in sorted(zip(order, segments, strict=True), key=lambda pair: pair[0])]


def place(segment: Segment, utterance: Audio) -> Segment:
    """The segment with its words inside the utterance, and the overlap that stitching will need."""
    words = tidy(segment.words, utterance.start, utterance.end)
    overlap = (utterance.start, utterance.start + utterance.overlap) if utterance.overlap > 0 else None
    return replace(segment, words=words, overlap=overlap)


def tidy(words: Sequence[Word], start: float, end: float) -> tuple[Word, ...]:
    """The same words, none outside [start, end], none before or over its predecessor.

    This is the one place where sloppy times are put right.
    """
    starts: list[float] = []
    earliest = start
    for word in words:
        if math.isfinite(word.start):
            earliest = min(max(word.start, earliest), end)
        starts.append(earliest)
    # A word said to last into the next one ends where that begins: starts are what recognisers know best.
    limits = [*starts, end][1:]
    return tuple(
        replace(word, start=begin, end=min(max(word.end, begin), limit) if math.isfinite(word.end) else limit)
        for word, begin, limit in zip(words, starts, limits, strict=True)
    )
