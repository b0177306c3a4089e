"""How a case ended, and whether that is one of the ways it may end."""

import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.audio.probe import announced_duration
from asr_cli.errors import AsrError
from tests.fuzz.media import Recording

LONG = 600.0  # seconds of sound out of a file of seconds: a rate of 1 Hz is no crime, and nobody need hear all of it
EXITS = (0, 1, 2, 3, 5)  # of the program, for a recording that may be bad


@dataclass(slots=True)
class Ending:
    """how: "blocks", "long", or the error's class. seconds: of sound. findings: what may not be."""

    how: str = ""
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)
    said: str = ""


class Warnings(logging.Handler):
    """The codes of the warnings of one case."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.codes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.codes.append(getattr(record, "code", ""))
        record.getMessage()


WARNINGS = Warnings()


def listen_to_warnings() -> None:
    logging.getLogger("asr").addHandler(WARNINGS)
    logging.getLogger("asr").propagate = False


@contextmanager
def source(recording: Recording) -> Iterator[Any]:
    """The recording in the form it is to be given in."""
    if recording.form == "Path":
        yield recording.path
    elif recording.form == "bytes":
        yield recording.path.read_bytes()
    elif recording.form == "file":
        with recording.path.open("rb") as file:
            yield file
    elif recording.form == "pipe":
        with piped(recording.path) as file:
            yield file
    else:
        yield str(recording.path)


@contextmanager
def piped(path: Path) -> Iterator[Any]:
    """The bytes through a pipe, which cannot be sought in."""
    reading, writing = os.pipe()

    def feed() -> None:
        try:
            with open(writing, "wb") as file:  # noqa: PTH123
                file.write(path.read_bytes())
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(reading, "rb") as file:  # noqa: PTH123
        yield file
    feeder.join()


def read(given: Any, options: dict[str, Any]) -> Ending:
    """Every block to the end, then what the recording announces."""
    ending = Ending()
    try:
        with closing(read_blocks(given, **options)) as blocks:
            hear(blocks, ending, options.get("start", 0.0))
    except AsrError as error:
        refused(error, ending)
    announced = None if hasattr(given, "read") else announced_duration(given)
    if announced is not None and not (math.isfinite(announced) and announced >= 0):
        ending.findings.append(f"announced {announced} seconds")
    return ending


def hear(blocks: Iterable[Audio], ending: Ending, start: float) -> None:
    ending.how = "blocks"
    at = start
    for block in blocks:
        samples = block.samples
        if samples.dtype != np.float32 or samples.ndim != 1 or not len(samples):
            ending.findings.append(f"a block of {samples.dtype} {samples.shape}")
        elif not (np.isfinite(samples).all() and np.abs(samples).max() <= 1):
            ending.findings.append("samples beyond [-1, 1]")
        if abs(block.start - at) > 1e-4:
            ending.findings.append(f"a block starts at {block.start}, the last ended at {at}")
        at = block.end
        ending.seconds += block.duration
        if ending.seconds > LONG:
            ending.how = "long"
            return


def refused(error: AsrError, ending: Ending) -> None:
    ending.how, ending.said = type(error).__name__, str(error)
    if "\n" in ending.said or len(ending.said) > 1000 or not ending.said.isprintable():
        ending.findings.append(f"a message that is no sentence: {ending.said!r:.300}")


@cache
def instant_session() -> Any:
    """The whole journey with the built-in VAD and a recogniser that answers at once."""
    from asr_cli import registry
    from asr_cli.options import ModelOptions
    from asr_cli.session import Session
    from tests.fakes import InstantRecognizer, instant_backend

    backend = instant_backend(InstantRecognizer())
    registry.backends = lambda: {"instant": backend}
    return Session(ModelOptions(punc=False, threads=1))


def transcribe(given: Any, channels: str = "mix") -> Ending:
    from asr_cli.options import ReadOptions

    ending = Ending("blocks")
    try:
        heard = instant_session().transcribe(given, ReadOptions(end=LONG, channels=channels))
        with closing(heard):
            for segment in heard:
                if not 0 <= segment.start <= segment.end <= heard.duration + 1:
                    ending.findings.append(f"a segment from {segment.start} to {segment.end} of {heard.duration}")
        ending.seconds = heard.duration
    except AsrError as error:
        refused(error, ending)
    return ending


def run_program(path: Path) -> Ending:
    """`asr transcribe` with the built-in recogniser, in its own process."""
    command = [sys.executable, "-m", "asr", "transcribe", "-m", "sphinx", "--end", "60", "--json", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    errors = done.stderr.decode("utf-8", "backslashreplace")
    ending = Ending(f"exit {done.returncode}", said=errors[-500:])
    if done.returncode not in EXITS:
        ending.findings.append(f"exit code {done.returncode}: {errors[-500:]}")
    if "Traceback" in errors or "E-BUG" in errors:
        ending.findings.append(f"a bug: {errors[-1500:]}")
    for line in errors.splitlines():
        try:
            json.loads(line)
        except ValueError:
            ending.findings.append(f"a line of --json that is none: {line!r:.300}")
    return ending
