"""What Ray runs on a cluster's machine: a worker whose events are a stream."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from asr_cli.audio.address import is_address
from asr_cli.jobs.child import begin
from asr_cli.jobs.messages import Event, Setup, Task

if TYPE_CHECKING:
    from asr_cli.jobs.worker import Worker


class RayWorker:
    """folder: where the driver runs, which is where relative paths begin."""

    def __init__(self, setup: Setup, folder: str) -> None:
        self._setup, self._folder = setup, folder
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._worker: Worker | None = None
        with suppress(ValueError):  # Ray imports from the driver's folder first; a numpy.py there is the user's own
            sys.path.remove(folder)
        self._is_there = enter(folder)

    def events(self) -> Iterator[Event]:
        """Whatever happens from the loading of the models on, until the worker is closed."""
        self._worker = begin(self._setup, self._events.put)
        if self._worker is None:
            self._events.put(None)
        while (event := self._events.get()) is not None:
            yield event

    def take(self, task: Task) -> None:
        if self._worker is not None:
            self._worker.take(task if self._is_there else from_folder(task, self._folder))

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._events.put(None)


def enter(folder: str) -> bool:
    try:
        os.chdir(folder)
    except OSError:
        return False
    return True


def from_folder(task: Task, folder: str) -> Task:
    """The same task, where the folder that its recording is named from cannot be entered."""
    item = task.item
    if item.piped or is_address(item.source):
        return task
    return replace(task, item=replace(item, source=str(Path(folder, item.source))))
