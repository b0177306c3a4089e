"""Lines of times in subtitles, however they are spelled."""

import re
from dataclasses import dataclass

# Bounded, as a line may be as long as a file.
CLOCK = r"-?\d{1,9}(?:\s?:\s?\d{1,9}){1,3}(?:\s?[.,]\s?\d{1,9})?"
DASHES = r"\s\-–—−=~"
HEADS = ">＞→⇒"
# A cue's number may stand before its times, settings and text behind them.
LINE = re.compile(
    rf"(?:(?P<number>\d{{1,9}})[.)]?\s+)?(?P<start>{CLOCK})"
    rf"(?P<arrow>[{DASHES}]{{0,30}}(?:&gt;|[{HEADS}]{{1,9}})?[{DASHES}]{{0,30}}?)"
    rf"(?<![\d.,])(?P<end>{CLOCK})(?P<text>.*)"
)
SETTINGS = re.compile(r"(?:\s+(?:[XY][12]:-?\d+|[a-z]+:[\w%.,+-]+)(?!\S))*\s*")
FRACTION = re.compile(r"-?\d{1,9}(?::\d{1,9}){1,3}[.,]\d{1,9}")
FULL = re.compile(rf"{FRACTION.pattern}|-?\d{{1,9}}(?::\d{{1,9}}){{2,3}}")  # 9:00 -> 10:00 may be said
BROKEN_ARROW = re.compile(r"[-–—−=]\s*[>＞]|[→⇒]")
BESIDE = re.compile(rf"[{DASHES}{HEADS}]")


@dataclass(frozen=True, slots=True)
class Times:
    """When a cue starts and ends, as it is spelled; empty where that cannot be told.

    number: the cue's, where it is in the same line. text: what is said there.
    """

    start: str = ""
    end: str = ""
    number: int | None = None
    text: str = ""


UNKNOWN = Times()


def times_of(line: str, *, is_due: bool = False) -> Times | None:
    """The times that a line holds, with any arrow or none. is_due: times are expected there, so one stamp will do.

    >>> times_of("00:00:01,5 -> 00:00:02,5"), times_of("9:00 - 10:00")
    (Times(start='00:00:01.5', end='00:00:02.5', number=None, text=''), None)
    >>> times_of("7 0:01 --> 0:02 align:start Hello")
    Times(start='0:01', end='0:02', number=7, text='Hello')
    """
    found = LINE.fullmatch(line)
    remnant = is_remnant(line.replace("&gt;", ">"), is_due=is_due)
    if found is not None:
        start, end = spelled(found["start"]), spelled(found["end"])
        number, text = found["number"], "" if remnant else SETTINGS.sub("", found["text"], 1)
        if are_times(start, found["arrow"], end, is_alone=not (number or text)):
            return Times(start, end, int(number) if number else None, text)
    return UNKNOWN if remnant else None


def are_times(start: str, arrow: str, end: str, *, is_alone: bool) -> bool:
    """Whether two clocks are times; the less of an arrow is between them, the more they may be what somebody said."""
    if "-->" in arrow:
        return True
    if any(head in arrow for head in (*HEADS, "&gt;")):
        return all(map(FULL.fullmatch, (start, end)))
    return is_alone and all(map(FRACTION.fullmatch, (start, end)))


def is_remnant(line: str, *, is_due: bool) -> bool:
    """Whether a line holds stamps and nothing else; a single one may be said, so something must tell."""
    has_arrow = BROKEN_ARROW.search(line) is not None
    stamp = FULL if has_arrow else FRACTION
    n_stamps = len(stamp.findall(line))
    if not n_stamps or BESIDE.sub("", stamp.sub("", line)):
        return False
    return n_stamps > 1 or has_arrow or is_due


def spelled(clock: str) -> str:
    return "".join(clock.split()).replace(",", ".")
