"""What `asr train` shows: a line now and then, with what a person wants to know."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from asr.console import Console, clock
from asr.interrupt import stopping
from asr.main import INTERRUPTED
from asr_cli.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from asr_cli.train.events import Event, Finished, Started, Stepped, Validated

LINE_EVERY_SECONDS = 5.0
DRAWN_EVERY_SECONDS = 0.5  # on a terminal
BRIEFLY = 60  # characters of a sample


def require(**given: object) -> None:
    for name, value in given.items():
        if not value:
            raise UsageError(f"asr train needs --{name}; see asr train --help")


def follow(
    config: str | None, changes: Sequence[str], *, data: Sequence[str], valid: Sequence[str], out: Path,
    init: str | None, freeze: Sequence[str], overwrite: bool, device: str, devices: str, nodes: int, precision: str,
    as_json: bool, quiet: bool,
) -> int:  # fmt: skip
    """Train and show how it goes; the exit code."""
    from asr_cli.train.board import shown_on_board
    from asr_cli.train.config import Run, read_precision, read_recipe
    from asr_cli.train.devices import is_first
    from asr_cli.train.loop import train

    console = Console(quiet=quiet or not is_first(), json=as_json and is_first())
    run = Run(
        recipe=read_recipe(config, changes), data=tuple(data), valid=tuple(valid), out=out,
        init=None if init is None else find_folder(init), freeze=tuple(freeze), overwrite=overwrite, device=device,
        devices=number_of(devices), nodes=nodes, precision=read_precision(precision),
    )  # fmt: skip
    with stopping(console, "stopping after this step (again: at once)", waits=True) as stop, drawn(console) as bar:
        screen = Screen(console, out, bar)
        for event in shown_on_board(train(run, stop=stop), out):
            screen.show(event)
    return INTERRUPTED if screen.is_stopped else 0


@contextmanager
def drawn(console: Console) -> Iterator["Bar | None"]:
    """A bar, where there is a terminal to draw it on."""
    if console.quiet or console.json or not sys.stderr.isatty():
        yield None
        return
    from asr.bar import step_bar

    with console.showing(step_bar()) as bar:
        yield bar


def number_of(devices: str) -> int:
    if devices == "auto":
        return 0
    if not devices.isdecimal() or int(devices) < 1:
        raise UsageError(f"--devices {devices!r} is no number of devices; write one, or auto")
    return int(devices)


def find_folder(name: str) -> Path:
    """A model's folder, fetched where it is not here."""
    if os.path.isdir(name):  # noqa: PTH112
        return Path(name)
    from asr_cli import catalog
    from asr_cli.options import ModelOptions

    entry = catalog.find(name)
    if entry.card.bundled and entry.folder is None:
        from asr_cli.train.vad_folder import as_folder

        return as_folder(entry.card.name)
    return catalog.here_or_fetched(entry.card, ModelOptions(model=name))


class Screen:
    """Events as lines."""

    def __init__(self, console: Console, out: Path, bar: "Bar | None" = None) -> None:
        self.console, self.out, self.bar = console, out, bar
        self._every = LINE_EVERY_SECONDS if bar is None else DRAWN_EVERY_SECONDS
        self.is_stopped = False
        self._last_line = 0.0
        self._audio = self._seconds = 0.0  # since the last line
        self._before: float | None = None
        self._n_skipped = 0
        self._task: TaskID | None = None

    def show(self, event: "Event") -> None:
        kind = type(event).__name__.lower()
        if self.console.json:
            from asr_cli.train.state import known

            values = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(event).items()}
            self.console.event(kind, **known(values))
        line = getattr(self, kind)(event)
        if line and not self.console.json:
            self.console.notice(line)

    def started(self, event: "Started") -> str:
        self._last_line = time.monotonic()
        skipped = f", {event.n_skipped} left out (skipped.jsonl)" if event.n_skipped else ""
        spread = f"{event.n_processes} x {event.device}" if event.n_processes > 1 else event.device
        goes_on = f"going on after step {event.step}: " if event.step else ""
        length = f", {clock(event.seconds)}" if event.seconds else ""
        tokens = f" {event.n_tokens} tokens;" if event.n_tokens is not None else ""
        return (
            f"{goes_on}{event.n_utterances} {event.unit}{length}{skipped}; {event.n_valid} to validate;{tokens}"
            f" {event.n_parameters / 1e6:.1f} M weights on {spread}"
        )

    def stepped(self, event: "Stepped") -> str:
        if event.is_skipped:
            self._n_skipped += 1
            why = "its gradient is no number" if event.parts else "nothing of it could be read"
            return f"step {event.step} is left out: {why} ({self._n_skipped} so far)"
        if self._before is not None:  # else it has taken up what came before it, too
            self._audio += event.audio
            self._seconds += event.elapsed - self._before
        self._before = event.elapsed
        now = time.monotonic()
        if now - self._last_line < self._every:
            return ""
        self._last_line = now
        pace = f"  {self._audio / self._seconds:.0f}x" if self._audio and self._seconds else ""
        self._audio = self._seconds = 0.0
        if self.bar is not None:
            self.draw(self.bar, event, f"epoch {event.epoch + 1}{pace}{losses(event)}")
            return ""
        of = f"/{event.total_steps}" if event.total_steps else ""
        left = f"  {clock(event.left)} left" if event.left is not None else ""
        return f"step {event.step}{of}  epoch {event.epoch + 1}{losses(event)}{pace}{left}"

    def draw(self, bar: "Bar", event: "Stepped", newest: str) -> None:
        if self._task is None:
            self._task = bar.add_task("train", total=event.total_steps, newest="", eta=None)
        bar.update(self._task, completed=event.step, newest=newest, eta=event.left)

    def validated(self, event: "Validated") -> str:
        self._before = None
        best = "  best so far" if event.is_best else ""
        parts = "".join(f"  {name} {value:.2%}" for name, value in event.parts.items())
        said, heard = (text if len(text) <= BRIEFLY else f"{text[: BRIEFLY - 1]}…" for text in event.sample)
        return (
            f"step {event.step}  {event.metric} {event.rate:.2%}{parts}  loss {event.loss:.4f}{best}\n"
            f"    said  {said}\n    heard {heard}"
        )

    def saved(self, event: object) -> str:
        return ""

    def finished(self, event: "Finished") -> str:
        if event.why == "stopped":
            self.is_stopped = True
            return f"stopped after step {event.step}; the same command goes on from there"
        mean = f", the mean of {event.n_averaged}" if event.n_averaged > 1 else ""
        rate = f"{event.metric} {event.rate:.2%}{mean}; " if event.rate is not None else ""
        return f"{rate}{event.use.format(event.model)}"


def losses(event: "Stepped") -> str:
    parts = "".join(f"  {name} {value:.3f}" for name, value in event.parts.items())
    return f"  loss {event.loss:.4f}{parts}  lr {event.learning_rate:.2e}"
