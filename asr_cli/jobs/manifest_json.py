"""Manifests with an object of JSON a line, as NeMo, FunASR and others write them."""

import json
import math
from collections.abc import Iterator
from typing import Any

from asr_cli.errors import UsageError
from asr_cli.jobs.manifest_item import LONGEST, Item, is_one_word, one_word, placed
from asr_cli.jobs.manifest_lines import folder_of, is_stdin, lines, place_of, text_of
from asr_cli.jobs.plan import stem

KEYS = ("key", "id", "utt", "utt_id")
SOURCES = ("source", "audio_filepath", "audio", "wav", "path")
STARTS = ("offset", "start")
TO_THE_END = -1


def read_json_lines(name: str) -> Iterator[Item]:
    folder = folder_of(name)
    for number, line in lines(name):
        origin = place_of(name, number)
        record = parsed(line, origin)
        source = source_of(record, origin)
        start, end = span(record, origin)
        is_cut = first(record, STARTS) is not None
        key = key_of(record, origin) or one_word(stem(source)) + (cut_mark(start, end) if is_cut else "")
        yield Item(key, placed(source, folder), "", start, end, origin=origin)


def parsed(line: bytes, origin: str) -> dict[str, Any]:
    try:
        record = json.loads(text_of(line))
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "too deep, or too large a number"
        raise UsageError(f"{origin}: no JSON ({reason}); a manifest has one object a line") from error
    if not isinstance(record, dict):
        raise UsageError(f"{origin}: a manifest has one object a line ({{...}}), and this is none")
    return record


def first(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def source_of(record: dict[str, Any], origin: str) -> str:
    source = first(record, SOURCES)
    if not isinstance(source, str) or not source or not is_text(source):
        raise UsageError(f"{origin}: there is no path in it; write one as {' or '.join(SOURCES)}")
    if is_stdin(source):
        raise UsageError(f"{origin}: standard input is no recording that a batch can hear; name a file")
    return source


def key_of(record: dict[str, Any], origin: str) -> str | None:
    key = first(record, KEYS)
    if key is None:
        return None
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str) or not is_text(key) or not is_one_word(one_word(key)):
        raise UsageError(f"{origin}: {key!r:.80} is no id; write a word")
    return one_word(key)


def is_text(key: str) -> bool:
    """Whether it can be written into a file: JSON can spell halves of characters."""
    try:
        key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def span(record: dict[str, Any], origin: str) -> tuple[float, float | None]:
    """Start and end in seconds. A duration without a start is the whole recording's, and cuts nothing."""
    began, ended, duration = first(record, STARTS), record.get("end"), record.get("duration")
    start = 0.0 if began is None else seconds(began, "start", origin)
    if start < 0:
        raise UsageError(f"{origin}: a recording cannot start at {start:g} s")
    if ended is not None and ended != TO_THE_END:
        end = seconds(ended, "end", origin)
    elif ended is None and began is not None and duration is not None:
        end = start + seconds(duration, "duration", origin)
    else:
        return start, None
    if end <= start:
        raise UsageError(f"{origin}: it ends at {end:g} s, not after its start at {start:g} s")
    return start, end


def seconds(value: Any, what: str, origin: str) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not abs(number) <= LONGEST:
        raise UsageError(f"{origin}: the {what} {value!r:.40} is no time; write seconds, such as 12.5")
    return number


def cut_mark(start: float, end: float | None) -> str:
    """What tells the stretches of one recording apart where nobody gave them ids: milliseconds.

    >>> cut_mark(1.5, 4.25), cut_mark(60.0, None)
    ('-0001500-0004250', '-0060000-end')
    """
    return f"-{round(start * 1000):07d}-" + ("end" if end is None else f"{round(end * 1000):07d}")
