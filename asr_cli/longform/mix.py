"""Utterances of many recordings recognised together.

Each recording has a thread of its own, which hands its utterances in and takes its segments back in order. Whatever
waits when a recogniser has nothing to do is its next batch, no matter whose it is: short recordings fill each other's
batches, and one of a day lets the others pass.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from asr_cli.audio import Audio
from asr_cli.longform.batch import Memory, by_length, place, until
from asr_cli.protocols import Recognizer
from asr_cli.transcript import Segment

N_BATCHES_AHEAD = 2  # for each lane: one to be taken next, one being gathered


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An utterance on its way to its segment."""

    utterance: Audio
    memory: Memory | None
    account: "Account | None" = None
    segment: "Future[Segment]" = field(default_factory=Future)


class Account:
    """One recording's way into a mixer. seconds: what recognising it took, of each batch its share."""

    def __init__(self, mixer: "Mixer") -> None:
        self.seconds = 0.0
        self._mixer = mixer
        self._lock = threading.Lock()  # two lanes may be done with it at once

    def hand_in(self, utterance: Audio, memory: Memory | None) -> "Future[Segment]":
        return self._mixer.hand_in(utterance, memory, self)

    def charge(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


class Mixer:
    """Threads that recognise whatever waits, one for each of a recogniser's lanes.

    batch_seconds: what a batch may cost; None for what suits the recogniser. prepare: called first in each thread, with
    the number of lanes.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        batch_seconds: float | None,
        default_seconds: float,
        prepare: Callable[[int], None] = lambda n_lanes: None,
    ) -> None:
        self._prepare = prepare
        self._lanes: Sequence[Recognizer] = getattr(recognizer, "lanes", None) or (recognizer,)
        suiting: float = getattr(self._lanes[0], "batch_seconds", default_seconds)
        self._batch_seconds = batch_seconds or suiting
        self._pads: bool = getattr(self._lanes[0], "pads", True)
        self._least: float = getattr(self._lanes[0], "least_seconds", 0.0)
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._stopped = self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(lane,), name="recognising", daemon=True) for lane in self._lanes
        ]
        for thread in self._threads:
            thread.start()

    def hand_in(self, utterance: Audio, memory: Memory | None, account: Account | None = None) -> "Future[Segment]":
        """Have an utterance recognised; waits while enough others do. memory: told before the future is done."""
        one = Waiting(utterance, memory, account)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._has_room())
            if self._stopped:
                one.segment.cancel()
            else:
                self._waiting.append(one)
                self._changed.notify_all()
        return one.segment

    def stop(self) -> None:
        """What no lane has taken yet is not going to be recognised, nor is what comes later."""
        with self._changed:
            self._stopped = True
            for one in self._waiting:
                one.segment.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Finish what is being recognised."""
        with self._changed:
            self._closed = True
        self.stop()
        for thread in self._threads:
            thread.join()

    def _has_room(self) -> bool:
        room = self._batch_seconds * N_BATCHES_AHEAD * len(self._lanes)
        return sum(map(self._cost, self._waiting)) < room

    def _cost(self, one: Waiting) -> float:
        return max(one.utterance.duration, self._least)

    def _work(self, lane: Recognizer) -> None:
        self._prepare(len(self._lanes))
        while batch := self._take():
            recognize_batch(batch, lane)

    def _take(self) -> list[Waiting]:
        """The next batch; none once the mixer is closed."""
        batch: list[Waiting] = []
        with self._changed:
            while not batch and not self._closed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                batch = [one for one in self._choose() if one.segment.set_running_or_notify_cancel()]
                self._changed.notify_all()
        return batch

    def _choose(self) -> list[Waiting]:
        """Whoever waits longest, and whoever fits to it."""
        if not self._waiting:
            return []
        first = self._waiting[0]
        fitting = list(self._waiting)
        if self._pads:  # a batch costs its longest, so alike goes with alike
            fitting.sort(key=lambda one: (one is not first, abs(self._cost(one) - self._cost(first))))
        # No more than a fair share: at the end of everything, no lane should work while another has nothing to do.
        n_lanes = len(self._lanes)
        share = sum(map(self._cost, fitting)) / n_lanes if n_lanes > 1 else self._batch_seconds
        most = min(self._batch_seconds, share)
        chosen: list[Waiting] = []
        longest = total = 0.0
        for one in fitting:
            longest, total = max(longest, self._cost(one)), total + self._cost(one)
            if chosen and (longest * (len(chosen) + 1) if self._pads else total) > most:
                break
            chosen.append(one)
        for one in chosen:
            self._waiting.remove(one)
        return chosen


def recognize_batch(batch: Sequence[Waiting], lane: Recognizer) -> None:
    """Give each its segment, or what went wrong with it."""
    failure: BaseException
    begun = time.monotonic()
    try:
        segments = by_length([one.utterance for one in batch], lane)
    except BaseException as error:  # whatever it is, it belongs to whoever is waiting
        failure = error
    else:
        charge(batch, time.monotonic() - begun)
        for one, segment in zip(batch, segments, strict=True):
            settle(one, segment)
        return
    # Outside the handler, where the memory that the attempt took is free again.
    if len(batch) == 1:
        batch[0].segment.set_exception(failure)
        return
    # Where memory is short, half of it suffices; and if one utterance is at fault, the others must not suffer for it.
    del failure
    half = len(batch) // 2
    recognize_batch(batch[:half], lane)
    recognize_batch(batch[half:], lane)


def charge(batch: Sequence[Waiting], seconds: float) -> None:
    total = sum(one.utterance.duration for one in batch)
    for one in batch:
        if one.account is not None and total:
            one.account.charge(seconds * one.utterance.duration / total)


def settle(one: Waiting, segment: Segment) -> None:
    try:
        placed = place(segment, one.utterance)  # of what a recogniser gave, which may be anything
        if one.memory is not None:
            one.memory.remember(one.utterance, placed)
    except Exception as error:
        one.segment.set_exception(error)
    else:
        one.segment.set_result(placed)


def recognize_among(
    utterances: Iterable[Audio], mixer: Mixer | Account, *, memory: Memory | None, stop: threading.Event | None
) -> Iterator[Segment]:
    """As `batch.recognize`, in company: a segment for each utterance, in order.

    stop: once set, nothing more is pulled; what a stopped mixer refuses ends the recording there.
    """
    waiting: deque[Future[Segment]] = deque()
    try:
        for utterance in until(stop, utterances):
            known = memory.recall(utterance) if memory is not None else None
            waiting.append(mixer.hand_in(utterance, memory) if known is None else done(place(known, utterance)))
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except CancelledError:
        return
    finally:
        for segment in waiting:
            segment.cancel()


def done(segment: Segment) -> "Future[Segment]":
    future: Future[Segment] = Future()
    future.set_result(segment)
    return future
