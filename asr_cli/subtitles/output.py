"""What every format agrees on: how it is asked for, fed and finished."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from asr_cli.subtitles.style import Styling, by_script

Item = TypeVar("Item", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How results should look; each format takes what concerns it.

    style: cues (srt, vtt, lrc, ass).  highlight_words: mark the word being spoken (srt, vtt, ass).
    word_times: keep words in JSON.  timestamps: begin each line of text with its times (txt).
    """

    style: Styling = field(default_factory=by_script)
    highlight_words: bool = False
    word_times: bool = True
    timestamps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What is known of a recording when it ends. `duration` in seconds; `hotwords` are those that were expected.

    written: how those hotwords are spelled in the transcript's digits and script.
    """

    language: str | None = None
    duration: float | None = None
    model: str | None = None
    hotwords: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)


class Sink(Protocol[Item]):
    """A file being written, of cues or of segments."""

    def add(self, item: Item, /) -> None: ...

    def finish(self, info: Info, /) -> None: ...
