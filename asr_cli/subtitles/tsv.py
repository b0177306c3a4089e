"""Tab-separated values as Whisper writes them: start and end in whole milliseconds, then the text."""

from typing import TextIO

from asr_cli.subtitles.cue import name_prefix
from asr_cli.subtitles.output import Info
from asr_cli.transcript import Segment


class TsvWriter:
    def __init__(self, file: TextIO) -> None:
        self.file = file
        file.write("start\tend\ttext\n")

    def add(self, segment: Segment) -> None:
        text = name_prefix(segment.speaker) + segment.text
        self.file.write(f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{text}\n")

    def finish(self, info: Info) -> None:
        pass
