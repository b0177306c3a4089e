"""SubRip (.srt), which nobody ever specified: what every player reads."""

from collections.abc import Iterable
from typing import TextIO

from asr_cli.subtitles.cue import Cue, name_prefix
from asr_cli.subtitles.highlight import frames
from asr_cli.subtitles.output import Info
from asr_cli.subtitles.timestamps import Ticker, timestamp


class SrtWriter:
    def __init__(self, file: TextIO, *, highlight_words: bool = False) -> None:
        self.file, self.highlight_words = file, highlight_words
        self.ticker = Ticker()
        self.n_cues = 0

    def add(self, cue: Cue) -> None:
        if self.highlight_words:
            for start, end, lines in frames(cue, escape=escape):
                self.write(start, end, lines, cue.speaker)
        else:
            self.write(cue.start, cue.end, map(escape, cue.lines), cue.speaker)

    def write(self, start: float, end: float, lines: Iterable[str], speaker: str | None) -> None:
        begin, finish = (timestamp(ticks, point=",") for ticks in self.ticker.span(start, end))
        self.n_cues += 1
        text = escape(name_prefix(speaker)) + "\n".join(lines)
        self.file.write(f"{self.n_cues}\n{begin} --> {finish}\n{text}\n\n")

    def finish(self, info: Info) -> None:
        # No text without a cue satisfies every reader; a line break at least shows that it was written.
        if self.n_cues == 0:
            self.file.write("\n")


def escape(text: str) -> str:
    """The format has no escapes; an arrow in the text would be read as a line of times."""
    return text.replace("-->", "->")
