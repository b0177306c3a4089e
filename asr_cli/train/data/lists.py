"""Transcribed recordings out of Kaldi folders and JSON lists."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr_cli.audio import SAMPLE_RATE
from asr_cli.audio.ids import first, made_key
from asr_cli.audio.plain import find_samples
from asr_cli.audio.probe import announced_duration
from asr_cli.errors import InputError, UsageError
from asr_cli.jobs.manifest import check
from asr_cli.jobs.manifest_item import Item, placed
from asr_cli.jobs.manifest_json import key_of, parsed, source_of, span_of
from asr_cli.jobs.manifest_kaldi import cut_into_segments, read_scp
from asr_cli.jobs.manifest_lines import folder_of, lines, place_of, text_of
from asr_cli.scoring.units import Rules, normalized
from asr_cli.train.state import append

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TEXTS = ("text", "target", "transcript", "sentence", "txt")  # what lists call what was said
HEAD_BYTES = 4096
LOOKING = 8  # recordings at once


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of a recording and what is said in it; seconds: how long it is."""

    key: str
    source: str
    start: float
    end: float | None
    text: str
    seconds: float

    @property
    def size(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Skipped:
    """What cannot be learned from, and why."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list says, before anybody looked at the recording."""

    item: Item
    text: str
    seconds: float | None


def read_lists(names: Sequence[str]) -> tuple[list[Listed], list[Skipped]]:
    """Every transcribed recording that is named, and what has only a recording or only a text."""
    found: dict[str, Listed] = {}
    skipped: list[Skipped] = []
    for name in names:
        for one in (read_folder if os.path.isdir(name) else read_json)(name, skipped):  # noqa: PTH112
            if one.item.key in found:
                before = found[one.item.key].item.origin
                raise UsageError(
                    f"the id {one.item.key!r} is there twice, in {before} and in {one.item.origin}; give each"
                    " utterance its own"
                )
            found[one.item.key] = one
    return list(found.values()), skipped


def read_folder(name: str, skipped: list[Skipped]) -> Iterator[Listed]:
    folder = Path(name)
    for needed in ("wav.scp", "text"):
        if not (folder / needed).is_file():
            raise InputError(f"{name!r} is no Kaldi folder: it has no {needed}; name one, or a JSON list")
    items: Iterable[Item] = map(no_command, read_scp(str(folder / "wav.scp"), allow_pipes=True))
    if (folder / "segments").is_file():
        items = cut_into_segments(list(items), str(folder / "segments"))
    texts = read_table(folder / "text")
    durations = read_table(folder / "utt2dur") if (folder / "utt2dur").is_file() else {}
    for item in items:
        text = texts.pop(item.key, None)
        if text is None:
            skipped.append(Skipped(item.key, "it has no text"))
        else:
            yield Listed(item, text, number(durations.get(item.key)))
    skipped += [Skipped(key, "it has a text and no recording") for key in texts]


def no_command(item: Item) -> Item:
    if item.piped:
        raise UsageError(
            f"{item.origin}: {item.key!r} is a command for the shell, and training reads files; run it once, and name"
            " what it writes"
        )
    return item


def read_table(path: Path) -> dict[str, str]:
    """What stands behind each id."""
    found: dict[str, str] = {}
    for n_line, line in lines(str(path)):
        key, *rest = map(text_of, line.split(maxsplit=1))
        if key in found:
            raise UsageError(f"{place_of(str(path), n_line)}: the id {key!r} is there twice; give each its own")
        found[key] = rest[0] if rest else ""
    return found


def read_json(name: str, skipped: list[Skipped]) -> Iterator[Listed]:
    folder = folder_of(name)
    for n_line, line in lines(name):
        origin = place_of(name, n_line)
        record = parsed(line, origin)
        source = source_of(record, origin)
        start, end = span_of(record, origin)
        text = first(record, TEXTS)
        key = key_of(record, origin) or made_key(record, source)
        if not isinstance(text, str):
            skipped.append(Skipped(key, f"it has no text, as {' or '.join(TEXTS[:2])}"))
            continue
        item = Item(key, placed(source, folder), "", start, end, origin=origin)
        yield Listed(item, text, number(record.get("duration")))


def number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def measured(listed: Sequence[Listed], *, normalize: bool) -> tuple[list[Utterance], list[Skipped]]:
    """The utterances with their lengths, and those whose recording is not there."""
    found, skipped = [], []
    with ThreadPoolExecutor(LOOKING) as pool:
        for one, looked in zip(listed, pool.map(look, listed), strict=True):
            if isinstance(looked, str):
                skipped.append(Skipped(one.item.key, looked))
            elif not is_text(one.text):
                skipped.append(Skipped(one.item.key, "its text is not UTF-8"))
            else:
                found.append(made(one, looked, normalize))
    return found, skipped


def is_text(text: str) -> bool:
    """Whether it was UTF-8 in its list."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def made(one: Listed, seconds: float, normalize: bool) -> Utterance:
    text = normalized(one.text, Rules()) if normalize else " ".join(one.text.split())
    return Utterance(one.item.key, one.item.source, one.item.start, one.item.end, text, seconds)


def look(one: Listed) -> float | str:
    """How long it is, or why that cannot be said."""
    problem = check(one.item)
    if problem is not None:
        return str(problem)
    if one.item.end is not None:
        return one.item.end - one.item.start
    whole = one.seconds if one.seconds is not None else duration(one.item.source)
    if whole is None:
        return f"{one.item.source!r} cannot be read as a recording"
    return max(0.0, whole - one.item.start) if one.seconds is None else whole


def duration(source: str) -> float | None:
    try:
        size = os.path.getsize(source)  # noqa: PTH202
        with open(source, "rb") as file:  # noqa: PTH123
            head = file.read(HEAD_BYTES)
        plain = find_samples(source, head, size) if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else None
    except OSError:
        plain = None
    return plain.n_frames / SAMPLE_RATE if plain is not None else announced_duration(source)


def write_records(path: Path, records: Iterable["DataclassInstance"]) -> None:
    write_lines(path, map(asdict, records))


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(map(as_line, records)), encoding="utf-8", errors="surrogateescape")


def as_line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def read_records(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    return [json.loads(line) for line in text.split("\n") if line]


def add_skipped(path: Path, skipped: Iterable[Skipped]) -> None:
    """All of them, or none where there is no room for all."""
    torn = "" if ends_well(path) else "\n"
    with path.open("ab", buffering=0) as file:
        n_bytes = file.seek(0, os.SEEK_END)
        try:
            append(file, "".join([torn, *(as_line(asdict(one)) for one in skipped)]).encode(errors="surrogateescape"))
        except OSError:
            file.truncate(n_bytes)
            raise


def read_skipped(path: Path) -> set[str]:
    """The keys of what is known to be of no use."""
    found = set()
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
        with suppress(ValueError):  # a line that a power cut tore
            found.add(json.loads(line)["key"])
    return found


def ends_well(path: Path) -> bool:
    """Whether nothing tore the last line."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
