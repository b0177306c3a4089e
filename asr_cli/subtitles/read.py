"""Subtitle files, read back."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from asr_cli.errors import InputError, NotFoundError
from asr_cli.subtitles.cue import Cue
from asr_cli.transcript import Word

SUFFIXES = (".srt", ".vtt")

VTT_TIME = r"(-?(?:\d+:)?\d+:\d+[.,]\d+)"
VTT_TIMES = re.compile(rf"\s*{VTT_TIME}\s*-->\s*{VTT_TIME}")
VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
TAG = re.compile(r"<[^>]*>")


def read(path: Path) -> list[Cue]:
    """The cues of an SRT or VTT file, one word a line; what is no cue is passed over (`lint` names it)."""
    cues = srt_cues if is_srt(path) else vtt_cues
    return list(cues(read_text(path)))


def is_srt(path: Path) -> bool:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{str(path)!r} is no subtitle file that can be read; give a .srt or .vtt file")
    return path.suffix.lower() == ".srt"


def read_text(path: Path) -> str:
    """The file's text with plain line breaks and without a byte order mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise NotFoundError(f"{str(path)!r} not found; check the name") from problem
    except OSError as problem:
        raise InputError(f"cannot read {str(path)!r}: {problem.strerror}") from problem
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise InputError(
            f"{str(path)!r} is not UTF-8 text (byte {problem.start}); convert it, for example with iconv"
        ) from problem
    return text.replace("\r\n", "\n").replace("\r", "\n")


def srt_cues(text: str) -> Iterator[Cue]:
    import pysrt  # GPL-3.0: loaded only where SRT is read

    for item in pysrt.from_string(text):
        start, end = item.start.ordinal / 1000, item.end.ordinal / 1000
        yield cue(start, end, item.text_without_tags.strip("\n").split("\n"))


def vtt_cues(text: str) -> Iterator[Cue]:
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = block.split("\n")
        for n, line in enumerate(lines[:2]):  # an identifier may stand before the times
            times = VTT_TIMES.match(line)
            if times is None:
                continue
            voice = VOICE.search(block)
            body = [html.unescape(TAG.sub("", row)) for row in lines[n + 1 :]]
            speaker = html.unescape(voice[1]).strip() if voice else None
            yield cue(seconds(times[1]), seconds(times[2]), body, speaker)
            break


def cue(start: float, end: float, lines: list[str], speaker: str | None = None) -> Cue:
    return Cue(start, end, tuple((Word(line, start, end),) for line in lines), speaker)


def seconds(timestamp: str) -> float:
    """Hours are optional, the decimal sign is either one.

    >>> seconds("01:02.500"), seconds("-00:00:01,000")
    (62.5, -1.0)
    """
    sign = -1.0 if timestamp.startswith("-") else 1.0
    total = 0.0
    for part in timestamp.lstrip("-").replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return sign * round(total, 3)
