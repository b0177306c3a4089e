"""Where workers work: in processes of this machine, or through another program's cluster."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from asr_cli.errors import UsageError
from asr_cli.jobs.child import Child
from asr_cli.jobs.files import most_in_hand
from asr_cli.jobs.messages import Event, Setup, Task
from asr_cli.options import ModelOptions

CORES_PER_JOB = 4  # one process shares its cores out well up to about so many
MORE_READING = 2  # recordings being opened or written while as many as there are cores are being decoded
MORE_IN_HAND = (
    16  # recordings for each core that are waiting for their last words: short ones fill batches only together
)


class Hand(Protocol):
    """A worker, as whoever gives it work knows it."""

    def give(self, task: Task, /) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def kill(self) -> None: ...


Tell = Callable[[Hand, Event], None]


class Engine(Protocol):
    """Hires workers. setups: one for each there should be at first. more: for those there has come to be room for."""

    @property
    def setups(self) -> Sequence[Setup]: ...

    def more(self) -> Sequence[Setup]: ...

    def hire(self, setup: Setup, tell: Tell, /) -> Hand: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Child processes."""

    setups: tuple[Setup, ...]

    def more(self) -> Sequence[Setup]:
        return ()

    def hire(self, setup: Setup, tell: Tell, /) -> Hand:
        return Child(setup, tell)

    def close(self) -> None:
        """Its workers have ended, and there is nothing else to it."""


def n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_jobs(devices: Sequence[str], jobs: int | None) -> int:
    """How many workers: by default one for each device, and of a processor's cores one for every few."""
    if jobs is not None and jobs < len(devices):
        raise UsageError(f"{jobs} jobs cannot use {len(devices)} devices; give as many jobs, or fewer devices")
    on_cpu = devices[0] in ("auto", "cpu")
    return jobs or (max(1, n_cores() // CORES_PER_JOB) if on_cpu else len(devices))


def local_setups(setup: Setup, devices: Sequence[str], jobs: int | None) -> tuple[Setup, ...]:
    """One for each worker, devices and cores shared out among them."""
    count = local_jobs(devices, jobs)
    threads = setup.models.threads or max(1, n_cores() // count)
    return tuple(
        sized(replace(setup, models=on_device(setup.models, devices[index % len(devices)], threads)), threads)
        for index in range(count)
    )


def sized(setup: Setup, threads: int) -> Setup:
    """As many recordings in hand as so many cores can keep moving, and as a process may have files for."""
    n_reading, most = most_in_hand(threads + MORE_READING, setup.n_formats)
    return replace(setup, n_reading=n_reading, n_at_once=min(most, threads * (1 + MORE_IN_HAND) + MORE_READING))


def on_device(models: ModelOptions, device: str, threads: int) -> ModelOptions:
    return replace(models, device=device, threads=threads)
