"""Models in memory, and several recordings in hand: what works in a child process, or on another machine.

A thread for each recording decodes, cuts, and writes the results; recognition is shared by all of them.
"""

import errno
import json
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from asr_cli.audio import Audio
from asr_cli.audio.address import local_path
from asr_cli.errors import AsrError, InputError, OutputError
from asr_cli.jobs.journal import place_of, read_record, record_of
from asr_cli.jobs.kaldi import KaldiLines
from asr_cli.jobs.manifest import Item
from asr_cli.jobs.messages import (
    CHANGED,
    DONE,
    FAILED,
    INTERRUPTED,
    NO_SPEECH,
    Ended,
    Event,
    Heard,
    Result,
    Said,
    Setup,
    Task,
)
from asr_cli.jobs.recording import info
from asr_cli.jobs.results import Written, keep, make_folder, write_results
from asr_cli.jobs.store import StoreError, put_all
from asr_cli.longform.mix import Account
from asr_cli.options import ReadOptions
from asr_cli.session import Session, use_threads
from asr_cli.subtitles.output import Info
from asr_cli.transcript import Segment

log = logging.getLogger("asr")

# What no other recording would fare better with.
FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV}


class StoppedError(Exception):
    """Somebody asked to stop before the recording was through."""


class Worker:
    """tell: called from any thread with whatever happens. Closing it interrupts what is in hand."""

    def __init__(self, setup: Setup, tell: Callable[[Event], None]) -> None:
        self.setup = setup
        self.tell = tell
        self._threads: set[threading.Thread] = set()
        self._stop = threading.Event()
        self._desks = threading.Semaphore(setup.n_reading)  # to read at
        self._outputs: set[BinaryIO] = set()
        self._said = Relay(tell)
        log.handlers, log.propagate = [self._said], False
        log.setLevel(logging.INFO)
        self.session = Session(setup.models)
        self.session.share()

    def take(self, task: Task) -> None:
        """Begin with a recording; `tell` hears how it ends."""
        thread = threading.Thread(target=self._work, args=(task,), name=f"recording {task.number}", daemon=True)
        self._threads = {one for one in self._threads if one.is_alive()} | {thread}
        thread.start()

    def stop(self) -> None:
        """Finish what is being recognised, and end the recordings there."""
        self._stop.set()
        self.session.stop_sharing()
        for output in tuple(self._outputs):  # of commands, which may keep us waiting for hours
            output.close()

    def close(self) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()
        self.session.close()

    def _work(self, task: Task) -> None:
        use_threads(1)  # there are enough recordings to keep the other cores busy
        with self._said.listening() as warnings:
            try:
                result = self._transcribe(task)
            except StoppedError:
                result = Result(status=INTERRUPTED)
            except BaseException as error:  # whatever it is, the other recordings go on
                result = Result(status=INTERRUPTED) if self._stop.is_set() else failed(error)
        self.tell(Ended(task.number, replace(result, warnings=tuple(warnings))))

    def _transcribe(self, task: Task) -> Result:
        reading = spanned(self.setup.reading, task.item)
        lines = KaldiLines()
        with ExitStack() as stack:
            leave = self._sit_down(stack)
            source = stack.enter_context(opened(task.item))
            if not isinstance(source, str):
                self._hold(source, stack)
            account = self.session.account()
            memories = Memories(task, self.tell, account)
            heard = self.session.transcribe(
                source, reading, memories=memories, stop=self._stop, when_heard=leave, account=account
            )
            stack.enter_context(closing(heard))
            segments = self._until_stopped(unchanged(heard, task.item))
            written = self._write(task, segments, lambda: info(heard, self.session), lines)
        duration = max(0.0, heard.duration - reading.start)
        return Result(
            status=DONE if written.n_segments else NO_SPEECH, duration=duration,
            work=time.thread_time() + memories.work, recalled=duration * memories.share,  # the thread is its own
            n_segments=written.n_segments, n_suspect=written.n_suspect, text=lines.text, tokens=lines.tokens,
            times=lines.times, score=lines.score,
        )  # fmt: skip

    def _sit_down(self, stack: ExitStack) -> Callable[[], None]:
        """Wait for a desk; what is given back leaves it, the first time it is called."""
        self._desks.acquire()
        held = stack.enter_context(ExitStack())
        held.callback(self._desks.release)
        if self._stop.is_set():
            raise StoppedError
        return held.close

    def _hold(self, output: BinaryIO, stack: ExitStack) -> None:
        """Let `stop` close it."""
        self._outputs.add(output)
        stack.callback(self._outputs.discard, output)
        if self._stop.is_set():
            raise StoppedError

    def _write(self, task: Task, segments: Iterator[Segment], about: Callable[[], Info], lines: KaldiLines) -> Written:
        for target in task.targets:
            make_folder(target.path.parent)
            make_folder(target.partial.parent)
        written = write_results(segments, task.targets, self.setup.layout, about, others=lambda: (lines,))
        keep(task.targets, complete=True)
        if task.upload is not None:
            names = [f"{task.item.name}.{target.format}" for target in task.targets]
            paths = [target.path for target in task.targets]
            put_all(task.upload, zip(paths, names, strict=True), keep=False)
        return written

    def _until_stopped(self, segments: Iterator[Segment]) -> Iterator[Segment]:
        yield from segments
        if self._stop.is_set():  # what there is ends somewhere, not where the recording does
            raise StoppedError


