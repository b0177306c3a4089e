"""What a live stream tells. Times are seconds from its start."""

from collections.abc import Callable
from dataclasses import dataclass

from asr_cli.transcript import Draft, Segment


@dataclass(frozen=True, slots=True)
class Partial:
    """What an utterance under way seems to say, less what is final of it; takes the place of the one before.

    heard: the second up to which it was listened to.
    """

    id: int
    draft: Draft
    heard: float

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.draft.words).strip()

    @property
    def start(self) -> float:
        return self.draft.words[0].start if self.draft.words else self.heard


@dataclass(frozen=True, slots=True)
class Final:
    """A segment of an utterance that will not change any more."""

    id: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class Over:
    """The utterance is over: all its finals are out, and what was drafted of it holds no longer."""

    id: int


Event = Partial | Final | Over
Emit = Callable[[Event], None]


def after(draft: Draft, second: float) -> Draft:
    """What was said after that second, words by their middles."""
    words = tuple(word for word in draft.words if (word.start + word.end) / 2 > second)
    return Draft(words, max(0, draft.n_final - (len(draft.words) - len(words))))
