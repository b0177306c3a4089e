"""What transcribe and srt share: plan, check, load once, go through the recordings, and answer with an exit code."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from asr.bringing import bring_absent
from asr.config import refuse_unfit
from asr.console import Console, Progress
from asr.interrupt import stopping
from asr.options import InputFlags, SubtitleFlags
from asr.request import Request, model_options, recognizer, refuse_undecodable
from asr.tally import Tally
from asr.vad_options import VadFlags
from asr_cli.audio.inputs import expand
from asr_cli.errors import AsrError, UsageError
from asr_cli.jobs.plan import Destination, Job, Source, destination, plan
from asr_cli.subtitles.writers import WRITERS, Layout
from asr_cli.text import language as languages

if TYPE_CHECKING:
    from asr_cli.options import ReadOptions
    from asr_cli.session import Transcription
    from asr_cli.transcript import Segment


def run(request: Request, *, default_format: str, beside: bool) -> int:
    """Transcribe every recording of the request; give the exit code."""
    from asr_cli.registry import named_in

    screen = request.screen
    console = Console(quiet=screen.quiet, verbose=screen.verbose, json=screen.json, debug=screen.debug)
    to = destination(
        request.output.output, wanted_formats(request, beside), known=WRITERS, default=default_format, beside=beside,
        suffix=suffix(request),
    )  # fmt: skip
    refuse_idle(request, to)
    spoken = request.recognition
    command, model = "srt" if beside else "transcribe", named_in(spoken.model, spoken.model_dir)
    refuse_unfit(command, request.typed, model=model, language=spoken.language)
    refuse_undecodable(request)
    layout = make_layout(request)
    reading = reading_options(request.source)
    tally = Tally(console)
    jobs = plan(list(sources_of(request.files, request.source.recursive, tally)), to)
    tally.n_inputs = len(jobs) + len(tally.failures)
    if not request.output.overwrite:
        jobs = [job for job in jobs if not skipped(job, console)]
    if jobs:
        bring_absent(model_options(request), console)
        with stopping(console) as stop:
            work(jobs, request, reading, layout, tally, stop)
    return tally.conclude()


def work(
    jobs: Sequence[Job],
    request: Request,
    reading: "ReadOptions",
    layout: Layout,
    tally: "Tally",
    stop: threading.Event,
) -> None:
    from asr_cli.jobs.recording import transcribe_job
    from asr_cli.session import Session

    console = tally.console
    options = model_options(request)
    with Session(options) as session:
        console.event("model", name=session.card.name, vad=session.vad_name, punc=session.punc_name)
        for job in jobs:
            if stop.is_set():
                tally.interrupted = True  # also where nothing was begun yet: what was asked for is not done
                return
            with tally.failures_of(job):
                show_heading(job, jobs, console)
                with console.progress(job.name, total(job.source, reading, console)) as progress:
                    outcome = transcribe_job(
                        session, job, reading, layout,
                        resume=request.output.resume, stdout=console.results, stop=stop,
                        show=partial(watched, progress=progress, console=console, begin=reading.start),
                    )  # fmt: skip
                tally.done(outcome)


def watched(
    segments: Iterable["Segment"], heard: "Transcription", progress: Progress, console: Console, begin: float
) -> Iterator["Segment"]:
    for segment in segments:
        yield segment
        progress.advance(segment.end - begin, segment.text)
        console.segment(segment)
    progress.advance(heard.duration - begin)


def sources_of(files: Iterable[str], recursive: bool, tally: "Tally") -> Iterator[Source]:
    """Every input that exists; the others are told at once, and do not stop the rest."""
    seen: set[str] = set()
    for text in files:
        try:
            paths = expand([text], recursive=recursive)
        except AsrError as error:
            tally.failed(text, error)
            continue
        folder = Path(text) if os.path.isdir(text) else None  # noqa: PTH112 - as it was typed
        for path in paths:
            if path not in seen:
                seen.add(path)
                yield Source(path, folder)


def skipped(job: Job, console: Console) -> bool:
    if job.is_done:
        console.notice(f"{job.name}: done already, skipped")
    return job.is_done


def show_heading(job: Job, jobs: Sequence[Job], console: Console) -> None:
    if not job.targets and len(jobs) > 1:
        blank = "" if job is jobs[0] else "\n"
        print(f"{blank}==> {job.name} <==", file=console.results, flush=True)


def total(source: str, reading: "ReadOptions", console: Console) -> float | None:
    """The seconds there are to hear as far as is known, if anybody is going to look."""
    from asr_cli.audio.probe import announced_duration

    announced = None if console.quiet or source == "-" else announced_duration(source)
    known = [second - reading.start for second in (announced, reading.end) if second is not None]
    return max(0.0, min(known)) if known else None


def suffix(request: Request) -> str:
    if not request.output.lang_suffix:
        return ""
    flags = request.recognition
    card = recognizer(flags)
    usual = card.usual_language and card.usual_language.partition("-")[0]
    is_translated = request.decoding.task == "translate" and card.translate
    code = "en" if is_translated else languages.code(flags.language) or usual
    if code is not None:
        return f".{code}"
    if "lang_suffix" not in request.typed:
        return ""
    raise UsageError(
        f"--lang-suffix names files before anything is heard, and {card.name} hears"
        f" {languages.listed(card.languages)}: add --language, or leave it out"
    )


def wanted_formats(request: Request, beside: bool) -> str | None:
    """-f; a configured one only where it fits: a file's own extension is nearer, and one stream takes one format."""
    output, formats = request.output.output, request.output.output_format
    if formats is None or "output_format" in request.typed:
        return formats
    if output not in (None, "-"):
        return None if Path(str(output)).suffix.lstrip(".").lower() in WRITERS else formats
    is_stream = output == "-" or not beside
    several = "," in formats or formats.strip().lower() == "all"
    return None if is_stream and several else formats


