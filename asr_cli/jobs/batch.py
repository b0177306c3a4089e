"""Many recordings, from the list to the results: what is to be done, done, and told at the end."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from asr_cli.errors import AsrError, NotFoundError, OutputError
from asr_cli.jobs.dispatch import Dispatcher
from asr_cli.jobs.engine import Engine
from asr_cli.jobs.identity import Identity
from asr_cli.jobs.ledger import NAME, Ledger, Print, Standing
from asr_cli.jobs.manifest import Item, check, size_of
from asr_cli.jobs.messages import CHANGED, COMPLETE, FAILED, INTERRUPTED, Ended, Event, Heard, Result, Setup, Task
from asr_cli.jobs.plan import Target
from asr_cli.jobs.results import make_folder
from asr_cli.jobs.store import Store

PARTS = ".asr-parts"  # where results lie until they are complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for.

    overwrite: also what is complete. retry_failed: also what failed before. longest_first: by size, so that no long
    recording is left alone at the end. upload: the address that results belong to, if the directory only helps.
    """

    items: Sequence[Item]
    directory: Path
    formats: tuple[str, ...]
    setup: Setup
    overwrite: bool = False
    retry_failed: bool = False
    longest_first: bool = False
    upload: str | None = None


class Watcher(Protocol):
    """Whoever shows how it goes."""

    def happened(self, batch: "Batch", event: Event, /) -> None: ...


@dataclass(slots=True)
class Batch:
    """The recordings of an order by number, and how each stands.

    todo: in the order they are begun. skipped: complete before this run. failed_before: and not tried again.
    refused: cannot be read, told without opening them. again: those of todo that an earlier run completed, before the
    recording or the options changed, or that are to be overwritten. known: those whose end in the ledger still counts.
    """

    order: Order
    made: dict[int, Print] = field(default_factory=dict)
    todo: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    failed_before: list[int] = field(default_factory=list)
    refused: dict[int, AsrError] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    store: Store | None = None

    def item(self, number: int) -> Item:
        return self.order.items[number]

    def targets(self, number: int) -> tuple[Target, ...]:
        order, name = self.order, self.item(number).name
        # A killed run's worker may live a moment longer: what it leaves must not be taken for ours.
        parts = order.directory / PARTS / str(os.getpid())
        return tuple(
            Target(kind, order.directory / f"{name}.{kind}", parts / f"{number}.{kind}") for kind in order.formats
        )

    def places(self, number: int) -> list[str]:
        """Where a recording's results are in the end."""
        targets = self.targets(number)
        if self.store is None:
            return [str(target.path) for target in targets]
        return [self.store.place_of(self.name_of(target)) for target in targets]

    def name_of(self, target: Target) -> str:
        return target.path.relative_to(self.order.directory).as_posix()

    def is_there(self, target: Target) -> bool:
        if self.store is not None:
            return self.name_of(target) in self.store.names
        return os.path.exists(target.path)  # noqa: PTH110

    def result(self, number: int, ledger: Ledger) -> Result | None:
        """How a recording stands; None if it is not through."""
        if number in self.refused:
            error = self.refused[number]
            return Result(status=FAILED, code=error.code, error=str(error))
        return ledger.result(self.item(number).key) if number in self.known else None


def open_ledger(directory: Path) -> Ledger:
    """The ledger of an output directory, which is made if it is not there."""
    try:
        make_folder(directory)
    except OSError as error:
        raise OutputError(f"cannot write in {str(directory)!r}: {error.strerror}; choose another with -o") from error
    return Ledger(directory / NAME)


def look(order: Order, ledger: Ledger) -> Batch:
    """What is to be done, and what is not. No recording is opened."""
    batch = Batch(order, store=Store(order.upload) if order.upload else None)
    identity = Identity(order.setup, order.formats)
    standings = ledger.standings()
    for number, item in enumerate(order.items):
        batch.made[number] = identity.of(item)
        place(batch, number, standings.get(item.key))
    if order.longest_first:
        sizes = {number: size_of(batch.item(number)) for number in batch.todo}
        # Nobody knows how long a pipe or an address is: it may be the longest.
        batch.todo.sort(key=lambda number: -(sys.maxsize if sizes[number] is None else sizes[number] or 0))
    return batch


