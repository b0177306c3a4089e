"""Utterances out of JSON: a transcript, a list or lines of records, a batch's report."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from asr_cli.audio.ids import KEYS, SOURCES, first, made_key, mark
from asr_cli.errors import InputError
from asr_cli.scoring.lines import numbered
from asr_cli.scoring.units import run_together

Record = dict[str, Any]
UNHEARD = ("failed", "pending")  # recordings without a transcript, in a batch's report


def transcript_text(found: Record, path: Path) -> str:
    """What one recording's JSON says (docs/json.md, or Whisper's)."""
    text = found.get("text")
    if text is None and isinstance(found.get("segments"), list):
        text = "\n".join(str(one.get("text", "")) for one in found["segments"] if isinstance(one, dict))
    if not isinstance(text, str):
        raise InputError(
            f"{str(path)!r} has neither a text nor segments; give a transcript as asr writes it with -f json"
        )
    return run_together(text.split("\n"))


def parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        line = getattr(problem, "lineno", None)
        where = f" (line {line}: {getattr(problem, 'msg', '')})" if line else ""
        raise InputError(f"{str(path)!r} is not valid JSON{where}; write it again, or give another file") from problem


def is_lines(text: str) -> bool:
    """Whether an object is complete in the first of several lines."""
    lines = [line for _, line in islice(numbered(text), 2)]
    try:
        return len(lines) > 1 and isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


def parsed_lines(text: str, path: Path) -> list[tuple[int, Record]]:
    """The records of JSONL, each with its line."""
    found = []
    for n_line, line in numbered(text):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise InputError(
                f"{str(path)!r} is not JSON in line {n_line}; it should hold an object a line"
            ) from problem
        if not isinstance(record, dict):
            raise InputError(f"{str(path)!r} holds no object in line {n_line}; it should hold one a line")
        found.append((n_line, record))
    return found


def is_report(records: Iterable[tuple[int, Record]]) -> bool:
    """Whether these are the records of asr batch."""
    return all({"key", "path", "status"} <= record.keys() for _, record in records)


def is_utterance(found: Record) -> bool:
    """Whether an object is a manifest's record, not a transcript with its segments."""
    is_told = isinstance(first(found, SOURCES), str) or "pred_text" in found
    return is_told and "segments" not in found


def entries(
    records: Iterable[tuple[int, Record]], path: Path, *, reference: bool, kind: str = "line"
) -> Iterator[tuple[int, str, str]]:
    """Place, id and text of each record; a manifest may hold both sides, the hypothesis as `pred_text`."""
    records = list(records)
    keys = [id_of(record, path, f"{kind} {place}") for place, record in records]
    # A path is the id of a recording on one machine only, and where names come twice the only one.
    if len(set(keys)) < len(keys):
        keys = [id_of(record, path, f"{kind} {place}", whole=True) for place, record in records]
    for (place, record), key in zip(records, keys, strict=True):
        text = record.get("text")
        if not reference and isinstance(record.get("pred_text"), str):
            text = record["pred_text"]
        if not isinstance(text, str):
            raise InputError(f"{str(path)!r} has no text in {kind} {place}; each record needs an id and a text")
        yield place, key, run_together(text.split("\n"))


def id_of(record: Record, path: Path, where: str, *, whole: bool = False) -> str:
    """The id that is given, else the one that a batch makes of the recording's path. whole: with its folders."""
    if given := given_id(record):
        return given
    source = first(record, SOURCES)
    if isinstance(source, str) and source.strip():
        try:
            return source + mark(record) if whole else made_key(record, source)
        except ValueError as problem:
            raise InputError(f"{str(path)!r} in {where}: {problem}") from problem
    raise InputError(f"{str(path)!r} has no id in {where}; each record needs one of {', '.join((*KEYS, *SOURCES))}")


def given_id(record: Record) -> str:
    """The id that somebody gave it, empty where nobody did."""
    values = (record.get(name) for name in KEYS)
    return next((str(value).strip() for value in values if isinstance(value, str | int) and str(value).strip()), "")


def latest(records: Iterable[tuple[int, Record]], path: Path) -> Mapping[str, Record]:
    """A report's records by id; of several on one recording the last counts, which is a retry's."""
    return {id_of(record, path, f"line {n_line}"): record for n_line, record in records}


def outputs(record: Record, report: Path) -> list[Path]:
    """The files a recording was written to, found from the report's directory, or as they are written."""
    names = record.get("outputs")
    values = names.values() if isinstance(names, dict) else names if isinstance(names, list) else []
    return [place(str(name), report) for name in values if not re.match(r"\w{2,}://", str(name))]


def place(name: str, report: Path) -> Path:
    beside = report.parent / name
    return beside if beside.exists() else Path(name)
