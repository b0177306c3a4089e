"""Kaldi's tables (https://kaldi-asr.org/doc/data_prep.html): wav.scp, and the segments that cut its recordings."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from asr_cli.audio.ids import LONGEST
from asr_cli.errors import UsageError
from asr_cli.jobs.manifest_item import Item, is_one_word, placed
from asr_cli.jobs.manifest_lines import folder_of, is_stdin, lines, place_of, text_of

log = logging.getLogger("asr")

TO_THE_END = -1.0  # what segments write for an end that is the recording's


def read_scp(name: str, *, allow_pipes: bool) -> Iterator[Item]:
    """The recordings of a wav.scp: "id path", and where allowed "id command |"."""
    folder = folder_of(name)
    for number, line in lines(name):
        origin = place_of(name, number)
        key, source = key_and_source(line, origin)
        if source.endswith("|"):
            if not allow_pipes:
                raise UsageError(
                    f"{origin}: {key!r} is a command for the shell; --allow-scp-pipes runs such commands,"
                    " if you trust the list"
                )
            yield Item(key, source[:-1].rstrip(), "", piped=True, origin=origin)
        else:
            yield Item(key, placed(source, folder), "", origin=origin)


def key_and_source(line: bytes, origin: str) -> tuple[str, str]:
    key, *rest = map(text_of, line.split(maxsplit=1))
    if not is_one_word(key):  # a space of another script, from an input method
        raise UsageError(
            f"{origin}: the id {key!r} has a space in it that is no plain one; write a plain space or a tab"
        )
    if not rest or rest[0] == "|":
        raise UsageError(f"{origin}: {key!r} has no path; write an id, a space, and a path")
    if is_stdin(rest[0]):
        raise UsageError(f"{origin}: {key!r} is standard input, which a batch cannot hear; name a file")
    return key, rest[0]


def cut_into_segments(recordings: Sequence[Item], name: str) -> Iterator[Item]:
    """The segments of these recordings that a file names ("utterance recording start end"), in its order."""
    known = {item.key: item for item in recordings}
    used: set[str] = set()
    for number, line in lines(name):
        origin = place_of(name, number)
        fields = [text_of(field) for field in line.split()]
        if len(fields) != 4:
            raise UsageError(f"{origin}: {len(fields)} columns; a line of segments is: utterance recording start end")
        key, recording, start, end = fields
        if recording not in known:
            raise UsageError(f"{origin}: there is no recording {recording!r}; check that the list of recordings fits")
        if not is_one_word(key):
            raise UsageError(f"{origin}: the id {key!r} has a space in it that is no plain one")
        used.add(recording)
        first, last = span(start, end, origin)
        yield replace(known[recording], key=key, name="", origin=origin, start=first, end=last)
    if unused := len(known) - len(used):
        log.warning(
            f"{unused} of {len(known)} recordings have no line in {name!r} and are left out",
            extra={"code": "W-NO-SEGMENT"},
        )


def span(start: str, end: str, origin: str) -> tuple[float, float | None]:
    first, last = seconds(start, origin), seconds(end, origin)
    if first < 0:
        raise UsageError(f"{origin}: a segment cannot start at {start} s")
    if last == TO_THE_END:
        return first, None
    if last <= first:
        raise UsageError(f"{origin}: the segment ends at {end} s, not after its start at {start} s")
    return first, last


def seconds(text: str, origin: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not abs(value) <= LONGEST:
        raise UsageError(f"{origin}: {text!r} is no time; write seconds, such as 12.5")
    return value
