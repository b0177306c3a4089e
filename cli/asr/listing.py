"""The stretches of speech that `asr vad` lists, in its formats."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from asr.console import Console
from asr.options import InputFlags, ScreenFlags
from asr.run import Tally, finite, reading_options, sources_of, stopping, total
from asr.vad_options import VadFlags, endpoint_options
from asr_cli.errors import OutputError, UsageError
from asr_cli.jobs.plan import Job, Source, stem

if TYPE_CHECKING:
    from asr_cli.options import ReadOptions
    from asr_cli.session import Listener

Spans = Iterable[tuple[float, float]]
Write = Callable[[Spans, str, TextIO], None]


def run(
    files: list[str],
    source: InputFlags,
    screen: ScreenFlags,
    options: VadFlags,
    *,
    output_format: str,
    output: str | None,
    export: Path | None,
    model_dir: Path | None,
) -> int:
    """List the speech of every recording; give the exit code."""
    console = Console(quiet=screen.quiet, verbose=screen.verbose, json=screen.json, debug=screen.debug)
    if output_format not in FORMATS:
        raise UsageError(f"{output_format!r} is no format of speech; known: {', '.join(FORMATS)}")
    if source.channels == "split":
        raise UsageError("--channels split would list several speakers as one; take left, right or mix")
    reading = reading_options(source)
    tally = Tally(console, n_inputs=len(files))
    found = list(sources_of(files, source.recursive, tally))
    if len(found) > 1 and output_format == "json":
        raise UsageError("several recordings cannot share one JSON object; list them one by one")
    tally.n_inputs = max(tally.n_inputs, len(found) + len(tally.failures))
    if found:
        from asr_cli.options import ModelOptions
        from asr_cli.session import Listener

        asked = ModelOptions(vad_model=options.vad_model, model_dir=model_dir, vad=endpoint_options(options))
        with Listener(asked) as listener, opened(output) as file, stopping(console) as stop:
            for recording in found:
                with tally.failures_of(Job(recording.path, output_format)):
                    spans = listen(listener, recording, reading, console, export)
                    FORMATS[output_format](finite(spans, stop), stem(recording.path), file)
                if stop.is_set():
                    tally.interrupted = True
                    break
    return tally.conclude()


def listen(
    listener: "Listener", recording: Source, reading: "ReadOptions", console: Console, export: Path | None
) -> Iterator[tuple[float, float]]:
    with console.progress(recording.path, total(recording.path, reading, console)) as progress:
        for stretch in listener.speech(recording.path, reading, keep=export is not None):
            if export is not None and stretch.samples is not None:
                write_wav(export, stem(recording.path), stretch.start, stretch.samples)
            progress.advance(stretch.end)
            yield stretch.start, stretch.end


def write_wav(folder: Path, name: str, start: float, samples: object) -> None:
    """One stretch of speech, named by its recording and its start in milliseconds."""
    from asr_cli.audio.wav import write

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}-{round(start * 1000):09}.wav", samples)
    except OSError as error:
        raise OutputError(f"cannot write in {str(folder)!r}: {error.strerror}") from error


@contextmanager
def opened(output: str | None) -> Iterator[TextIO]:
    if output in (None, "-"):
        yield sys.stdout
        return
    path = Path(str(output))
    partial = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {output!r}: {error.strerror}") from error


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
