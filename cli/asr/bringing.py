"""Models on their way here, as they are seen on a screen."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asr.bytes import size_text
from asr.console import Console
from asr_cli import catalog
from asr_cli.hub.places import own_folder
from asr_cli.hub.pull import Progress, pull

if TYPE_CHECKING:
    from asr_cli.hub.ask import Answer
    from asr_cli.options import ModelOptions
    from asr_cli.registry import ModelCard

N_LINES = 10  # off a terminal, for a whole download


Show = Callable[[Progress], None]


def bring_absent(options: "ModelOptions", console: Console) -> None:
    """Download what is named and not here, before anything is loaded."""
    from asr_cli.session import absent

    for card in list(absent(options)):
        bring(card, console, hub=options.hub, offline=options.offline)


def bring(card: "ModelCard", console: Console, *, hub: str, revision: str | None = None, offline: bool = False) -> Path:
    """Download one model, in sight; what was downloaded before Ctrl-C is kept."""
    answer = catalog.question(card, hub=hub, revision=revision, offline=offline)
    manifest = answer.manifest
    console.notice(
        f"{card.name}: {size_text(manifest.size)} from {told(answer)} to {own_folder(card.name)}",
        model=card.name, hub=manifest.hub, model_id=manifest.model_id, revision=manifest.revision, bytes=manifest.size,
    )  # fmt: skip
    return watch(card.name, pull(card.name, manifest), console)


def watch(name: str, steps: Generator[Progress, None, Path], console: Console) -> Path:
    with metering(name, console) as show:
        share = 0.0
        try:
            while True:
                step = next(steps)
                share = step.done / step.total if step.total else 1.0
                show(step)
        except StopIteration as end:
            return Path(end.value)
        except KeyboardInterrupt:
            console.notice(f"{name}: stopped at {share:.0%}; what was downloaded is kept, the same command continues")
            raise
        finally:
            steps.close()


def told(answer: "Answer") -> str:
    name = answer.manifest.hub_name
    return f"{name}, which answered first ({answer.seconds * 1000:.0f} ms)" if answer.raced else name


@contextmanager
def metering(name: str, console: Console) -> Iterator[Show]:
    """What shows how far a download has come."""
    if console.quiet or console.json or not sys.stderr.isatty():
        yield Lines(name, console).show
        return
    from asr.bar import download_bar

    with console.showing(download_bar()) as bar:
        task = bar.add_task(name, total=None)
        yield lambda step: bar.update(task, completed=step.done, total=step.total)


class Lines:
    """In a log, or for a program that reads JSON."""

    def __init__(self, name: str, console: Console) -> None:
        self._name, self._console = name, console
        self._n_shown = 0

    def show(self, step: Progress) -> None:
        n_steps = N_LINES if step.done >= step.total else N_LINES * step.done // step.total
        if n_steps == self._n_shown:
            return
        self._n_shown = n_steps
        if self._console.json:
            self._console.event("download", model=self._name, file=step.file, bytes=step.done, total=step.total)
        else:
            share = n_steps / N_LINES
            self._console.notice(f"{self._name} {share:.0%} {size_text(step.done)}/{size_text(step.total)}")
