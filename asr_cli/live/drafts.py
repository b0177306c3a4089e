"""Two ways to a draft: a recogniser that streams, or any other that hears the open utterance again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.live.talk import Talk
from asr_cli.longform.batch import place, tidy
from asr_cli.longform.stitch import join
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.transcript import Draft, Segment

LATE = 2.0  # s that a draft may be behind; what is later is not worth making
LEAST_NEW = 0.3  # s of sound that make it worth listening again
LONGEST_AGAIN = 5.0  # s heard again and again; what lies before is settled as far as drafts go
OVERLAP = 2.0  # s of what is settled that is heard with what follows, to be stitched to it
REST = 1.0  # times as long as a draft took, before the next: finals want the recogniser too


@dataclass(frozen=True, slots=True)
class Due:
    """An utterance to be drafted: what has come since it was last heard, and whether that is all of it."""

    talk: Talk
    audio: Audio
    is_over: bool


class Drafter(Protocol):
    """How drafts are made. `draft` is called by one thread, for utterances that are `due`.

    is_final: whether an utterance's last draft is its final.
    """

    @property
    def is_final(self) -> bool: ...

    def due(self, talk: Talk, now: float, /) -> bool: ...

    def is_late(self, talk: Talk, now: float, /) -> bool:
        """Whether what is there of the utterance should have been drafted long ago."""
        ...

    def wait(self, talk: Talk, now: float, /) -> float | None:
        """Seconds until it may be due although nothing new comes; None for never."""
        ...

    def draft(self, dues: Sequence[Due], /) -> None: ...


class StreamingDrafter:
    """Every bit of speech is heard once. final: the drafts are all there is, and their last words are the finals."""

    def __init__(self, recognizer: StreamingRecognizer, *, final: bool) -> None:
        self._recognizer, self.is_final = recognizer, final

    def due(self, talk: Talk, now: float) -> bool:
        if self.is_final and talk.is_over:
            return True
        if talk.gives_up or talk.is_over:
            return False
        return talk.n_unheard >= self._recognizer.chunk_duration

    def is_late(self, talk: Talk, now: float) -> bool:
        if self.is_final or talk.is_over or talk.n_unheard < LATE + self._recognizer.chunk_duration:
            return False
        # Better none than one of what was said long ago: what is final comes all the same.
        talk.gives_up, talk.unheard, talk.state = True, [], None
        return True

    def wait(self, talk: Talk, now: float) -> float | None:
        return None

    def draft(self, dues: Sequence[Due]) -> None:
        for due in dues:
            if due.audio.duration >= 2 * self._recognizer.chunk_duration and due.talk.state is not None:
                due.talk.stats.late()
        chunks = [Chunk(due.audio, due.talk.state, self.is_final and due.is_over) for due in dues]
        for due, chunk, (draft, state) in zip(dues, chunks, self._recognizer.hear(chunks), strict=True):
            due.talk.state = state
            words = tidy(draft.words, due.talk.start, chunk.audio.end)
            if chunk.final:
                due.talk.conclude([Segment(words)] if words else [], over=True)
            else:
                due.talk.show(Draft(words, draft.n_final), chunk.audio.end)


@dataclass(frozen=True, slots=True)
class Again:
    """What hearing again has to go on from. settled: segments up to a while ago. window: what is heard again."""

    settled: tuple[Segment, ...]
    window: Audio
    asked: float = 0.0  # when the last draft was begun, on the clock
    took: float = 0.0


class RepeatingDrafter:
    """The open utterance is recognised again whenever there is time for it; of a long one the last seconds, stitched
    to what was made of it before."""

    is_final = False

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._most = min(LONGEST_AGAIN + LATE, recognizer.max_duration)  # s heard at once
        self._longest = LONGEST_AGAIN / (LONGEST_AGAIN + LATE) * self._most
        self._overlap = min(OVERLAP, self._longest / 2)

    def due(self, talk: Talk, now: float) -> bool:
        if talk.is_over or talk.is_guessed or talk.n_unheard < LEAST_NEW:
            return False  # the guess is a draft, too
        return (self.wait(talk, now) or 0.0) <= 0.0

    def is_late(self, talk: Talk, now: float) -> bool:
        return not talk.is_over and talk.n_unheard > LATE + self._longest

    def wait(self, talk: Talk, now: float) -> float | None:
        again: Again | None = talk.state
        if talk.is_over or talk.n_unheard < LEAST_NEW:
            return None
        return 0.0 if again is None else again.asked + (1 + REST) * again.took - now

    def draft(self, dues: Sequence[Due]) -> None:
        states = [self.widened(due.talk.state, due.audio) for due in dues]
        clock = dues[0].talk.stats.clock
        begun = clock()
        heard = self._recognizer.recognize([state.window for state in states])
        took = clock() - begun
        for due, state, segment in zip(dues, states, heard, strict=True):
            segments = [one for one in joined(state, segment) if one.end > due.talk.final_until]
            due.talk.state = self.settled(Again(tuple(segments), state.window, begun, took), state.settled)
            words = tuple(word for one in segments for word in one.words)
            due.talk.show(Draft(words, 0), state.window.end)

    def widened(self, again: Again | None, new: Audio) -> Again:
        """With what has come since."""
        if again is None:
            return Again((), last_of(new, self._longest))
        samples = np.concatenate([again.window.samples, new.samples])
        whole = Audio(samples, again.window.start, overlap=again.window.overlap)
        return replace(again, window=last_of(whole, self._most))

    def settled(self, again: Again, before: tuple[Segment, ...]) -> Again:
        """What the next draft goes on from. again: with all that this one made. before: what was settled till now."""
        if again.window.duration < self._longest:
            return replace(again, settled=before)
        return replace(again, window=replace(last_of(again.window, self._overlap), overlap=self._overlap))


def last_of(audio: Audio, seconds: float) -> Audio:
    """The last seconds of it, where it is longer: what came in while there was no time is in the finals."""
    n_samples = round(seconds * SAMPLE_RATE)
    if len(audio.samples) <= n_samples:
        return audio
    n_left_out = len(audio.samples) - n_samples
    left_out = n_left_out / SAMPLE_RATE
    return Audio(audio.samples[n_left_out:], audio.start + left_out, overlap=max(0.0, audio.overlap - left_out))


def joined(state: Again, segment: Segment) -> list[Segment]:
    """What was settled, with what the window says behind it."""
    placed = place(segment, state.window)
    if placed.overlap is None:
        return [*state.settled, *([placed] if placed.words else [])]
    return join(list(state.settled), placed, placed.overlap)