class Memories:
    """An earlier run's utterances; what is new is told to whoever keeps them."""

    def __init__(self, task: Task, tell: Callable[[Event], None], account: Account | None) -> None:
        self._task, self._tell, self._account = task, tell, account
        self._told = self._recalled = self._asked = 0.0  # seconds: of work, of audio, of audio
        self._lock = threading.Lock()  # utterances are done in other threads than they are asked for

    def channel(self, channel: int) -> "Memory":
        return Memory(self, channel)

    @property
    def work(self) -> float:
        """Seconds that recognising took, in earlier runs, too."""
        return self._task.spent + (self._account.seconds if self._account is not None else 0.0)

    @property
    def share(self) -> float:
        """How much of the speech an earlier run had recognised."""
        return self._recalled / self._asked if self._asked and not self._task.again else 0.0

    def recall(self, place: str, duration: float) -> str | None:
        known: Mapping[str, str] = self._task.known
        segment = known.get(place)
        self._asked += duration
        self._recalled += duration if segment is not None else 0.0
        return segment

    def remember(self, place: str, segment: str, end: float) -> None:
        with self._lock:
            spent = self._account.seconds if self._account is not None else 0.0
            work, self._told = spent - self._told, spent
        self._tell(Heard(self._task.number, place, segment, end, work))


class Memory:
    """A channel's."""

    def __init__(self, memories: Memories, channel: int) -> None:
        self._memories, self._channel = memories, channel

    def recall(self, utterance: Audio) -> Segment | None:
        known = self._memories.recall(place_of(self._channel, utterance), utterance.duration)
        return None if known is None else read_record(json.loads(known))

    def remember(self, utterance: Audio, segment: Segment) -> None:
        record = json.dumps(record_of(segment))
        self._memories.remember(place_of(self._channel, utterance), record, utterance.end)


class Relay(logging.Handler):
    """What is said in a recording's own thread belongs to its record; the rest is passed on."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        super().__init__()
        self._tell = tell
        self._here = threading.local()

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        self._here.warnings = []
        try:
            yield self._here.warnings
        finally:
            del self._here.warnings

    def emit(self, record: logging.LogRecord) -> None:
        warnings: list[str] | None = getattr(self._here, "warnings", None)
        if warnings is None:
            self._tell(Said(record.levelno, record.getMessage()))
        elif record.levelno >= logging.WARNING:
            warnings.append(record.getMessage())


def spanned(reading: ReadOptions, item: Item) -> ReadOptions:
    """A stretch of a recording says itself where it begins and ends."""
    if item.start or item.end is not None:
        return replace(reading, start=item.start, end=item.end)
    return reading


@contextmanager
def opened(item: Item) -> Iterator[Any]:
    """What a session can hear."""
    if not item.piped:
        yield item.source
        return
    from asr_cli.audio.command import open_command

    with open_command(item.source) as output:
        yield output


def unchanged(segments: Iterator[Segment], item: Item) -> Iterator[Segment]:
    """The same segments; whoever changes the recording meanwhile is found out before its results get their names."""
    before = state(item.source)
    try:
        yield from segments
    except InputError as error:  # which would blame the recording
        if not item.piped and state(item.source) != before:
            raise changed(item) from error
        raise
    if not item.piped and state(item.source) != before:
        raise changed(item)


def changed(item: Item) -> InputError:
    error = InputError(f"{item.source!r} was changed or removed while it was read; the same command hears it again")
    error.code = CHANGED
    return error


def state(source: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(local_path(source))  # noqa: PTH116 - as it was given
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def failed(error: BaseException) -> Result:
    """What to say of a recording that could not be transcribed."""
    if isinstance(error, OSError):
        fatal = error.errno in FATAL
        named = error.filename2 or error.filename  # what is renamed bears a number until then
        place = Path(named).name if isinstance(named, str) else "the results"
        error = OutputError(f"cannot write {place!r}: {error.strerror or error}")
        return Result(status=FAILED, code=error.code, error=str(error), fatal=fatal)
    if isinstance(error, MemoryError):
        text = "memory does not suffice for it; close what else runs, or give fewer --jobs"
        return Result(status=FAILED, code="E-MEMORY", error=text)
    if isinstance(error, AsrError):
        return Result(status=FAILED, code=error.code, error=str(error), fatal=isinstance(error, StoreError))
    return Result(status=FAILED, code="E-BUG", error=f"{type(error).__name__}: {error} ({where(error)}); this is a bug")


def where(error: BaseException) -> str:
    """The last line of ours that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
