"""What a batch leaves beside the results of each recording: `asr-report.jsonl`, and Kaldi-style lists as FunASR writes.

All of them in the order of the input, whatever order the work was done in.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from asr_cli.audio.address import without_password
from asr_cli.jobs.batch import Batch, results
from asr_cli.jobs.ledger import Ledger, told
from asr_cli.jobs.manifest import Item
from asr_cli.jobs.messages import COMPLETE, FAILED, Result
from asr_cli.jobs.plan import Target
from asr_cli.jobs.results import keep, make_folder, partial_file, settle
from asr_cli.jobs.store import put_all

REPORT = "asr-report.jsonl"
BEST = "1best_recog"
PENDING = "pending"  # asked for, and neither complete nor failed: the run was interrupted
# Each list's line of a recording, after its id. An empty score is none: the recogniser has no opinion.
LISTS: dict[str, Callable[[Result], str]] = {
    "text": lambda result: result.text,
    "token": lambda result: result.tokens,
    "score": lambda result: result.score,
    "time_stamp": lambda result: result.times,
    "rtf": lambda result: f"{result.work / result.duration:.4f}" if result.duration else "",
}


@dataclass(slots=True)
class Count:
    """Recordings, and their seconds of audio."""

    n_files: int = 0
    seconds: float = 0.0

    def add(self, result: Result | None) -> None:
        self.n_files += 1
        self.seconds += result.duration if result else 0.0


def write_tables(batch: Batch, ledger: Ledger) -> dict[str, Count]:
    """Write the report and the lists; count how recordings stand, by status ("skipped": complete before this run)."""
    directory = batch.order.directory
    counts: dict[str, Count] = {}
    skipped = set(batch.skipped)
    targets = [Target("jsonl", directory / REPORT), *(Target("", directory / BEST / name) for name in LISTS)]
    with ExitStack() as stack:
        stack.enter_context(told(directory / REPORT))
        make_folder(directory / BEST)
        # A list's ids are bytes to Kaldi, and come out as they went in.
        report, *lists = [stack.enter_context(partial_file(target, errors="surrogateescape")) for target in targets]
        for number, result in results(batch, ledger):
            item = batch.item(number)
            line = dumps(record(item, result, batch.places(number)))
            report.write(line.encode("utf-8", "backslashreplace").decode() + "\n")  # which JSON understands
            if result is not None and result.status in COMPLETE:
                for file, line_of in zip(lists, LISTS.values(), strict=True):
                    if (said := line_of(result)) or line_of is LISTS["text"]:
                        file.write(f"{item.key} {said}".rstrip() + "\n")
            status = "skipped" if number in skipped else result.status if result else PENDING
            counts.setdefault(status, Count()).add(result)
        for file in (report, *lists):
            settle(file)
        keep(targets, complete=True)
    if batch.order.upload is not None:
        names = [batch.name_of(target) for target in targets]
        put_all(batch.order.upload, zip([target.path for target in targets], names, strict=True), keep=True)
    return counts


def record(item: Item, result: Result | None, places: Sequence[str]) -> dict[str, Any]:
    """A line of the report."""
    if result is None:
        return {"key": item.key, "path": path_of(item), "status": PENDING}
    is_complete = result.status in COMPLETE
    found: dict[str, Any] = {"key": item.key, "path": path_of(item), "status": result.status}
    if item.start or item.end is not None:
        found |= {"start": item.start, "end": item.end}
    if is_complete:
        found |= {
            "audio_s": round(result.duration, 3),
            "rtfx": round(result.rate, 1),
            "segments": result.n_segments,
            "n_suspect": result.n_suspect,
            "outputs": list(places),
        }
    else:
        found |= {"error": result.error, "code": result.code}
    if result.warnings:
        found["warnings"] = list(result.warnings)
    return found


def path_of(item: Item) -> str:
    """Where the recording is, without what is nobody's business."""
    return item.source if item.piped else without_password(item.source)


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def failures(batch: Batch, ledger: Ledger) -> Iterable[tuple[Item, Result]]:
    """What could not be transcribed, in the order of the input."""
    for number, result in results(batch, ledger):
        if result is not None and result.status == FAILED:
            yield batch.item(number), result


def report_place(batch: Batch) -> str:
    return batch.store.place_of(REPORT) if batch.store is not None else str(batch.order.directory / REPORT)
