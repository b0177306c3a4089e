"""Advanced SubStation Alpha (.ass), with `\\k` karaoke where words are to be marked."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from asr_cli.subtitles.cue import Cue
from asr_cli.subtitles.output import Info
from asr_cli.subtitles.timestamps import Ticker, ass_timestamp
from asr_cli.transcript import Word

# Sizes for a picture of 1080 lines. A player without the font takes another one for the characters it lacks.
HEADER = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
ScaledBorderAndShadow: yes
WrapStyle: 0

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, \
MarginL, MarginR, MarginV, Encoding
Style: Default,sans-serif,64,&H00FFFFFF,&H0000D7FF,&H00000000,&H80000000,0,0,\
0,0,100,100,0,0,1,3,1,2,\
60,60,54,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

# Braces open commands and a backslash is one; renderers disagree about escapes, so full-width twins stand in.
ESCAPES = str.maketrans({"{": "｛", "}": "｝", "\\": "＼"})


class AssWriter:
    def __init__(self, file: TextIO, *, highlight_words: bool = False) -> None:
        self.file, self.highlight_words = file, highlight_words
        self.ticker = Ticker(per_second=100)
        file.write(HEADER)

    def add(self, cue: Cue) -> None:
        start, end = self.ticker.span(cue.start, cue.end)
        text = karaoke(cue, start) if self.highlight_words else "\\N".join(map(escape, cue.lines))
        name = escape(cue.speaker or "").replace(",", "，")
        begin, finish = ass_timestamp(start), ass_timestamp(end)
        self.file.write(f"Dialogue: 0,{begin},{finish},Default,{name},0,0,0,,{text}\n")

    def finish(self, info: Info) -> None:
        pass


def karaoke(cue: Cue, start: int) -> str:
    """The lines with each word's time before it, in hundredths; pauses are empty syllables."""
    position = start
    lines = []
    for row in cue.rows:
        line = ""
        for text, begin, end in syllables(row):
            begin, end = max(begin, position), max(end, position)
            line += f"{{\\k{begin - position}}}" if begin > position else ""
            line += f"{{\\k{end - begin}}}{text}"
            position = end
        lines.append(line)
    return "\\N".join(lines)


def syllables(row: Iterable[Word]) -> Iterator[tuple[str, int, int]]:
    for n, word in enumerate(row):
        text = escape(word.text if n else word.text.lstrip())
        yield text, round(word.start * 100), round(word.end * 100)


def escape(text: str) -> str:
    return text.translate(ESCAPES)
