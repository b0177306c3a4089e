"""WebVTT (https://www.w3.org/TR/webvtt1/)."""

from collections.abc import Iterable
from typing import TextIO

from asr_cli.subtitles.cue import Cue
from asr_cli.subtitles.highlight import frames
from asr_cli.subtitles.output import Info
from asr_cli.subtitles.timestamps import Ticker, timestamp

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class VttWriter:
    def __init__(self, file: TextIO, *, highlight_words: bool = False) -> None:
        self.file, self.highlight_words = file, highlight_words
        self.ticker = Ticker()
        file.write("WEBVTT\n\n")

    def add(self, cue: Cue) -> None:
        if self.highlight_words:
            for start, end, lines in frames(cue, escape=escape):
                self.write(start, end, lines, cue.speaker)
        else:
            self.write(cue.start, cue.end, map(escape, cue.lines), cue.speaker)

    def write(self, start: float, end: float, lines: Iterable[str], speaker: str | None) -> None:
        begin, finish = (timestamp(ticks) for ticks in self.ticker.span(start, end))
        voice = f"<v {escape(speaker)}>" if speaker else ""
        self.file.write(f"{begin} --> {finish}\n{voice}" + "\n".join(lines) + "\n\n")

    def finish(self, info: Info) -> None:
        pass


def escape(text: str) -> str:
    return text.translate(ESCAPES)
