"""Plain text: a line for each segment."""

from typing import TextIO

from asr_cli.subtitles.cue import name_prefix
from asr_cli.subtitles.output import Info
from asr_cli.subtitles.timestamps import short_timestamp
from asr_cli.transcript import Segment


class TxtWriter:
    def __init__(self, file: TextIO, *, timestamps: bool = False) -> None:
        self.file, self.timestamps = file, timestamps

    def add(self, segment: Segment) -> None:
        self.file.write((timestamped_line(segment) if self.timestamps else line(segment)) + "\n")

    def finish(self, info: Info) -> None:
        pass


def line(segment: Segment) -> str:
    return name_prefix(segment.speaker) + segment.text


def timestamped_line(segment: Segment) -> str:
    """`[00:00.000 --> 00:07.000] text`, the shape that programs around Whisper read."""
    start, end = (short_timestamp(max(round(1000 * t), 0)) for t in (segment.start, segment.end))
    return f"[{start} --> {end}] {line(segment)}"
