"""Recordings shared out among workers that may die at any moment: each ends once, and the guilty one fails alone."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import AsrError, ModelError
from asr_cli.jobs.dispatch import FALSE_STARTS, STRIKES, Dispatcher
from asr_cli.jobs.messages import DONE, FAILED, INTERRUPTED, Ended, Event, Lost, Ready, Result, Unfit


class Worker(threading.Thread):
    """Does one task after the other, dies of whom it is told to die of, and after as many tasks as it is told to."""

    def __init__(self, engine: "Workers", tell: Callable[..., None]) -> None:
        super().__init__(daemon=True)
        self.engine, self.tell_of, self.inbox = engine, tell, queue.SimpleQueue[Any]()
        self.held: set[int] = set()
        self.n_left = engine.lives.pop() if engine.lives else 10**9
        self.ended = False
        self.start()

    def run(self) -> None:
        for event in self.engine.at_start():
            self.tell_of(self, event)
        while (number := self.inbox.get()) is not None:
            self.n_left -= 1
            if number in self.engine.poison or self.n_left < 0:
                self.engine.victims.update(self.held)
                self.tell_of(self, Lost("killed by SIGKILL"))
                return
            self.engine.gate.wait()
            self.held.discard(number)
            self.tell_of(self, Ended(number, Result(status=self.engine.status)))

    def give(self, number: int) -> None:
        suspected = (self.held | {number}) & set(self.engine.victims)
        assert not suspected or not self.held, "a suspect in company"
        self.engine.given.append(number)
        self.held.add(number)
        self.inbox.put(number)

    def stop(self) -> None:
        self.engine.n_stopped += 1

    def close(self) -> None:
        self.ended = True
        self.inbox.put(None)

    kill = close


class Workers:
    """The engine. victims: who was in hand how often when a worker died. lives: tasks that a worker survives."""

    def __init__(
        self, n_workers: int, n_at_once: int, *, poison: Sequence[int] = (), lives: Sequence[int] = ()
    ) -> None:
        self.setups: Any = [SimpleNamespace(n_at_once=n_at_once)] * n_workers
        self.poison, self.lives = set(poison), list(lives)
        self.victims: Counter[int] = Counter()
        self.given: list[int] = []
        self.hired: list[Worker] = []
        self.n_hired = self.n_stopped = 0
        self.status = DONE
        self.gate = threading.Event()
        self.gate.set()

    def at_start(self) -> Iterator[Event]:
        yield Ready("quick", None, None)

    def hire(self, setup: object, tell: Callable[..., None]) -> Any:
        self.n_hired += 1
        self.hired.append(Worker(self, tell))
        return self.hired[-1]

    def more(self) -> Sequence[Any]:
        return ()

    def close(self) -> None:
        pass


def dispatched(engine: Workers, numbers: Sequence[int], stop: threading.Event | None = None) -> Iterator[Event]:
    dispatcher = Dispatcher(engine, numbers, lambda number: number)  # type: ignore[arg-type,return-value]
    for events in dispatcher.run(stop or threading.Event()):
        yield from events


def results(engine: Workers, numbers: Sequence[int]) -> list[tuple[int, Result]]:
    return [(event.number, event.result) for event in dispatched(engine, numbers) if isinstance(event, Ended)]


shapes = {"n_workers": st.integers(1, 3), "n_at_once": st.integers(1, 5)}


@given(n=st.integers(0, 20), poison=st.sets(st.integers(0, 19), max_size=4), **shapes)
@settings(max_examples=60, deadline=None)
def test_who_kills_fails_and_nobody_else_does(n: int, poison: set[int], n_workers: int, n_at_once: int) -> None:
    engine = Workers(n_workers, n_at_once, poison=sorted(poison))
    found = results(engine, range(n))
    assert sorted(number for number, _ in found) == list(range(n))  # each once
    assert {number for number, result in found if result.status == FAILED} == poison & set(range(n))
    assert all(result.code == "E-WORKER" for _, result in found if result.status == FAILED)
    assert all(engine.given.count(number) == STRIKES for number in poison & set(range(n)))
    assert all(worker.ended for worker in engine.hired)


@given(n=st.integers(1, 20), lives=st.lists(st.integers(0, 6), max_size=8), **shapes)
@settings(max_examples=60, deadline=None)
def test_each_ends_once_whenever_workers_die(n: int, lives: list[int], n_workers: int, n_at_once: int) -> None:
    engine = Workers(n_workers, n_at_once, lives=lives)
    found = results(engine, range(n))
    assert sorted(number for number, _ in found) == list(range(n))
    for number, result in found:
        # Nobody is blamed for one death only, and who outlived it is done.
        assert (result.status == FAILED) == (engine.victims[number] >= STRIKES)


def test_what_a_worker_says_twice_counts_once() -> None:
    class Stutterer(Workers):
        def hire(self, setup: object, tell: Callable[..., None]) -> Any:
            return super().hire(setup, lambda hand, event: (tell(hand, event), tell(hand, event)))

    assert [number for number, _ in results(Stutterer(1, 1), range(4))] == [0, 1, 2, 3]


def test_recordings_are_begun_in_the_order_given() -> None:
    numbers = [3, 1, 4, 0, 2]
    engine = Workers(1, 2)
    results(engine, numbers)
    assert engine.given == numbers


def test_nobody_holds_more_than_it_can() -> None:
    engine = Workers(2, 3)
    engine.gate.clear()
    happening = dispatched(engine, range(20))
    assert isinstance(next(happening), Ready) and isinstance(next(happening), Ready)
    threading.Timer(0.3, engine.gate.set).start()
    next(event for event in happening if isinstance(event, Ended))
    assert max(Counter(engine.given[:6]).values()) == 1 and all(len(worker.held) <= 3 for worker in engine.hired)
    assert sum(isinstance(event, Ended) for event in happening) == 19


def test_while_one_worker_tries_suspects_the_others_go_on() -> None:
    engine = Workers(2, 2, poison=[1])
    order = [number for number, _ in results(engine, range(200))]
    assert order.index(1) < 190  # it is not put off until all else is done


@pytest.mark.parametrize("n_lost", [1, FALSE_STARTS])
def test_a_worker_that_ends_while_it_loads_has_one_more_try(n_lost: int) -> None:
    class Stillborn(Workers):
        def at_start(self) -> Iterator[Event]:
            yield Lost("ended with exit code 1: no memory") if self.n_hired <= n_lost else Ready("quick", None, None)

    engine = Stillborn(1, 2)
    if n_lost < FALSE_STARTS:
        assert [number for number, _ in results(engine, range(3))] == [0, 1, 2]
    else:
        with pytest.raises(AsrError, match="no memory"):
            results(engine, range(3))
    assert all(worker.ended for worker in engine.hired)


def test_what_keeps_a_worker_from_being_one_is_raised_as_what_it_is() -> None:
    class Unable(Workers):
        def at_start(self) -> Iterator[Event]:
            yield Unfit("ModelError", "E-DOWNLOAD", "it cannot be had")

    engine = Unable(2, 2)
    with pytest.raises(ModelError, match="it cannot be had") as told:
        results(engine, range(3))
    assert told.value.code == "E-DOWNLOAD"
    assert all(worker.ended for worker in engine.hired)


def test_after_stop_what_is_in_hand_ends_and_nothing_is_begun() -> None:
    engine, stop = Workers(2, 3), threading.Event()
    engine.gate.clear()
    engine.status = INTERRUPTED
    happening = dispatched(engine, range(50), stop)
    assert all(isinstance(next(happening), Ready) for _ in range(2))
    threading.Timer(0.3, lambda: (stop.set(), threading.Timer(0.3, engine.gate.set).start())).start()
    ended = [event.number for event in happening if isinstance(event, Ended)]
    assert sorted(ended) == sorted(engine.given) == list(range(6))
    assert engine.n_stopped == 2


def test_a_worker_that_dies_after_stop_blames_nobody_and_holds_up_nothing() -> None:
    engine, stop = Workers(1, 3, poison=[1]), threading.Event()
    stop_then = engine.at_start

    def at_start() -> Iterator[Event]:
        yield from stop_then()
        stop.set()

    engine.at_start = at_start  # type: ignore[method-assign]
    found = [event.number for event in dispatched(engine, range(9), stop) if isinstance(event, Ended)]
    assert 1 not in found and len(engine.hired) == 1


def test_what_is_given_up_ends_the_workers() -> None:
    engine = Workers(2, 3)
    engine.gate.clear()
    happening = dispatched(engine, range(10))
    next(happening)
    happening.close()  # type: ignore[attr-defined]
    engine.gate.set()
    assert all(worker.ended for worker in engine.hired)


def test_an_idle_worker_that_dies_is_no_loss_once_all_is_given_out() -> None:
    engine = Workers(2, 1)
    engine.gate.clear()
    found: list[Event] = []
    running = threading.Thread(target=lambda: found.extend(dispatched(engine, [0])), daemon=True)
    running.start()
    while not (engine.given and len(engine.hired) == 2):
        time.sleep(0.001)
    [idle] = [worker for worker in engine.hired if not worker.held]
    idle.tell_of(idle, Lost("killed by SIGKILL"))
    while not idle.ended:
        time.sleep(0.001)
    engine.gate.set()
    running.join(20)
    assert [event.number for event in found if isinstance(event, Ended)] == [0]
    assert len(engine.hired) == 2


def test_workers_that_die_while_they_load_are_no_error_after_stop() -> None:
    class Stillborn(Workers):
        def at_start(self) -> Iterator[Event]:
            stop.set()
            yield Lost("killed by SIGKILL")

    stop = threading.Event()
    assert all(isinstance(event, Lost) for event in dispatched(Stillborn(3, 1), range(3), stop))