def place(batch: Batch, number: int, before: Standing | None) -> None:
    """Where a recording belongs. before: how an earlier run left it."""
    order, now = batch.order, batch.made[number]
    error = check(batch.item(number))
    if error is not None and not is_kept(batch, number, error, before):
        batch.refused[number] = error
        return
    if before is None:
        batch.todo.append(number)
        return
    counts = error is not None or before.made.suffices(now)
    is_complete, is_done = before.status in COMPLETE, counts and is_through(batch, number, before)
    if is_done or (counts and before.status == FAILED):
        batch.known.add(number)  # until it is begun, if ever
    if is_done and not order.overwrite:
        (batch.skipped if is_complete else batch.failed_before).append(number)
        return
    batch.todo.append(number)
    if is_complete and (is_done or not counts):
        batch.again.append(number)


def is_kept(batch: Batch, number: int, error: AsrError, before: Standing | None) -> bool:
    """Whether a recording that is not there any more was complete: many a corpus is moved away when it is done."""
    if before is None or not isinstance(error, NotFoundError) or batch.order.overwrite:
        return False
    is_same = before.made.suffices_but_for_state(batch.made[number])
    return is_same and before.status in COMPLETE and is_through(batch, number, before)


def is_through(batch: Batch, number: int, before: Standing) -> bool:
    if before.status == FAILED:  # somebody changed it meanwhile: what it is now has never been tried
        return not batch.order.retry_failed and before.code != CHANGED
    return before.status in COMPLETE and all(map(batch.is_there, batch.targets(number)))


def run(batch: Batch, ledger: Ledger, engine: Engine, watcher: Watcher, stop: threading.Event) -> None:
    """Do what is to be done. What was done is in the ledger, however this ends."""
    parts = batch.order.directory / PARTS
    shutil.rmtree(parts, ignore_errors=True)  # an earlier run's, that somebody killed
    fatal: Result | None = None
    if batch.order.overwrite:
        for number in batch.todo:
            ledger.forget(batch.item(number).key)
    try:
        for events in Dispatcher(engine, batch.todo, tasks(batch, ledger)).run(stop):
            for event in events:
                note(batch, ledger, event)
                if isinstance(event, Ended) and event.result.fatal:
                    fatal = event.result
                    stop.set()
            ledger.commit()
            for event in events:  # what is told is true: it is on the disk
                watcher.happened(batch, event)
    finally:
        ledger.commit()
        shutil.rmtree(parts, ignore_errors=True)
    if fatal is not None:
        raise OutputError(f"{fatal.error}; the batch was stopped, nothing is lost, and the same command continues")


def tasks(batch: Batch, ledger: Ledger) -> Callable[[int], Task]:
    given: set[int] = set()

    def task(number: int) -> Task:
        item, made, again = batch.item(number), batch.made[number], number in given
        known = ledger.known(item.key, made)
        ledger.begin(item.key, made)
        given.add(number)
        return Task(
            number=number, item=item, targets=batch.targets(number), known=known, spent=ledger.spent(item.key),
            again=again, upload=batch.order.upload,
        )  # fmt: skip

    return task


def note(batch: Batch, ledger: Ledger, event: Event) -> None:
    if isinstance(event, Heard):
        ledger.heard(batch.item(event.number).key, event.place, event.segment, event.work)
    elif isinstance(event, Ended) and event.result.status != INTERRUPTED and not event.result.fatal:
        ledger.ended(batch.item(event.number).key, event.result)
        batch.known.add(event.number)


def results(batch: Batch, ledger: Ledger) -> Iterator[tuple[int, Result | None]]:
    """Each recording of the order, in its order."""
    for number in range(len(batch.order.items)):
        yield number, batch.result(number, ledger)
