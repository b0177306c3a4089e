"""One recording, from start to files: a journal on the way, names that appear only when complete."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from asr_cli.errors import OutputError
from asr_cli.jobs.identity import hearing
from asr_cli.jobs.journal import Journal
from asr_cli.jobs.plan import Job
from asr_cli.jobs.results import keep, make_folder, write_results
from asr_cli.options import ReadOptions
from asr_cli.session import Session, Transcription
from asr_cli.subtitles.writers import Info, Layout, start
from asr_cli.transcript import Segment
from asr_cli.version import __version__

log = logging.getLogger("asr")

Show = Callable[[Iterable[Segment], Transcription], Iterable[Segment]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one recording ended. Times in seconds."""

    job: Job
    duration: float  # of audio heard
    elapsed: float  # on the clock
    n_segments: int
    n_suspect: int
    position: float  # the end of the last segment
    complete: bool
    written: tuple[Path, ...]

    @property
    def rate(self) -> float:
        """How many times faster than real time."""
        return self.duration / max(self.elapsed, 1e-9)


def transcribe_job(
    session: Session,
    job: Job,
    reading: ReadOptions,
    layout: Layout,
    *,
    stdout: TextIO,
    stop: threading.Event,
    resume: bool = True,
    show: Show = lambda segments, _: segments,
) -> Outcome:
    """Hear one recording and write its results.

    show: wraps the stream of segments, for whoever wants to watch it go by.
    """
    begun = time.monotonic()
    with writing(job), ExitStack() as stack:
        journal = open_journal(session, job, reading, resume, stack)
        heard = session.transcribe(job.source, reading, memories=journal, stop=stop)
        stack.callback(heard.close)
        written = write_results(
            show(heard, heard), job.targets, layout, lambda: info(heard, session),
            others=lambda: () if job.targets else (start(job.format, stdout, layout),),
        )  # fmt: skip
        complete = not stop.is_set()
        paths = keep(job.targets, complete)
        if complete and journal is not None:
            journal.discard()
    duration = max(0.0, heard.duration - reading.start)
    if complete and not written.n_segments:
        wrote = "; wrote empty results" if paths else ""
        text = f"no speech found in {job.name!r} (0.0 s of {duration:.1f} s){wrote}"
        log.warning(text, extra={"code": "W-NO-SPEECH"})
    elapsed = time.monotonic() - begun
    return Outcome(
        job, duration, elapsed, written.n_segments, written.n_suspect, written.position, complete, paths
    )  # fmt: skip


def open_journal(session: Session, job: Job, reading: ReadOptions, resume: bool, stack: ExitStack) -> Journal | None:
    for target in job.targets:
        make_folder(target.path.parent)
    if job.journal is None:
        return None
    for target in job.targets:
        if target.partial.exists() and not job.journal.exists():
            raise OutputError(
                f"{str(target.partial)!r} is in the way, and no earlier run left it here; move it, or choose another"
                " place with -o"
            )
    journal = stack.enter_context(Journal(job.journal, identity(session, job, reading), resume=resume))
    stack.push(partial(forget_if_empty, journal))
    if journal.is_others:
        log.warning("earlier work on %r was done with another model, other options or another file: it is given up",
                    job.name)  # fmt: skip
    if journal.n_recalled:
        log.info("continuing %r: %d utterances were recognised before", job.name, journal.n_recalled)
    return journal


def info(heard: Transcription, session: Session) -> Info:
    return Info(
        language=heard.language,
        duration=heard.duration,
        model=heard.model,
        hotwords=session.hotwords,
        written=session.written,
    )


def forget_if_empty(journal: Journal, kind: type[BaseException] | None, *_: object) -> None:
    """A recording that could not even be opened leaves nothing behind."""
    if kind is not None and not journal.n_records:
        journal.discard()


def identity(session: Session, job: Job, reading: ReadOptions) -> Mapping[str, Any]:
    """What must be equal for an earlier run's words to be this run's."""
    path = Path(job.source)
    file = path.stat() if path.is_file() else None
    return {
        "source": str(path.absolute()) if file else job.source,
        "bytes": file.st_size if file else None,
        "modified_ns": file.st_mtime_ns if file else None,
        "program": __version__,
        **hearing(session.options, reading),
    }


@contextmanager
def writing(job: Job) -> Iterator[None]:
    """A disk that is full or not ours, in one sentence."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = repr(str(job.targets[0].path)) if job.targets else "to standard output"
        reason = error.strerror or str(error)
        if job.journal is not None and job.journal.exists():
            then = "what was recognised is kept: make room, and the same command continues"
        else:
            then = "choose another place with -o"
        raise OutputError(f"cannot write {where}: {reason}; {then}") from error
