"""A cue: what stands on the screen at one time."""

from dataclasses import dataclass

from asr_cli.transcript import Word


@dataclass(frozen=True, slots=True)
class Cue:
    """Rows of words, shown together from `start` to `end` (seconds).

    A row's text is its words run together, as everywhere; the cue outlives its words where there is silence.
    """

    start: float
    end: float
    rows: tuple[tuple[Word, ...], ...]
    speaker: str | None = None
    language: str | None = None  # of its segment, as it was heard
    suspect: str | None = None  # why its text is doubtful

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple("".join(word.text for word in row).strip() for row in self.rows)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for row in self.rows for word in row)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def duration(self) -> float:
        return self.end - self.start


def name_prefix(speaker: str | None) -> str:
    """What a format without a place for names puts before the text."""
    return f"{speaker}: " if speaker else ""
