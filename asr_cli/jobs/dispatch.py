"""Recordings shared out among workers, none lost when a worker is."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from asr_cli import errors
from asr_cli.errors import AsrError
from asr_cli.jobs.engine import Engine, Hand
from asr_cli.jobs.messages import FAILED, Ended, Event, Lost, Ready, Result, Setup, Task, Unfit

STRIKES = 2  # workers that a recording may take with it
MOST_AT_ONCE = 1000  # events, before what they tell is on the disk
PATIENCE = 0.2  # s between two looks whether to stop
FALSE_STARTS = 2  # workers in a row that may end while they load


@dataclass(slots=True, eq=False)
class Post:
    """A place for a worker, and what the worker has in hand."""

    setup: Setup
    hand: Hand
    tasks: set[int] = field(default_factory=set)
    ready: bool = False
    alone: bool = False  # what it has in hand is suspected, and gets no company

    @property
    def has_room(self) -> bool:
        return self.ready and not self.alone and len(self.tasks) < self.setup.n_at_once


class Dispatcher:
    """Gives tasks out and events back.

    A worker that is lost is replaced, and what it had in hand is tried again, each alone: a recording that takes a
    second worker with it is to blame, and fails. The first time that a whole machine is lost, none is suspected.
    """

    def __init__(self, engine: Engine, numbers: Iterable[int], task_of: Callable[[int], Task]) -> None:
        self._engine = engine
        self._numbers = iter(numbers)
        self._task_of = task_of  # asked each time it is given out: what is known of it changes
        self._suspects: deque[int] = deque()
        self._strikes: dict[int, int] = {}
        self._moved: set[int] = set()  # away from a lost machine
        self._events: queue.Queue[tuple[Hand, Event]] = queue.Queue()
        self._posts: list[Post] = []
        self._false_starts = 0
        self._stopping = False
        self._exhausted = False

    def run(self, stop: threading.Event) -> Iterator[list[Event]]:
        """What happens, as it happens; ends when everything is done, or after `stop` what was in hand.

        Whatever is yielded together has happened since the last time.
        """
        try:
            for setup in self._engine.setups:
                self._hire(setup)
            self._refill()
            while self._is_busy():
                if stop.is_set():
                    self._stop()
                happened = list(self._happened())
                if happened:
                    yield happened
                self._grow()
                self._refill()
        finally:
            self._dismiss()
            self._engine.close()

    def _is_busy(self) -> bool:
        if any(post.tasks for post in self._posts):
            return True
        return not self._stopping and not (self._exhausted and not self._suspects)

    def _hire(self, setup: Setup) -> None:
        self._posts.append(Post(setup, self._engine.hire(setup, self._hear)))

    def _grow(self) -> None:
        if not self._stopping and not self._exhausted:
            for setup in self._engine.more():
                self._hire(setup)

    def _hear(self, hand: Hand, event: Event) -> None:
        self._events.put((hand, event))

    def _happened(self) -> Iterator[Event]:
        waiting = PATIENCE
        for _ in range(MOST_AT_ONCE):
            try:
                hand, event = self._events.get(timeout=waiting) if waiting else self._events.get_nowait()
            except queue.Empty:
                return
            waiting = 0.0
            post = next((post for post in self._posts if post.hand is hand), None)
            if post is not None:
                yield from self._note(post, event)

    def _note(self, post: Post, event: Event) -> Iterator[Event]:
        match event:
            case Ready():
                post.ready = True
                yield event
            case Ended():
                if event.number in post.tasks:
                    post.tasks.remove(event.number)
                    post.alone = post.alone and bool(post.tasks)
                    yield event
            case Unfit():
                raise unfit(event)
            case Lost():
                yield event
                yield from self._lose(post, event)
            case _:
                yield event

    def _lose(self, post: Post, event: Lost) -> Iterator[Event]:
        self._posts.remove(post)
        post.hand.close()
        if self._stopping or (not post.tasks and self._exhausted and not self._suspects):
            return  # there was nothing more for it to do
        if not post.tasks and not event.with_machine:
            self._false_starts += 1
            if self._false_starts >= FALSE_STARTS:
                raise AsrError(f"the worker {event.last_words} with nothing in hand, and so did the next one")
        for number in post.tasks:
            if event.with_machine and number not in self._moved:  # a machine has other reasons to go
                self._moved.add(number)
                self._numbers, self._exhausted = chain([number], self._numbers), False
                continue
            strikes = self._strikes[number] = self._strikes.get(number, 0) + 1
            if strikes < STRIKES:
                self._suspects.append(number)
            else:
                yield Ended(number, poisoned(event))
        self._hire(post.setup)

    def _refill(self) -> None:
        if self._stopping:
            return
        for post in self._posts:
            while post.has_room:
                if self._suspects and not post.tasks:
                    post.alone = True
                    self._give(post, self._suspects.popleft())
                    break
                if self._suspects and all(other.ready and other.tasks for other in self._posts):
                    break  # let one of them run out of work, or suspects would wait until all else is done
                number = next(self._numbers, None)
                if number is None:
                    self._exhausted = True
                    break
                self._give(post, number)

    def _give(self, post: Post, number: int) -> None:
        self._false_starts = 0
        post.tasks.add(number)
        post.hand.give(self._task_of(number))

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            for post in self._posts:
                post.hand.stop()

    def _dismiss(self) -> None:
        posts, self._posts = self._posts, []
        for post in posts:
            if post.ready and not post.tasks:
                post.hand.close()
            else:  # in the middle of something that nobody waits for
                post.hand.kill()
                post.hand.close()


def poisoned(event: Lost) -> Result:
    return Result(
        status=FAILED, code="E-WORKER",
        error=f"took {STRIKES} workers with it (the last one was {event.last_words}): perhaps for lack of memory; "
        "the other recordings are not affected",
    )  # fmt: skip


def unfit(event: Unfit) -> AsrError:
    """The error that kept a worker from being one."""
    kind = getattr(errors, event.kind, AsrError)
    error: AsrError = kind(event.text)
    error.code = event.code
    return error
