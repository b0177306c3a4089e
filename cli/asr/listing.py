"""The stretches of speech that `asr vad` lists, in its formats."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from asr.bringing import bring_absent
from asr.console import Console
from asr.interrupt import stopping
from asr.options import InputFlags, ScreenFlags
from asr.run import reading_options, show_heading, sources_of, total
from asr.tally import Tally
from asr.vad_options import VadFlags, endpoint_options
from asr_cli.audio.ids import stem
from asr_cli.errors import OutputError, UsageError
from asr_cli.jobs.plan import Job, Source, Target, refuse_collisions

if TYPE_CHECKING:
    from asr_cli.listener import Listener
    from asr_cli.options import ReadOptions

Spans = Iterable[tuple[float, float]]
Write = Callable[[Spans, str, TextIO], None]


@dataclass(frozen=True, slots=True)
class Listing:
    """What listing one recording needs, whichever it is."""

    listener: "Listener"
    reading: "ReadOptions"
    console: Console
    stop: threading.Event
    export: Path | None


def run(
    files: list[str],
    source: InputFlags,
    screen: ScreenFlags,
    options: VadFlags,
    *,
    output_format: str | None,
    output: str | None,
    export: Path | None,
    model_dir: Path | None,
    hub: str,
    offline: bool,
) -> int:
    """List the speech of every recording; give the exit code."""
    console = Console(quiet=screen.quiet, verbose=screen.verbose, json=screen.json, debug=screen.debug)
    if source.channels == "split":
        raise UsageError("--channels split would list several speakers as one; take left, right or mix")
    wanted = wanted_format(output_format, output)
    reading = reading_options(source)
    tally = Tally(console)
    found = list(sources_of(files, source.recursive, tally))
    jobs = plan(found, wanted, output)
    if export is not None:
        refuse_twins(found, export)
    tally.n_inputs = len(jobs) + len(tally.failures)
    if jobs:
        from asr_cli.listener import Listener
        from asr_cli.options import ModelOptions

        asked = ModelOptions(
            vad_model=options.vad_model, model_dir=model_dir, hub=hub, offline=offline, vad=endpoint_options(options)
        )
        bring_absent(asked, console)
        with Listener(asked) as listener, stopping(console) as stop:
            listing = Listing(listener, reading, console, stop, export)
            for job in jobs:
                if stop.is_set():
                    tally.interrupted = True  # also where nothing was begun yet
                    break
                with tally.failures_of(job):
                    if wanted == "txt":
                        show_heading(job, jobs, console)
                    write(job, listing, tally)
    return tally.conclude()


def wanted_format(asked: str | None, output: str | None) -> str:
    """The format that was asked for, else the one the file's name means."""
    extension = Path(output).suffix.lstrip(".").lower() if output else ""
    chosen = asked or (extension if extension in FORMATS else "txt")
    if chosen not in FORMATS:
        raise UsageError(f"{chosen!r} is no format of speech; known: {', '.join(FORMATS)}")
    return chosen


def plan(found: list[Source], wanted: str, output: str | None) -> list[Job]:
    """A job for each recording; what cannot share one place is refused."""
    if output in (None, "-"):
        if len(found) > 1 and wanted not in SHARED:
            raise UsageError(f"several recordings cannot share standard output as {wanted}; add -o DIR")
        return [Job(source.path, wanted) for source in found]
    path = Path(str(output))
    if path.is_dir() or str(output).endswith(("/", os.sep)):
        extension = EXTENSIONS.get(wanted, wanted)
        jobs = [Job(s.path, wanted, (Target(wanted, path / f"{stem(s.path)}.{extension}"),)) for s in found]
    elif len(found) > 1:
        raise UsageError(f"-o {output} is one file for {len(found)} recordings; name a directory (with a / at its end)")
    else:
        jobs = [Job(source.path, wanted, (Target(wanted, path),)) for source in found]
    refuse_collisions(jobs)
    return jobs


def refuse_twins(found: Iterable[Source], export: Path) -> None:
    seen: dict[str, str] = {}
    for source in found:
        first = seen.setdefault(stem(source.path).casefold(), source.path)
        if first != source.path:
            raise UsageError(f"{first} and {source.path} would write the same files in {export}; export them apart")


def write(job: Job, listing: Listing, tally: Tally) -> None:
    """List one recording where it belongs; a file appears under its name when it is complete."""
    from asr_cli.jobs.recording import writing
    from asr_cli.jobs.results import keep, make_folder, partial_file, primed, settle

    n_spans = 0

    def counted(spans: Spans) -> Spans:
        nonlocal n_spans
        for span in spans:
            n_spans += 1
            yield span

    with writing(job), ExitStack() as stack:
        file = listing.console.results
        for target in job.targets:
            make_folder(target.path.parent)
            file = stack.enter_context(partial_file(target))
        FORMATS[job.format](primed(counted(listen(listing, job.source))), stem(job.source), file)
        if job.targets:
            settle(file)
        else:
            file.flush()
        complete = not listing.stop.is_set()
        written = keep(job.targets, complete)
    tally.listed(job, written, n_spans, complete=complete)


def listen(listing: Listing, source: str) -> Iterator[tuple[float, float]]:
    console, export = listing.console, listing.export
    begin = listing.reading.start
    with console.progress(source, total(source, listing.reading, console)) as progress:
        heard = listing.listener.speech(source, listing.reading, keep=export is not None, stop=listing.stop)
        for stretch in heard:
            if export is not None and stretch.samples is not None:
                write_wav(export, stem(source), stretch.start, stretch.samples)
            progress.advance(stretch.end - begin)
            console.stretch(stretch.start, stretch.end)
            yield stretch.start, stretch.end


def write_wav(folder: Path, name: str, start: float, samples: object) -> None:
    """One stretch of speech, named by its recording and its start in milliseconds."""
    from asr_cli.audio.wav import write

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}-{round(start * 1000):09}.wav", samples)
    except OSError as error:
        raise OutputError(f"cannot write in {str(folder)!r}: {error.strerror}") from error


def as_txt(spans: Spans, name: str, file: TextIO) -> None:
    for start, end in spans:
        print(f"{start:.3f} {end:.3f}", file=file, flush=True)


def as_json(spans: Spans, name: str, file: TextIO) -> None:
    file.write('{"segments": [')
    for index, (start, end) in enumerate(spans):
        file.write((", " if index else "") + json.dumps([round(start, 3), round(end, 3)]))
    file.write("]}\n")


def as_tsv(spans: Spans, name: str, file: TextIO) -> None:
    print("start\tend", file=file)
    for start, end in spans:
        print(f"{round(start * 1000)}\t{round(end * 1000)}", file=file, flush=True)


def as_audacity(spans: Spans, name: str, file: TextIO) -> None:
    for start, end in spans:
        print(f"{start:.6f}\t{end:.6f}\tspeech", file=file, flush=True)


def as_rttm(spans: Spans, name: str, file: TextIO) -> None:
    label = "_".join(name.split()) or "recording"
    for start, end in spans:
        print(
            f"SPEAKER {label} 1 {start:.3f} {end - start:.3f} <NA> <NA> speech <NA> <NA>",
            file=file,
            flush=True,
        )


FORMATS: dict[str, Write] = {
    "txt": as_txt, "json": as_json, "tsv": as_tsv, "audacity": as_audacity, "rttm": as_rttm,
}  # fmt: skip
SHARED = ("txt", "rttm")  # formats in which it can be told whose lines are whose
EXTENSIONS = {"audacity": "txt"}
