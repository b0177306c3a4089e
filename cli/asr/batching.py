"""asr batch: what is asked is checked, done in sight, and summed up."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from asr.batch_options import BatchFlags
from asr.bringing import bring_absent
from asr.config import refuse_unfit
from asr.console import Console
from asr.interrupt import stopping
from asr.main import INTERRUPTED
from asr.options import SubtitleFlags
from asr.request import Request, model_options
from asr.run import make_layout, reading_options, refuse_idle_models
from asr.summary import show_summary
from asr.tally import SOME_FAILED
from asr.watching import BatchView
from asr_cli.errors import AsrError, UsageError
from asr_cli.jobs.plan import parse_formats
from asr_cli.subtitles.writers import WRITERS

if TYPE_CHECKING:
    from asr_cli.jobs.batch import Batch, Order
    from asr_cli.jobs.engine import Engine
    from asr_cli.jobs.ledger import Ledger
    from asr_cli.jobs.manifest import Item

ALL_FAILED = 1
ENGINES = ("local", "ray")
SUBTITLE_OPTIONS = {field.name for field in fields(SubtitleFlags)}


def run(request: Request, flags: BatchFlags) -> int:
    """Transcribe everything that is asked for; give the exit code."""
    from asr_cli.jobs.batch import look, open_ledger

    screen = request.screen
    console = Console(quiet=screen.quiet, verbose=screen.verbose, json=screen.json, debug=screen.debug)
    order = ordered(request, flags)
    with open_ledger(order.directory) as ledger:
        batch = look(order, ledger)
        return work(batch, ledger, request, flags, console)


def ordered(request: Request, flags: BatchFlags) -> "Order":
    """The order, everything about it checked that can be without opening a recording."""
    from asr_cli.audio.ffmpeg import find_ffmpeg
    from asr_cli.jobs.batch import Order
    from asr_cli.jobs.messages import Setup
    from asr_cli.registry import named_in

    if flags.output is None:
        raise UsageError("a batch needs a directory to write to: add -o DIR")
    formats = parse_formats(flags.output_format, tuple(WRITERS))
    refuse_idle(request, flags, formats)
    spoken = request.recognition
    refuse_unfit("batch", request.typed, model=named_in(spoken.model, spoken.model_dir), language=spoken.language)
    directory, upload = places(flags.output)
    layout = make_layout(request)
    reading = reading_options(request.source)
    items = items_of(request, flags)
    find_ffmpeg()
    setup = Setup(
        models=model_options(request), reading=reading, layout=layout, n_at_once=1, n_reading=1, n_formats=len(formats)
    )
    return Order(
        items=items, directory=directory, upload=upload, formats=formats, setup=setup, overwrite=flags.redo,
        retry_failed=flags.retry_failed, longest_first=is_many(flags, spoken.device),
    )  # fmt: skip


def places(output: str) -> tuple[Path, str | None]:
    """The directory to work in, and the address that results are copied to, if there is one."""
    from asr_cli.audio.address import is_address, is_url, local_path
    from asr_cli.jobs.store import Store

    if is_url(output):
        raise UsageError(
            f"-o {output}: results cannot be written to a web address; name a directory, or a store (s3://)"
        )
    path = local_path(output)
    return (Store(path).work_directory, path) if is_address(path) else (Path(path), None)


def items_of(request: Request, flags: BatchFlags) -> "list[Item]":
    from asr_cli.jobs.manifest import read_items

    items = read_items(
        request.files, batch_file=flags.batch_file, segments=flags.segments, recursive=request.source.recursive,
        allow_pipes=flags.allow_scp_pipes,
    )  # fmt: skip
    if {"start", "end"} & request.typed and any(item.start or item.end is not None for item in items):
        raise UsageError("segments say where they begin and end; leave --start and --end out")
    return items


def is_many(flags: BatchFlags, device: str) -> bool:
    """Whether several processes, or a GPU, wait for the last recording."""
    from asr_cli.jobs.engine import local_jobs

    devices = device_list(flags, device)
    if flags.engine == "ray":
        return True
    return local_jobs(devices, flags.jobs) > 1 or devices[0].startswith("cuda")


def device_list(flags: BatchFlags, device: str) -> list[str]:
    names = [name.strip() for name in (flags.devices or device).split(",") if name.strip()]
    if not names:
        raise UsageError("--devices names none; give cpu, or cuda:0,cuda:1")
    return names


def refuse_idle(request: Request, flags: BatchFlags, formats: Sequence[str]) -> None:
    """What was typed and would do nothing is a mistake."""
    if SUBTITLE_OPTIONS & request.typed and not any(WRITERS[name].takes_cues for name in formats):
        raise UsageError("subtitle options do nothing here; add -f srt or another subtitle format")
    refuse_idle_models(request)
    if {"device", "devices"} <= request.typed:
        raise UsageError("--device and --devices say the same; leave one of them out")
    if flags.engine not in ENGINES:
        raise UsageError(f"--engine {flags.engine!r}: choose one of {', '.join(ENGINES)}")
    if flags.address is not None and flags.engine != "ray":
        raise UsageError("--address is Ray's; add --engine ray, or leave it out")
    if flags.engine == "ray" and "," in (flags.devices or ""):
        raise UsageError("which GPU a worker gets is Ray's to decide; give --devices cuda, and -j for their number")
    if "word_timestamps" in request.typed and "json" not in formats:
        raise UsageError("--word-timestamps is for JSON; add -f json, or leave it out")


def work(batch: "Batch", ledger: "Ledger", request: Request, flags: BatchFlags, console: Console) -> int:
    from asr_cli.jobs.tables import write_tables

    begun = time.monotonic()
    view = BatchView(console, batch)
    view.announce()
    interrupted = False
    try:
        if flags.fail_fast and batch.refused:
            view.gave_up = True
        elif batch.todo:
            interrupted = do(batch, ledger, request, flags, view)
    except AsrError:
        with suppress(AsrError):  # what there is to tell so far; what went wrong comes first
            write_tables(batch, ledger)
        raise
    counts = write_tables(batch, ledger)
    show_summary(console, batch, ledger, counts, time.monotonic() - begun, view)
    if interrupted:
        return INTERRUPTED
    if "failed" not in counts or flags.ignore_errors:
        return 0
    return ALL_FAILED if counts["failed"].n_files == len(batch.order.items) else SOME_FAILED


def do(batch: "Batch", ledger: "Ledger", request: Request, flags: BatchFlags, view: BatchView) -> bool:
    """Do what is to be done; whether somebody stopped it."""
    from asr_cli.jobs.batch import run as run_batch

    bring_absent(batch.order.setup.models, view.console)
    engine = engine_of(batch.order, request, flags)
    with stopping(view.console, "stopping after what is being recognised (again: at once)") as stop, view.shown():
        run_batch(batch, ledger, engine, view.failing_fast(stop) if flags.fail_fast else view, stop)
    return stop.is_set() and not view.gave_up


def engine_of(order: "Order", request: Request, flags: BatchFlags) -> "Engine":
    from asr_cli.jobs.engine import LocalEngine, local_setups

    devices = device_list(flags, request.recognition.device)
    if flags.engine == "ray":
        from asr_cli.jobs.ray_engine import RayEngine

        return RayEngine(order.setup, devices[0], flags.jobs, flags.address)
    return LocalEngine(local_setups(order.setup, devices, flags.jobs))
