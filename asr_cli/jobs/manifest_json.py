"""Manifests with an object of JSON a line, as NeMo, FunASR and others write them."""

import json
from collections.abc import Iterator
from typing import Any

from asr_cli.audio.ids import KEYS, SOURCES, first, made_key, one_word, span
from asr_cli.errors import UsageError
from asr_cli.jobs.manifest_item import Item, is_one_word, placed
from asr_cli.jobs.manifest_lines import folder_of, is_stdin, lines, place_of, text_of


def read_json_lines(name: str) -> Iterator[Item]:
    folder = folder_of(name)
    for number, line in lines(name):
        origin = place_of(name, number)
        record = parsed(line, origin)
        source = source_of(record, origin)
        start, end = span_of(record, origin)
        key = key_of(record, origin) or made_key(record, source)
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


def span_of(record: dict[str, Any], origin: str) -> tuple[float, float | None]:
    try:
        return span(record)
    except ValueError as error:
        raise UsageError(f"{origin}: {error}") from error
