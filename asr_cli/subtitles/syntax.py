"""The letter of SRT and VTT, checked on the raw text: readers forgive too much to be asked."""

import re
from collections.abc import Iterator

from asr_cli.subtitles.problem import Problem, error, warning

CLOCK = r"[0-5]\d:[0-5]\d([,.])\d{3}"
SRT_TIMES = re.compile(rf"(-?)\d{{2,}}:{CLOCK} --> (-?)\d{{2,}}:{CLOCK}\s*$")
VTT_TIMES = re.compile(rf"(-?)(?:\d{{2,}}:)?{CLOCK} --> (-?)(?:\d{{2,}}:)?{CLOCK}(?:\s.*)?$")
NUMBER = re.compile(r"\s*\d+\s*$")
NOT_CUES = ("NOTE", "STYLE", "REGION")


def srt_syntax(text: str) -> Iterator[Problem]:
    """What the text breaks of the format. Line breaks are plain `\\n`."""
    if not text:
        yield error("empty-file", 0, "the file is empty; most readers refuse it")
        return
    n_cues = 0
    for block in blocks(text):
        if is_head(block):
            n_cues += 1
            yield from srt_block(block, n_cues)
        elif n_cues:
            yield error("blank-line", n_cues, f"a blank line inside the cue cuts off {block[0]!r}")
        else:
            yield error("syntax", 0, f"{block[0]!r} is no cue: a number, a line of times, then text")
    if n_cues == 0:
        yield warning("no-cues", 0, "there is no cue in the file")


def srt_block(block: list[str], number: int) -> Iterator[Problem]:
    has_number = "-->" not in block[0]
    if not has_number:
        yield error("index", number, f"cue {number} has no number")
    elif block[0].strip() != str(number):
        yield error("index", number, f"cue {number} has the number {block[0].strip()!r}")
    line, *body = block[1:] if has_number else block
    yield from times(line, SRT_TIMES, ",", number)
    yield from body_syntax(body, number)


def vtt_syntax(text: str) -> Iterator[Problem]:
    """What the text breaks of https://www.w3.org/TR/webvtt1/. Line breaks are plain `\\n`."""
    if not text:
        yield error("empty-file", 0, "the file is empty; most readers refuse it")
        return
    first = text.split("\n", 1)[0]
    if not (first == "WEBVTT" or first.startswith(("WEBVTT ", "WEBVTT\t"))):
        yield error("header", 0, "the first line is not WEBVTT")
    n_cues = 0
    for block in blocks(text):
        if block[0].startswith(("WEBVTT", *NOT_CUES)) and "-->" not in block[0]:
            continue
        if not any("-->" in line for line in block[:2]):
            reason = "a blank line inside the cue cuts off" if n_cues else "is no cue:"
            yield error("blank-line" if n_cues else "syntax", n_cues, f"{reason} {block[0]!r}")
            continue
        n_cues += 1
        line, *body = block[1:] if "-->" not in block[0] else block
        yield from times(line, VTT_TIMES, ".", n_cues)
        yield from body_syntax(body, n_cues)
    if n_cues == 0:
        yield warning("no-cues", 0, "there is no cue in the file")


def blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines between blank ones."""
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def is_head(block: list[str]) -> bool:
    return "-->" in block[0] or (len(block) > 1 and bool(NUMBER.match(block[0])) and "-->" in block[1])


def times(line: str, pattern: re.Pattern[str], point: str, number: int) -> Iterator[Problem]:
    found = pattern.match(line)
    if found is None:
        yield error("time-syntax", number, f"{line.strip()!r} is no line of times")
        return
    if found[1] or found[3]:
        yield error("negative", number, f"a time is negative: {line.strip()!r}")
    if {found[2], found[4]} != {point}:
        yield error("decimal-sign", number, f"milliseconds follow {point!r} in this format: {line.strip()!r}")


def body_syntax(body: list[str], number: int) -> Iterator[Problem]:
    if not body:
        yield error("empty", number, "the cue has no text")
    if any("-->" in line for line in body):
        yield error("arrow", number, "'-->' in the text reads as a line of times")
