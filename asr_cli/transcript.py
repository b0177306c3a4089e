"""What recognition gives: words with times, gathered into segments, gathered into a transcript.

Two rules hold everywhere. All times are seconds from the start of the recording. Text is its words run together: a
word carries its own leading space, so nobody joins strings and then looks for where the times went.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a spaced script (with its leading space), or one character of an unspaced one."""

    text: str
    start: float
    end: float
    confidence: float | None = None  # 0 to 1; None where the recogniser has no opinion


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words: an utterance, a sentence or a subtitle cue, depending on how far it has travelled."""

    words: tuple[Word, ...]
    speaker: str | None = None
    # The stretch of the recording (start, end) that the previous segment heard too; stitching consumes it.
    overlap: tuple[float, float] | None = None
    language: str | None = None  # what was heard to be spoken, by a recogniser that tells
    suspect: str | None = None  # why its text is doubtful
    # Up to when (s) the utterance's text is complete, None for its end; what follows is heard again by who slides.
    heard: float | None = None

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words).strip()

    @property
    def start(self) -> float:
        return self.words[0].start if self.words else 0.0

    @property
    def end(self) -> float:
        return self.words[-1].end if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole recording's text."""

    segments: tuple[Segment, ...]
    duration: float
    language: str | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Draft:
    """Live text: the first `n_final` words will not change any more."""

    words: tuple[Word, ...]
    n_final: int
