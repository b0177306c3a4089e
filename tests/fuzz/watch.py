"""What a case may not leave behind: a child without an end, an open file, a thread, an ending by a signal."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

CHILDREN: list["Watched"] = []
PATIENCE = 2.0  # s


class Watched(subprocess.Popen[Any]):
    """A child that is remembered until the case has been judged."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        CHILDREN.append(self)


class HangError(BaseException):
    """The bound is passed. Nothing that catches errors may swallow it."""


def watch_children() -> None:
    subprocess.Popen = Watched  # type: ignore[misc]


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise HangError out of whatever the main thread waits for."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def state() -> tuple[int, int]:
    """Open files and threads."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208


def remains(before: tuple[int, int]) -> list[str]:
    """What is left of a case's children, files and threads."""
    found = []
    for child in CHILDREN:
        if child.poll() is None:
            found.append(f"left a process running: {child.args!r:.200}")
            child.kill()
            child.wait()
    deadline = time.monotonic() + PATIENCE  # for our own web server, which may still be closing a connection
    while any(now > then for now, then in zip(state(), before, strict=True)) and time.monotonic() < deadline:
        time.sleep(0.01)
    files, threads = state()
    if files > before[0]:
        found.append(f"left {files - before[0]} files open")
    if threads > before[1]:
        found.append(f"left {threads - before[1]} threads")
    return found


def crashes() -> list[str]:
    """Children that a signal ended, other than the one we end them with."""
    died = [child for child in CHILDREN if child.returncode and child.returncode < 0]
    CHILDREN.clear()
    return [f"a child died of signal {-child.returncode}" for child in died if child.returncode != -signal.SIGKILL]
