"""What transcribe and srt share: plan, check, load once, go through the recordings, and answer with an exit code."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.bringing import bring_absent
from asr.config import refuse_unfit
from asr.console import Console, Progress
from asr.interrupt import stopping
from asr.options import InputFlags, OutputFlags, RecognitionFlags, ScreenFlags, SubtitleFlags
from asr.tally import Tally
from asr.vad_options import UseVad, VadFlags, endpoint_options
from asr_cli.audio.inputs import expand
from asr_cli.errors import AsrError, UsageError
from asr_cli.jobs.plan import Destination, Job, Source, destination, plan
from asr_cli.subtitles.writers import WRITERS, Layout
from asr_cli.text import language as languages

if TYPE_CHECKING:
    from asr_cli.options import ModelOptions, ReadOptions
    from asr_cli.registry import ModelCard
    from asr_cli.session import Transcription
    from asr_cli.transcript import Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that was asked for on one command line."""

    files: list[str]
    source: InputFlags
    output: OutputFlags
    subtitles: SubtitleFlags
    recognition: RecognitionFlags
    use_vad: UseVad
    vad: VadFlags
    screen: ScreenFlags
    typed: frozenset[str]  # the options that stand on the line; others have their default, or come from configuration


def run(request: Request, *, default_format: str, beside: bool) -> int:
    """Transcribe every recording of the request; give the exit code."""
    from asr_cli.registry import named_in

    screen = request.screen
    console = Console(quiet=screen.quiet, verbose=screen.verbose, json=screen.json, debug=screen.debug)
    refuse_task(request)
    to = destination(
        request.output.output, wanted_formats(request, beside), known=WRITERS, default=default_format, beside=beside,
        suffix=suffix(request),
    )  # fmt: skip
    refuse_idle(request, to)
    spoken = request.recognition
    command, model = "srt" if beside else "transcribe", named_in(spoken.model, spoken.model_dir)
    refuse_unfit(command, request.typed, model=model, language=spoken.language)
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


def refuse_task(request: Request) -> None:
    if request.recognition.task != "transcribe":
        raise UsageError(f"--task {request.recognition.task}: no recogniser here can; leave it out to transcribe")


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
        console.segment(segment.start, segment.end, segment.text, segment.speaker)
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
    code = languages.code(flags.language) or recognizer(flags).languages[0].partition("-")[0]
    return f".{code}"


def recognizer(flags: RecognitionFlags) -> "ModelCard":
    """What is going to recognise, as far as what was asked of it says."""
    from asr_cli.options import ModelOptions
    from asr_cli.recognizers import card_of

    return card_of(ModelOptions(model=flags.model, language=flags.language, model_dir=flags.model_dir))


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


def model_options(request: Request) -> "ModelOptions":
    from asr_cli.options import ModelOptions

    flags = request.recognition
    given: dict[str, Any] = {} if flags.batch_seconds is None else {"batch_seconds": flags.batch_seconds}
    return ModelOptions(
        model=flags.model, language=flags.language, model_dir=flags.model_dir, hub=flags.hub,
        offline=flags.offline, hotwords=flags.hotwords, threads=flags.threads,
        vad_model=request.vad.vad_model if request.use_vad.vad else None,
        vad=endpoint_options(request.vad) if request.use_vad.vad else None, **punctuating(request),
        **fitting(request), **given,
    )  # fmt: skip


def punctuating(request: Request) -> dict[str, Any]:
    """What is configured asks for punctuation where it can be had; what is typed insists."""
    flags = request.recognition
    if flags.punc is False:
        return {"punc": False}
    return {"punc": flags.punc if "punc" in request.typed else None, "punc_model": flags.punc_model}


def fitting(request: Request) -> dict[str, Any]:
    """What is for some models and languages only. What is configured, and not for those at hand, is for other times."""
    from asr_cli.protocols import COMPUTE_TYPES
    from asr_cli.text.itn import writes_numbers_of
    from asr_cli.text.script import is_chinese

    flags = request.recognition
    card, code = recognizer(flags), languages.code(flags.language)
    spoken = (code,) if code else card.languages
    fits = {
        "mode": flags.mode in (None, *card.modes),
        "itn": writes_numbers_of(spoken), "script": is_chinese(spoken), "hotword_weight": bool(flags.hotwords),
        # What nobody knows is handed on all the same, to be refused.
        "device": flags.device.partition(":")[0] not in {"cpu", "cuda", "mps"} - set(card.devices),
        "compute_type": flags.compute_type not in set(COMPUTE_TYPES) - set(card.compute_types),
    }  # fmt: skip
    return {name: getattr(flags, name) for name in fits if fits[name] or name in request.typed}


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
