"""All that the program says, on standard error: notices, warnings, errors, progress; and where results go meanwhile."""

import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from asr_cli.transcript import Segment

LINE_EVERY_SECONDS = 10.0  # off a terminal
RATE_AFTER_SECONDS = 1.0  # sooner, a rate means nothing


class Console:
    """The one sink. json: every message is an object a line."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json: bool = False, debug: bool = False) -> None:
        self.quiet, self.verbose, self.json, self.debug = quiet, verbose, json, debug
        self._above: Callable[[str], None] | None = None  # prints a line above what is drawn on the terminal
        # Results on the terminal that the bar is drawn on go above it; anywhere else they are none of its business.
        self.results: TextIO = cast(TextIO, AboveBar(self)) if is_one_terminal() else sys.stdout
        self._attach()

    def notice(self, text: str, **data: Any) -> None:
        if self.json:
            self.event("notice", message=text, **data)
        elif not self.quiet:
            self._print(text)

    def warning(self, text: str, code: str | None = None) -> None:
        if self.json:
            self.event("warning", message=text, code=code)
        elif not self.quiet:
            self._print(f"warning: {text}" + (f"  [{code}]" if code else ""))

    def error(self, text: str, code: str) -> None:
        if self.json:
            self.event("error", message=text, code=code)
        else:
            self._print(f"asr: {text}  [{code}]")

    def event(self, kind: str, **data: Any) -> None:
        """A line of JSON, if that is how we speak; nothing otherwise."""
        if self.json:
            self._print(json.dumps({"event": kind, **data}, ensure_ascii=False))

    def segment(self, segment: "Segment") -> None:
        """What has just been recognised, for who wants to see it."""
        if self.json:
            known = {name: value for name in ("language", "suspect") if (value := getattr(segment, name)) is not None}
            self.stretch(segment.start, segment.end, text=segment.text, speaker=segment.speaker, **known)
        elif self.verbose:
            from asr_cli.subtitles.txt import timestamped_line

            self.notice(timestamped_line(segment) + (f"  (suspect: {segment.suspect})" if segment.suspect else ""))

    def stretch(self, start: float, end: float, **known: Any) -> None:
        """Where somebody speaks, and what is known of it."""
        if self.json:
            self.event("segment", start=round(start, 3), end=round(end, 3), **known)
        elif self.verbose:
            from asr_cli.subtitles.txt import timestamped_line
            from asr_cli.transcript import Segment, Word

            self.notice(timestamped_line(Segment((Word("", start, end),))).rstrip())

    @contextmanager
    def progress(self, name: str, total: float | None) -> Iterator["Progress"]:
        """total: seconds of audio, or None when nobody knows."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield Progress(self, name, total)
            return
        from asr.bar import make_bar

        with self.showing(make_bar()) as bar:
            yield Progress(self, name, total, bar, bar.add_task("recognise", total=total, name=name, newest=""))

    @contextmanager
    def showing(self, bar: "Bar") -> Iterator["Bar"]:
        """Draw a bar; whatever else is said meanwhile goes above it."""

        def above(line: str) -> None:
            bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

        with bar, self.drawing(above):
            yield bar

    @contextmanager
    def drawing(self, above: Callable[[str], None]) -> Iterator[None]:
        """Something is drawn on the terminal; `above` prints a line over it."""
        self._above = above
        try:
            yield
        finally:
            self._above = None
            self.results.flush()

    @property
    def is_drawn_on(self) -> bool:
        return self._above is not None

    def above_bar(self, line: str) -> bool:
        """Print a line above what is drawn, if anything is."""
        if self._above is None:
            return False
        self._above(line)
        return True

    def _print(self, text: str) -> None:
        # A name that is no UTF-8 on the disk must not stop a message about it.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        if not self.above_bar(text):
            print(text, file=sys.stderr, flush=True)

    def _attach(self) -> None:
        log = logging.getLogger("asr")
        log.handlers = [Relay(self)]
        log.setLevel(logging.INFO)
        log.propagate = False


class AboveBar(io.TextIOBase):
    """Standard output while a bar may stand on the same terminal: whole lines go above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = ""  # a line without its end yet

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if not self._console.above_bar(line):
                print(line)
        return len(text)

    def flush(self) -> None:
        if not self._console.is_drawn_on:  # under a bar, half a line would be drawn over
            sys.stdout.write(self._begun)
            sys.stdout.flush()
            self._begun = ""


def is_one_terminal() -> bool:
    """Whether standard output and standard error are shown on the same screen."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    return os.fstat(sys.stdout.fileno()).st_rdev == os.fstat(sys.stderr.fileno()).st_rdev


class Relay(logging.Handler):
    """What the library has to say."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._console.warning(record.getMessage(), getattr(record, "code", None))
        else:
            self._console.notice(record.getMessage())


class Progress:
    """How far one recording has come, in seconds of audio."""

    def __init__(
        self,
        console: Console,
        name: str,
        total: float | None,
        bar: "Bar | None" = None,
        task: "TaskID | None" = None,
    ) -> None:
        self._console, self._name, self._total = console, name, total
        self._bar, self._task = bar, task
        self._begun = self._last_line = time.monotonic()
        self._position = 0.0

    def advance(self, to: float, newest: str = "") -> None:
        """Everything up to second `to` is recognised; `newest` is the latest text."""
        self._position = max(self._position, to)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._position, newest=newest, rate=self._rate(), eta=self._eta())
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = now
            self._line()

    def _line(self) -> None:
        rate, eta = self._rate(), self._eta()
        if self._console.json:
            self._console.event(
                "progress", file=self._name, stage="recognise", audio_s=round(self._position, 2), total_s=self._total,
                rtfx=rate and round(rate, 1), eta_s=eta and round(eta),
            )  # fmt: skip
        else:
            share = f" {self._position / self._total:.0%}" if self._total else ""
            of = f"/{clock(self._total)}" if self._total else ""
            pace = f" {rate:.1f}x" if rate else ""
            left = f" eta {eta:.0f}s" if eta is not None else ""
            self._console.notice(f"{self._name}{share} {clock(self._position)}{of}{pace}{left}")

    def _rate(self) -> float | None:
        elapsed = time.monotonic() - self._begun
        return self._position / elapsed if elapsed > RATE_AFTER_SECONDS and self._position else None

    def _eta(self) -> float | None:
        rate = self._rate()
        return max(0.0, self._total - self._position) / rate if rate and self._total else None


def clock(seconds: float) -> str:
    """
    >>> clock(3723.4)
    '1:02:03'
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
