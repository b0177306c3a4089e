"""What became of each recording, and the exit code that says so."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asr.console import Console, clock
from asr.main import INTERRUPTED, exit_code
from asr_cli.errors import AsrError
from asr_cli.jobs.plan import Job

SOME_FAILED = 3


class Tally:
    """What became of each recording."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.n_inputs = 0  # each recording once, and what was meant to be one
        self.failures: list[AsrError] = []
        self.interrupted = False

    @contextmanager
    def failures_of(self, job: Job) -> Iterator[None]:
        """What goes wrong with one recording is told, and the others go on."""
        from asr_cli.audio.waiting import Interrupted

        try:
            yield
        except Interrupted:
            self.interrupted = True
            self.console.notice("stopped before the first sound")
        except BrokenPipeError:
            raise
        except Exception as error:
            if self.console.debug:
                raise
            self.failed(job.name, error if isinstance(error, AsrError) else bug(error))

    def failed(self, name: str, error: AsrError) -> None:
        self.failures.append(error)
        self.console.error(str(error), error.code)
        self.console.event("file_done", file=name, status="failed", code=error.code)

    def done(self, outcome: Any) -> None:
        console, job = self.console, outcome.job
        is_summed_up = bool(outcome.written) and outcome.complete and not console.json
        if not is_summed_up:
            warn_of_suspect(console, job.name, outcome.n_suspect, outcome.n_segments)
        written = " ".join(map(str, outcome.written))
        status = "done" if outcome.complete else "interrupted"
        console.event(
            "file_done", file=job.name, status=status, audio_s=round(outcome.duration, 2), segments=outcome.n_segments,
            n_suspect=outcome.n_suspect, outputs=[str(path) for path in outcome.written], rtfx=round(outcome.rate, 1),
        )  # fmt: skip
        if not outcome.complete:
            self.interrupted = True
            where = f"; so far: {written}" if written else ""
            then = "; the same command continues" if job.journal is not None else ""
            console.notice(f"stopped at {clock(outcome.position)}{where}{then}")
        elif written and not console.json:
            console.notice(
                f"done  {written}   {clock(outcome.duration)} audio in {clock(outcome.elapsed)} ({outcome.rate:.1f}x)"
                f"   {outcome.n_segments} segments" + suspects(outcome.n_suspect)
            )

    def listed(self, job: Job, written: Iterable[Path], n_segments: int, *, complete: bool) -> None:
        """A recording whose speech was listed."""
        outputs = [str(path) for path in written]
        status = "done" if complete else "interrupted"
        self.console.event("file_done", file=job.name, status=status, segments=n_segments, outputs=outputs)
        if not complete:
            self.interrupted = True
            self.console.notice("stopped" + (f"; so far: {' '.join(outputs)}" if outputs else ""))
        elif outputs and not self.console.json:
            self.console.notice(f"done  {' '.join(outputs)}   {n_segments} stretches of speech")

    def conclude(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        if not self.failures:
            return 0
        if self.n_inputs == 1:
            return exit_code(self.failures[0])
        self.console.event("summary", failed=len(self.failures), total=self.n_inputs)
        return 1 if len(self.failures) >= self.n_inputs else SOME_FAILED


def suspects(count: int) -> str:
    return f", {count} suspect (see JSON)" if count else ""


def warn_of_suspect(console: Console, name: str, n_suspect: int, n_segments: int) -> None:
    """Say that a recogniser doubts some of its text, if it does."""
    if n_suspect:
        console.warning(f"{name}: {n_suspect} of {n_segments} segments suspect (see JSON)", "W-SUSPECT")


def bug(error: Exception) -> AsrError:
    found = AsrError(f"{type(error).__name__}: {error}; this is a bug, --debug shows where")
    found.code = "E-BUG"
    return found
