"""One recording, from start to files: journal, partial results, and names that appear only when complete."""

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from asr_cli.errors import OutputError
from asr_cli.jobs.journal import Journal
from asr_cli.jobs.plan import Job, Target
from asr_cli.session import ReadOptions, Session, Transcription
from asr_cli.subtitles.writers import Info, Layout, Output, start
from asr_cli.transcript import Segment

log = logging.getLogger("asr")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one recording ended. Times in seconds."""

    job: Job
    duration: float
    n_segments: int
    position: float  # the end of the last segment
    complete: bool
    written: tuple[Path, ...]


def transcribe_job(
    session: Session,
    job: Job,
    reading: ReadOptions,
    layout: Layout,
    *,
    resume: bool = True,
    stdout: TextIO | None = None,
    stop: threading.Event | None = None,
    show: Callable[[Iterable[Segment], Transcription], Iterable[Segment]] = lambda segments, _: segments,
) -> Outcome:
    """Hear one recording and write its results.

    show: wraps the stream of segments, for whoever wants to watch it go by.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        for target in job.targets:
            make_folder(target.path.parent)
        journal = stack.enter_context(journal_of(session, job, reading, resume)) if job.journal else None
        source: Any = job.source
        heard = session.transcribe(source, reading, memories=journal, stop=stop)
        stack.callback(heard.close)
        outputs = [stack.enter_context(partial_file(target)) for target in job.targets]
        files: list[TextIO] = list(outputs) if job.targets else [stdout] if stdout else []
        names = [target.format for target in job.targets] or [job.format]
        writers = [start(name, file, layout) for name, file in zip(names, files, strict=True)]
        n_segments, position = write(show(heard, heard), writers)
        info = Info(language=heard.language, duration=heard.duration, model=heard.model)
        with describing(job):
            for writer in writers:
                writer.finish(info)
            for file in outputs:
                settle(file)
    complete = not stop.is_set()
    if n_segments == 0 and complete:
        log.warning(
            "no speech found in %r (%.1f s)", job.name, heard.duration, extra={"code": "W-NO-SPEECH"}
        )
    written = keep(job.targets, complete)
    if complete and journal is not None:
        journal.discard()
    return Outcome(job, heard.duration, n_segments, position, complete, written)


def write(segments: Iterable[Segment], writers: Iterable[Output]) -> tuple[int, float]:
    n_segments, position = 0, 0.0
    for segment in segments:
        for writer in writers:
            writer.add(segment)
        n_segments += 1
        position = max(position, segment.end)
    return n_segments, position


def keep(targets: Iterable[Target], complete: bool) -> tuple[Path, ...]:
    """Give complete results their name; leave the others under their partial one."""
    if not complete:
        return tuple(target.partial for target in targets)
    for target in targets:
        target.partial.replace(target.path)
    return tuple(target.path for target in targets)


def journal_of(session: Session, job: Job, reading: ReadOptions, resume: bool) -> Journal:
    assert job.journal is not None
    try:
        journal = Journal(job.journal, identity(session, job, reading), resume=resume)
    except OSError as error:
        raise OutputError(f"cannot write in {str(job.journal.parent)!r}: {error.strerror}") from error
    if journal.n_recalled:
        log.info("continuing %r: %d utterances are already recognised", job.name, journal.n_recalled)
    return journal


def identity(session: Session, job: Job, reading: ReadOptions) -> Mapping[str, Any]:
    """What must be equal for an earlier run's words to be this run's."""
    path = Path(job.source)
    file = path.stat() if path.is_file() else None
    return {
        "source": str(path.absolute()) if file else job.source,
        "bytes": file.st_size if file else None,
        "modified_ns": file.st_mtime_ns if file else None,
        "model": session.card.name,
        "language": session.language,
        "vad": session.vad_name,
        "vad_options": asdict(session.options.vad),
        "reading": asdict(reading),
    }


@contextmanager
def partial_file(target: Target) -> Iterator[TextIO]:
    """The target's file under its partial name; gone again if anything fails, because half a file helps nobody.

    What was recognised is in the journal, so nothing is lost with it.
    """
    try:
        file = target.partial.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"cannot write {str(target.path)!r}: {error.strerror}") from error
    try:
        yield file
    except BaseException:
        with suppressed_close(file):
            target.partial.unlink(missing_ok=True)
        raise
    file.close()