def refuse_idle(request: Request, to: Destination) -> None:
    """What was typed and would do nothing is a mistake; what is configured is for other times."""
    subtitle_options = {field.name for field in fields(SubtitleFlags)} & request.typed
    if subtitle_options and not any(WRITERS[name].takes_cues for name in to.formats):
        raise UsageError(
            f"subtitle options do nothing for {', '.join(to.formats)}; add -f srt or another subtitle format"
        )
    refuse_idle_models(request)
    if "lang_suffix" in request.typed and (to.is_stdout or to.file is not None):
        raise UsageError("--lang-suffix names files in a directory; add -o DIR, or leave it out")
    if "overwrite" in request.typed and not request.output.overwrite and to.is_stdout:
        raise UsageError("--no-overwrite does nothing on standard output; add -o DIR, or leave it out")


def refuse_idle_models(request: Request) -> None:
    """The same, of options for models that are not used."""
    vad_options = {field.name for field in fields(VadFlags)} & request.typed
    if vad_options and not request.use_vad.vad:
        raise UsageError(f"--{min(vad_options).replace('_', '-')} does nothing with --no-vad; leave one of them out")
    if "punc_model" in request.typed and request.recognition.punc is False:
        raise UsageError("--punc-model does nothing with --no-punc; leave one of them out")


def make_layout(request: Request) -> Layout:
    from asr_cli.subtitles.style import for_language, preset

    flags = request.subtitles
    changes = {
        name: value
        for name in ("max_line_width", "max_line_count", "max_words_per_line", "max_duration", "min_duration",
                     "min_gap", "linger")
        if (value := getattr(flags, name)) is not None
    }  # fmt: skip
    language = languages.code(request.recognition.language)
    style = preset(flags.preset, **changes) if flags.preset else for_language(language, **changes)
    return Layout(style=style, highlight_words=flags.highlight_words, word_times=request.output.word_timestamps)


def reading_options(flags: InputFlags) -> "ReadOptions":
    from asr_cli.audio.channels import CHANNELS
    from asr_cli.audio.pcm import PcmFormat
    from asr_cli.options import ReadOptions

    if flags.channels not in CHANNELS:
        raise UsageError(f"--channels {flags.channels!r}: choose one of {', '.join(CHANNELS)}")
    if flags.pcm:
        PcmFormat.parse(flags.pcm)
    return ReadOptions(
        start=seconds(flags.start, "--start") or 0.0, end=seconds(flags.end, "--end"), channels=flags.channels,
        track=flags.track, pcm=flags.pcm,
    )  # fmt: skip


def seconds(text: str | None, option: str) -> float | None:
    """
    >>> seconds("90.5", "--start"), seconds("1:30", "--start"), seconds("00:10:00", "--start"), seconds(None, "--end")
    (90.5, 90.0, 600.0, None)
    """
    if text is None:
        return None
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < 1e9 for part in parts):
        raise UsageError(f"{option} {text!r} is no time; write seconds or HH:MM:SS")
    value = 0.0
    for part in parts:
        value = value * 60 + part
    return value
