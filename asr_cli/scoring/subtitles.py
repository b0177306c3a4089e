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
from typing import NamedTuple

from asr_cli.errors import InputError
from asr_cli.scoring.lines import every_line
from asr_cli.scoring.times import UNKNOWN, Times, times_of
from asr_cli.scoring.units import run_together

log = logging.getLogger("asr")

# At a line's ends they are neither text nor seen: white space of any kind, byte order marks, marks of direction.
INVISIBLE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff\u200b\u200e\u200f\u2060"
LABEL = re.compile(r"(?=\D*\d)[!-~]+")  # of SRT: an id of one word, as programs make them; a word may be speech
FURNITURE = re.compile(r"(?:WEBVTT|NOTE|STYLE|REGION)(?:\s|$)")
TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^}]*\}")
VTT_TAG = re.compile(r"<[^>]*>")  # a "<" of the text is written &lt; there
MARK = re.compile(r"<(/?)(?!(?:v|lang|br)\b)[A-Za-z]")  # what shows text in another way


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank; number: its place in the file. begins, ends: whether a blank one is above, below.

    times: where it is a line of them.
    """

    number: int
    text: str
    begins: bool
    ends: bool
    times: Times | None

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
    rows = [(number, line.strip(INVISIBLE)) for number, line in every_line(text)]
    blank = [True, *(not line for _, line in rows), True]
    lines: list[Line] = []
    for (number, line), begins, ends in zip(rows, blank, blank[2:], strict=False):
        if line:
            is_due = (begins and not ends) or (bool(lines) and lines[-1].begins and lines[-1].count is not None)
            lines.append(Line(number, line, begins, ends, times_of(line, is_due=is_due)))
    return lines


def parsed(lines: Sequence[Line], *, vtt: bool) -> tuple[list[Cue], list[Line]]:
    """The cues, and the lines before the first one that are none; any other text belongs to the cue above it."""
    cues: list[Cue] = []
    strays: list[Line] = []
    number, is_furniture = 0, False
    for line, below in zip_longest(lines, lines[1:]):
        if vtt and line.begins:
            is_furniture = FURNITURE.match(line.text) is not None
        if line.times is not None:
            cues.append(Cue(line.times, [line.times.text]))
            number = line.times.number or number
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
    if below is None or below.times is None:
        return False
    if line.ends:  # the file's line breaks were doubled
        return line.begins and line.count == number + 1
    return line.count is not None or (line.begins and (vtt or LABEL.fullmatch(line.text) is not None))


def spoken(cues: Iterable[Cue], tag: re.Pattern[str]) -> Iterator[str]:
    """The text of each cue without tags.

    A moving highlight shows its text once for each word: cues that touch are one where only the mark moves on.
    """
    before, end, last, furthest = None, "", UNMARKED, -1
    for cue in cues:
        raw = "\n".join(filter(None, cue.lines))
        text, mark = tag.sub("", raw), mark_of(raw, tag)
        moves_on = mark.place > furthest if mark.place >= 0 else last.place >= 0
        if text == before and cue.times.start == end and mark.depth == last.depth and moves_on:
            furthest = max(furthest, mark.place)
        else:
            yield text
            furthest = mark.place
        before, end, last = text, cue.times.end, mark


class Mark(NamedTuple):
    """Where in the text the last highlighted words begin, -1 without any; depth: the tags around the whole cue."""

    place: int
    depth: int


UNMARKED = Mark(-1, 0)


def mark_of(raw: str, tag: re.Pattern[str]) -> Mark:
    """A highlight leaves words outside itself: a cue that is in italics as a whole has none.

    But of one word, which is written as a highlight before and after a pause, too, <u> is taken for one.
    """
    place = depth = 0
    depths: dict[int, int] = {}
    around: list[int] = []  # what is no word, such as the dash before a speaker's words, may stand outside any tag
    for piece, found in zip_longest(tag.split(raw), tag.findall(raw), fillvalue=""):
        if piece.strip():
            depths[place] = depth
            around += [depth] if any(map(str.isalnum, piece)) else []
        place += len(piece)
        if mark := MARK.match(found):
            depth = max(0, depth - 1 if mark[1] else depth + 1)
    whole = min(around or depths.values(), default=0)
    if whole == len(around) == 1 and "<u>" in raw and len(tag.sub("", raw).split()) == 1:
        return Mark(0, 0)
    return Mark(max((place for place, depth in depths.items() if depth > whole), default=-1), whole)
