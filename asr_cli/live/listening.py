"""A stream being captioned: blocks are read in one thread and heard in another, events taken by whoever iterates.

So nothing waits for a reader that waits for sound, and a stop is heeded at once.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from asr_cli.audio import Audio
from asr_cli.live.captioner import Captioner
from asr_cli.live.events import Emit, Event, Over
from asr_cli.live.stats import Stats

LOOK = 0.2  # s; how long it takes at most to notice that something went wrong
N_AHEAD = 8  # blocks read before they are heard, where the source can wait


class Caption(Protocol):
    """Begins a stream."""

    def __call__(self, emit: Emit, *, stats: Stats | None, ahead: float | None) -> Captioner: ...


class Listening:
    """Iterate over it for the events, and a None now and then while there are none; it ends when the stream is over and
    all that was said is final.

    failure: asks whether recognition has come down. stop: once set, the stream ends: what has been read of it is heard.
    """

    def __init__(
        self,
        caption: Caption,
        blocks: Iterable[Audio],
        failure: Callable[[], BaseException | None],
        *,
        stats: Stats | None = None,
        ahead: float | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._source, self._failure_there = blocks, failure
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._blocks: queue.Queue[Audio | None] = queue.Queue(0 if ahead is None else N_AHEAD)
        self._captioner = caption(self._events.put, stats=stats, ahead=ahead)
        self._failure_here: BaseException | None = None
        self._stop, self._is_left, self._is_heard = stop or threading.Event(), threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Event | None]:
        threads = [threading.Thread(target=target, daemon=True, name=f"asr-{name}")
                   for name, target in (("read", self._read), ("hear", self._hear))]  # fmt: skip
        for thread in threads:
            thread.start()
        *_, hearing = threads
        n_over = 0
        try:
            while not (self._is_heard.is_set() and n_over == self._captioner.n_utterances):
                event = self._next()
                n_over += isinstance(event, Over)
                yield event
        finally:
            self._is_left.set()
            self._captioner.leave()
            hearing.join()  # a thread in the middle of a network would bring the interpreter down at its end
        if self._failure_here is not None:
            raise self._failure_here

    @property
    def _is_stopped(self) -> bool:
        return self._stop.is_set() or self._is_left.is_set()

    def _next(self) -> Event | None:
        try:
            return self._events.get(timeout=LOOK)
        except queue.Empty:
            failure = self._failure_there()
            if failure is not None:
                raise failure from None
            return None

    def _read(self) -> None:
        try:
            for block in self._source:
                self._put(block)
                if self._is_stopped:
                    break
        except BaseException as error:
            self._failure_here = error
        self._put(None)

    def _put(self, block: Audio | None) -> None:
        while True:
            try:
                return self._blocks.put(block, timeout=LOOK)
            except queue.Full:
                if self._is_heard.is_set():  # nobody hears any more
                    return None

    def _hear(self) -> None:
        try:
            for block in iter(self._next_block, None):
                self._captioner.feed(block)
            self._captioner.finish()
        except BaseException as error:
            self._failure_here = error
            with suppress(Exception):
                self._captioner.break_off()
        self._is_heard.set()
        self._events.put(None)

    def _next_block(self) -> Audio | None:
        """None when the stream is over or left, or was stopped and all that was read of it has been heard."""
        while not self._is_left.is_set():
            try:
                return self._blocks.get(timeout=LOOK)
            except queue.Empty:
                if self._is_stopped:
                    break
        return None
