"""The formats, and one way to feed any of them: `start`, `add` each segment as it comes, `finish`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TextIO

from asr_cli.errors import UsageError
from asr_cli.subtitles.ass import AssWriter
from asr_cli.subtitles.columns import clean
from asr_cli.subtitles.json import JsonWriter
from asr_cli.subtitles.layout import Typesetter
from asr_cli.subtitles.lrc import LrcWriter
from asr_cli.subtitles.output import Info, Layout, Sink
from asr_cli.subtitles.repair import repair
from asr_cli.subtitles.srt import SrtWriter
from asr_cli.subtitles.tsv import TsvWriter
from asr_cli.subtitles.txt import TxtWriter
from asr_cli.subtitles.vtt import VttWriter
from asr_cli.transcript import Segment

__all__ = ["WRITERS", "Info", "Layout", "Output", "OutputFormat", "start", "write"]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """A format: its name (its extension too), whether it takes cues or segments, how it begins."""

    name: str
    summary: str
    takes_cues: bool
    open: Callable[[TextIO, Layout], Sink[Any]]

    @property
    def extension(self) -> str:
        return f".{self.name}"


WRITERS: dict[str, OutputFormat] = {
    found.name: found
    for found in (
        OutputFormat("txt", "text, a line for each segment", False,
                     lambda file, layout: TxtWriter(file, timestamps=layout.timestamps)),
        OutputFormat("srt", "SubRip subtitles", True,
                     lambda file, layout: SrtWriter(file, highlight_words=layout.highlight_words)),
        OutputFormat("vtt", "WebVTT subtitles", True,
                     lambda file, layout: VttWriter(file, highlight_words=layout.highlight_words)),
        OutputFormat("json", "everything, words with times", False,
                     lambda file, layout: JsonWriter(file, word_times=layout.word_times)),
        OutputFormat("tsv", "start and end in milliseconds, text", False,
                     lambda file, layout: TsvWriter(file)),
        OutputFormat("lrc", "lyrics with a time for each word", True,
                     lambda file, layout: LrcWriter(file)),
        OutputFormat("ass", "Advanced SubStation Alpha subtitles", True,
                     lambda file, layout: AssWriter(file, highlight_words=layout.highlight_words)),
    )
}  # fmt: skip


class Output:
    """A result on its way into an open file. The file stays the caller's: to open, close and name."""

    def __init__(self, file: TextIO, sink: Sink[Any], typesetter: Typesetter | None) -> None:
        self.file, self.sink, self.typesetter = file, sink, typesetter

    def add(self, segment: Segment) -> None:
        """Write all that is certain now; segments come in the order of their starts."""
        words = tuple(repair(segment.words))
        if not words:
            return
        speaker = clean(segment.speaker).strip() or None if segment.speaker else None
        segment = replace(segment, words=words, speaker=speaker)
        for item in self.typesetter.add(segment) if self.typesetter else (segment,):
            self.sink.add(item)
        self.file.flush()

    def finish(self, info: Info | None = None) -> None:
        """Write what was held back. The file is valid now, with or without segments."""
        for cue in self.typesetter.finish() if self.typesetter else ():
            self.sink.add(cue)
        self.sink.finish(info or Info())
        self.file.flush()


def start(name: str, file: TextIO, layout: Layout | None = None) -> Output:
    """Begin a file of that format."""
    if name not in WRITERS:
        raise UsageError(f"there is no format {name!r}; choose from {', '.join(WRITERS)}")
    layout = layout or Layout()
    writer = WRITERS[name]
    return Output(file, writer.open(file, layout), Typesetter(layout.style) if writer.takes_cues else None)


def write(
    name: str,
    segments: Iterable[Segment],
    file: TextIO,
    *,
    layout: Layout | None = None,
    info: Info | None = None,
) -> None:
    """A whole result at once."""
    output = start(name, file, layout)
    for segment in segments:
        output.add(segment)
    output.finish(info)
