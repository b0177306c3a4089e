"""The bar of a terminal: audio time, so that it never jumps, and the newest text below it."""

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from asr.console import clock


class AudioTime(ProgressColumn):
    def render(self, task: Task) -> Text:
        done = clock(task.completed)
        if not task.total:
            return Text(done)
        return Text(f"{done}/{clock(task.total)}  {min(1.0, task.completed / task.total):.0%}")


class Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate, eta = task.fields.get("rate"), task.fields.get("eta")
        return Text((f"{rate:.1f}x" if rate else "") + (f"   ETA {clock(eta)}" if eta is not None else ""))


class NewestBelow(Progress):
    """A progress bar, and one line of text, cut to the terminal's width."""

    def get_renderables(self) -> "list[RenderableType]":
        below = [
            Text(f"  {task.fields['newest']}", style="dim", no_wrap=True, overflow="ellipsis") for task in self.tasks
        ]
        return [self.make_tasks_table(self.tasks), *below]


def make_bar() -> Progress:
    return NewestBelow(
        TextColumn("{task.description}"), BarColumn(bar_width=26), AudioTime(), Pace(),
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip


def step_bar() -> Progress:
    """Steps of a training run, and a line about the latest."""
    return NewestBelow(
        TextColumn("{task.description}"), BarColumn(bar_width=26), MofNCompleteColumn(), Pace(),
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip


def download_bar() -> Progress:
    """Bytes of a model on its way here."""
    return Progress(
        TextColumn("  {task.description}  {task.percentage:>3.0f}%"), BarColumn(bar_width=26), DownloadColumn(),
        TransferSpeedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip


def batch_bar() -> Progress:
    """Bytes of recordings that are through, and a line about them."""
    return Progress(
        BarColumn(bar_width=26), TextColumn("{task.fields[line]}"),
        console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
