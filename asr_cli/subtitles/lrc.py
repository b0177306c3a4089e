"""Enhanced LRC (.lrc): a line for each cue, `<mm:ss.xx>` before each word and after the last."""

from typing import TextIO

from asr_cli.subtitles.cue import Cue, name_prefix
from asr_cli.subtitles.output import Info
from asr_cli.subtitles.timestamps import Ticker, lrc_timestamp


class LrcWriter:
    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.ticker = Ticker(per_second=100)
        file.write("[re:asr]\n")

    def add(self, cue: Cue) -> None:
        start, _ = self.ticker.span(cue.start, cue.end)
        line = f"[{lrc_timestamp(start)}]{escape(name_prefix(cue.speaker))}"
        position, last = start, ""
        for word in cue.words:
            position = max(position, round(word.start * 100))
            text = escape(word.text if last else word.text.lstrip())
            line += f"<{lrc_timestamp(position)}>{text}"
            position, last = max(position, round(word.end * 100)), text
        self.file.write(f"{line}<{lrc_timestamp(position)}>\n")

    def finish(self, info: Info) -> None:
        pass


def escape(text: str) -> str:
    """The format has no escapes; an angle bracket would begin a time."""
    return text.replace("<", "＜")
