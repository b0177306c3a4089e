"""A run's curves for TensorBoard."""

import os
import socket
import time
from collections.abc import Generator, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from asr_cli.train.events import Event, Started, Stepped, Validated
from asr_cli.train.state import append, kept

FOLDER = "tensorboard"
VERSION = "brain.Event:2"  # of the files


def shown_on_board(events: Iterable[Event], out: Path) -> Iterator[Event]:
    """The same events; what can be drawn is written to a file on the way."""
    curves = None
    try:
        for event in events:
            if isinstance(event, Started):
                curves = Curves(out / FOLDER, event.step)
            if curves is not None:
                curves.draw(values(event))
            yield event
    finally:  # how a run went that ended with an error is asked for most
        if curves is not None:
            curves.close()
        if isinstance(events, Generator):
            events.close()  # a run whose curves cannot be drawn is over, and its folder free


class Curves:
    """One more of TensorBoard's event files in a folder. Its own writer has a thread, in which a full disk is nobody's
    to tell."""

    def __init__(self, folder: Path, step: int) -> None:
        """step: what comes after it, an interrupted run drew beyond its state, and it is drawn again."""
        self.path = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        with kept(self.path):
            folder.mkdir(exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self.write({"file_version": VERSION}, {"step": step + 1, "session_log": SessionLog(status=SessionLog.START)})

    def draw(self, found: Iterable[tuple[str, float, int]]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.write(
            *({"step": step, "summary": Summary(value=[Summary.Value(tag=name, simple_value=value)])}
              for name, value, step in found)
        )  # fmt: skip

    def write(self, *records: dict[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.record_writer import RecordWriter

        whole = BytesIO()
        for record in records:
            RecordWriter(whole).write(Record(wall_time=time.time(), **record).SerializeToString())
        with kept(self.path):
            append(self._file, whole.getvalue())

    def close(self) -> None:
        self._file.close()


def values(event: Event) -> Iterator[tuple[str, float, int]]:
    if isinstance(event, Stepped) and not event.is_skipped:
        yield "train/loss", event.loss, event.step
        yield "train/learning rate", event.learning_rate, event.step
        yield "train/gradient", event.gradient, event.step
        for name, value in event.parts.items():
            yield f"train/{name}", value, event.step
    if isinstance(event, Validated):
        yield "valid/loss", event.loss, event.step
        yield f"valid/{event.metric}", event.rate, event.step
        for name, value in event.parts.items():
            yield f"valid/{name}", value, event.step
