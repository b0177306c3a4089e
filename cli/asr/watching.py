"""A batch at work, as it is seen on a screen."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asr.console import LINE_EVERY_SECONDS, RATE_AFTER_SECONDS, Console, clock
from asr.summary import length
from asr.tally import suspects, warn_of_suspect
from asr_cli.jobs.manifest import size_of
from asr_cli.jobs.messages import FAILED, INTERRUPTED, Ended, Event, Heard, Lost, Ready, Result, Said

if TYPE_CHECKING:
    import threading

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from asr_cli.jobs.batch import Batch

WARNING = 30  # of logging
LEAST_SHARE = 0.01  # of all bytes: what less tells of the rest is nothing


class BatchView:
    """The `Watcher` of a terminal, a log or a program.

    How much is left is judged by bytes: nobody knows how long recordings are before they are heard.
    """

    def __init__(self, console: Console, batch: "Batch") -> None:
        self.console, self.batch = console, batch
        self.gave_up = False  # at the first failure, as was asked
        self._sizes = {number: size_of(batch.item(number)) or 1 for number in batch.todo}
        self._total = sum(self._sizes.values())
        self._firsts: dict[int, float] = {}  # seconds, of recordings in hand
        self._positions: dict[int, float] = {}
        self.seconds = 0.0  # of recordings that are through
        self._bytes = 0
        self._n_done = self._n_failed = self.n_warned = self.n_suspect = 0
        self._begun = self._last_line = time.monotonic()
        self._said: set[str] = set()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def announce(self) -> None:
        batch, console = self.batch, self.console
        why = "--overwrite" if batch.order.overwrite else "recording or options have changed"
        parts = [f"batch  {len(batch.order.items):,} recordings"]
        for numbers, what in (
            (batch.skipped, "already done (skipped)"),
            (batch.failed_before, "failed before (--retry-failed tries them again)"),
            (batch.refused, "cannot be read"),
            (batch.again, f"done before, and again now: {why}"),
        ):
            if numbers:
                parts.append(f"{len(numbers):,} {what}")
        console.notice(
            " · ".join(parts), recordings=len(batch.order.items), todo=len(batch.todo), skipped=len(batch.skipped),
            failed_before=len(batch.failed_before), refused=len(batch.refused), again=len(batch.again),
        )  # fmt: skip
        for number, error in batch.refused.items():
            console.event("file_done", file=batch.item(number).key, status=FAILED, code=error.code, error=str(error))

    @contextmanager
    def shown(self) -> Iterator[None]:
        import sys

        self._begun = self._last_line = time.monotonic()
        if self.console.quiet or self.console.json or not sys.stderr.isatty():
            yield
            return
        from asr.bar import batch_bar

        with self.console.showing(batch_bar()) as bar:
            self._bar, self._task = bar, bar.add_task("", total=self._total, line="")
            try:
                yield
            finally:
                self._bar = None

    def failing_fast(self, stop: "threading.Event") -> "FailingFast":
        return FailingFast(self, stop)

    def happened(self, batch: "Batch", event: Event, /) -> None:
        match event:
            case Ready():
                self.console.event("model", name=event.model, vad=event.vad, punc=event.punc)
            case Heard():
                # Its first utterance is not counted before its end: much may have been recalled until there.
                self._firsts.setdefault(event.number, event.end)
                self._positions[event.number] = max(self._positions.get(event.number, 0.0), event.end)
            case Ended():
                self._end(event)
            case Said():
                self._say(event)
            case Lost():
                self.console.warning(f"a worker {event.last_words}; another one takes over what it had in hand")
        self._draw()

    def _end(self, event: Ended) -> None:
        result = event.result
        self._positions.pop(event.number, None)
        self._firsts.pop(event.number, None)
        if result.status != INTERRUPTED:
            self.seconds += max(0.0, result.duration - result.recalled)
            self._bytes += self._sizes[event.number]
            self._n_done += 1
            self._n_failed += result.status == FAILED
            self.n_warned += bool(result.warnings)
            self.n_suspect += bool(result.n_suspect)
        self._tell(self.batch.item(event.number).key, result, self.batch.places(event.number))

    def _tell(self, key: str, result: Result, places: Sequence[str]) -> None:
        told: dict[str, Any] = {}
        if result.status == FAILED:
            told |= {"code": result.code, "error": result.error}
        elif result.status != INTERRUPTED:
            told |= {"outputs": list(places)}
        if result.warnings:
            told |= {"warnings": list(result.warnings)}
        self.console.event(
            "file_done", file=key, status=result.status, audio_s=round(result.duration, 2),
            segments=result.n_segments, n_suspect=result.n_suspect, rtfx=round(result.rate, 1), **told,
        )  # fmt: skip
        if self.console.json:
            warn_of_suspect(self.console, key, result.n_suspect, result.n_segments)
        elif self.console.verbose:
            self.console.notice(
                f"{result.status:9} {key}{suspects(result.n_suspect)}" + (f"   {result.error}" if result.error else "")
            )
            for warning in result.warnings:
                self.console.warning(f"{key}: {warning}")

    def _say(self, event: Said) -> None:
        if event.text in self._said:  # each worker says so
            return
        self._said.add(event.text)
        if event.level >= WARNING:
            self.console.warning(event.text)
        else:
            self.console.notice(event.text)

    def _draw(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._bytes, line=self._line())
            return
        now = time.monotonic()
        if now - self._last_line < LINE_EVERY_SECONDS:
            return
        self._last_line = now
        if self.console.json:
            self.console.event(
                "progress", stage="recognise", files=self._n_done, total_files=len(self.batch.todo),
                failed=self._n_failed, audio_s=round(self._heard(), 1), share=round(self._bytes / self._total, 4),
                rtfx=round(self._rate(), 1), eta_s=self._eta() and round(self._eta() or 0.0),
            )  # fmt: skip
        else:
            self.console.notice(self._line())

    def _line(self) -> str:
        parts = [
            f"{self._n_done:,}/{len(self.batch.todo):,} recordings", length(self._heard()),
            f"{self._bytes / self._total:.0%}",
        ]  # fmt: skip
        if time.monotonic() - self._begun > RATE_AFTER_SECONDS:
            parts.append(f"{self._rate():.1f}x")
        if (eta := self._eta()) is not None:
            parts.append(f"ETA {clock(eta)}")
        if self._n_failed:
            parts.append(f"✗ {self._n_failed:,}")
        return "   ".join(parts)

    def _heard(self) -> float:
        return self.seconds + sum(self._positions.values()) - sum(self._firsts.values())

    def _rate(self) -> float:
        return self._heard() / max(time.monotonic() - self._begun, 1e-9)

    def _eta(self) -> float | None:
        elapsed = time.monotonic() - self._begun
        if self._bytes < LEAST_SHARE * self._total or elapsed < RATE_AFTER_SECONDS:
            return None
        return elapsed / self._bytes * (self._total - self._bytes)


class FailingFast:
    """The same view, and the batch stops at the first failure."""

    def __init__(self, view: BatchView, stop: "threading.Event") -> None:
        self._view, self._stop = view, stop

    def happened(self, batch: "Batch", event: Event, /) -> None:
        self._view.happened(batch, event)
        if isinstance(event, Ended) and event.result.status == FAILED and not self._stop.is_set():
            self._view.gave_up = True
            self._stop.set()
