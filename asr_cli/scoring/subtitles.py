"""All that a subtitle file says.

`asr_cli.subtitles.read` gives what a player shows. Here nothing is lost: what follows a blank line within a cue, or
times that no player understands, was said all the same.
"""

import html
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from asr_cli.errors import InputError
from asr_cli.scoring.lines import every_line
from asr_cli.scoring.units import run_together

log = logging.getLogger("asr")

CLOCK = re.compile(r"\s*(-?\d+(?:\s?:\s?\d+)+(?:\s?[.,]\s?\d+)?)\s*")
STAMP = re.compile(r"-?\d+(?::\d+)+[.,]\d+")
ARROW = " \t-–—=>→"  # and what is written for one
FURNITURE = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")
TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^}]*\}")
VTT_TAG = re.compile(r"<[^>]*>")  # a "<" of the text is written &lt; there
HIGHLIGHT = re.compile(r"<(?!v[\s.])[A-Za-z][^<>]*>")

Times = tuple[str, str]
UNKNOWN: Times = ("", "")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank; number: its place in the file. begins, ends: whether a blank one is above, below."""

    number: int
    text: str
    begins: bool
    ends: bool

    @property
    def count(self) -> int | None:
        """The number that it holds and nothing else."""
        return int(self.text) if self.text.isdecimal() and len(self.text) < 10 else None


@dataclass(slots=True)
class Cue:
    """Times and text as they are written."""

    times: Times
    lines: list[str] = field(default_factory=list)


def is_vtt(path: Path, text: str) -> bool:
    return path.suffix.lower() == ".vtt" or text.startswith("WEBVTT")


def subtitle_text(path: Path, text: str) -> str:
    """The cues run together; lines that belong to none are told."""
    vtt = is_vtt(path, text)
    cues, strays = parsed(lines_of(text), vtt=vtt)
    if strays:
        tell(path, strays, is_text=not cues)
    bodies = spoken(cues, VTT_TAG if vtt else TAG)
    return run_together(line for body in bodies for line in (html.unescape(body) if vtt else body).split("\n"))


def tell(path: Path, strays: Sequence[Line], *, is_text: bool) -> None:
    first = strays[0]
    if is_text:
        raise InputError(
            f"{str(path)!r} holds no cue (line {first.number}: {first.text!r:.60}); give subtitles, or call it .txt"
            " if it is plain text"
        )
    log.warning(
        "%s has text before its first cue, from line %d on (%r); not counted",
        path, first.number, first.text[:60], extra={"code": "W-NOT-A-CUE"},
    )  # fmt: skip


def lines_of(text: str) -> list[Line]:
    rows = list(every_line(text))
    blank = [True, *(not line.strip() for _, line in rows), True]
    return [
        Line(number, line, above, below)
        for (number, line), above, below in zip(rows, blank, blank[2:], strict=False)
        if line.strip()
    ]


def parsed(lines: Sequence[Line], *, vtt: bool) -> tuple[list[Cue], list[Line]]:
    """The cues, and the lines before the first one that are none; any other text belongs to the cue above it."""
    cues: list[Cue] = []
    strays: list[Line] = []
    number, is_furniture = 0, False
    for line, below in zip_longest(lines, lines[1:]):
        times = times_of(line.text)
        if vtt and line.begins:
            is_furniture = FURNITURE.match(line.text) is not None
        if times is not None:
            cues.append(Cue(times))
            is_furniture = False
        elif is_furniture:
            continue
        elif is_label(line, below, number, vtt=vtt):
            number = line.count or number
        elif cues and line.begins and not line.ends and line.count == number + 1:
            cues.append(Cue(UNKNOWN))  # a number and text: its times were lost
            number += 1
        elif cues:
            cues[-1].lines.append(line.text)
        else:
            strays.append(line)
    return cues, strays


def is_label(line: Line, below: Line | None, number: int, *, vtt: bool) -> bool:
    """Whether it is the number or name of the cue whose times are below. number: that of the cue before."""
    if below is None or times_of(below.text) is None:
        return False
    if line.ends:  # the file's line breaks were doubled
        return line.begins and line.count == number + 1
    return line.count is not None or (vtt and line.begins)


def times_of(line: str) -> Times | None:
    """When a cue starts and ends, as a line of times spells it, with any arrow or none.

    >>> times_of("00:00:01,5 -> 00:00:02,5"), times_of("0:01 --> 0:02 align:start"), times_of("9:00 - 10:00")
    (('00:00:01.5', '00:00:02.5'), ('0:01', '0:02'), None)
    """
    left, arrow, right = line.partition("-->")
    start, end = CLOCK.fullmatch(left), CLOCK.match(right)
    if arrow and start and end:
        return spelled(start[1]), spelled(end[1])
    stamps = STAMP.findall(line)
    if not stamps or STAMP.sub("", line.replace("&gt;", ">")).strip(ARROW):
        return None
    return (spelled(stamps[0]), spelled(stamps[1])) if len(stamps) == 2 else UNKNOWN


def spelled(clock: str) -> str:
    return "".join(clock.split()).replace(",", ".")


def spoken(cues: Iterable[Cue], tag: re.Pattern[str]) -> Iterator[str]:
    """The text of each cue without tags.

    A moving highlight shows its text once for each word: cues that touch are one where only the mark moves on.
    """
    before, end, last, furthest = "", "", -1, -1
    for cue in cues:
        raw = "\n".join(cue.lines)
        text, mark = tag.sub("", raw), mark_of(raw)
        moves_on = mark > furthest if mark >= 0 else last >= 0
        if text == before and cue.times[0] == end and moves_on:
            furthest = max(furthest, mark)
        else:
            yield text
            furthest = mark
        before, end, last = text, cue.times[1], mark


def mark_of(raw: str) -> int:
    """Where the mark is, -1 without one."""
    return max((found.start() for found in HIGHLIGHT.finditer(raw)), default=-1)
