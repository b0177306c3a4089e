"""One utterance under way, and what those who listen to it have made of it so far."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from asr_cli.audio import Audio
from asr_cli.live.conclude import Conclusion, written
from asr_cli.live.events import Emit, Final, Over, Partial, after
from asr_cli.live.stats import Stats
from asr_cli.longform.cut import Cutter
from asr_cli.text.finish import Stage
from asr_cli.transcript import Draft, Segment


@dataclass(eq=False)
class Talk:
    """An utterance from its first sample to its last final. Times in seconds from the start of the stream.

    cutter: divides it into what the final recogniser takes; None where the drafts themselves become final.
    known: what a piece says, by where it begins and how long it is: sought while it was not sure yet to be one.
    """

    id: int
    start: float
    emit: Emit
    stats: Stats
    conclusion: Conclusion
    finishers: Sequence[Stage]
    cutter: Cutter | None
    is_shown: bool = True  # what it seems to say, before it is final
    heard: float = 0.0  # the end of what has come
    unheard: list[Audio] = field(default_factory=list)  # what no draft has heard yet
    is_over: bool = False  # nothing more comes
    guess: list[Audio] = field(default_factory=list)  # the last pieces, if it is over now
    known: dict[tuple[float, int], Segment] = field(default_factory=dict)
    state: Any = None  # the drafter's
    gives_up: bool = False  # no more drafts: they came too late
    is_left_out: bool = False  # at some time there was none for lack of time
    final_until: float = 0.0  # what was said before is final
    _shown: Partial | None = None
    _is_done: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, audio: Audio) -> None:
        self.heard = audio.end
        if len(audio.samples):
            self.unheard.append(audio)

    def take_unheard(self) -> Audio:
        """All that no draft has heard yet, in one."""
        parts, self.unheard = self.unheard, []
        if not parts:
            return Audio(np.zeros(0, np.float32), start=self.heard)
        return Audio(np.concatenate([part.samples for part in parts]), start=parts[0].start)

    @property
    def is_guessed(self) -> bool:
        """Whether the finals' recogniser hears all of it in one, should it be over now."""
        guess = self.guess
        return len(guess) == 1 and guess[0].start == self.start

    @property
    def n_unheard(self) -> float:
        """Seconds that no draft has heard yet."""
        return sum(part.duration for part in self.unheard)

    def show(self, draft: Draft, heard: float) -> None:
        """Tell what it seems to say; too late once it is known."""
        with self._lock:
            if self._is_done or not self.is_shown:
                return
            rest = after(draft, self.final_until)
            shown = written([Segment(rest.words)], self.finishers)
            words = shown[0].words if shown else ()
            partial = Partial(self.id, Draft(words, min(rest.n_final, len(words))), heard)
            self.stats.partial(partial)
            self._tell(partial)

    def _tell(self, partial: Partial) -> None:
        if self._shown is None or partial.draft != self._shown.draft:  # the same again is no news
            self._shown = partial
            self.emit(partial)

    def conclude(self, segments: Sequence[Segment], *, over: bool) -> None:
        """Tell what is final of it; over: that is all."""
        with self._lock:
            finals = [final for segment in segments for final in self.conclusion.add(segment)]
            if over:
                finals += self.conclusion.end()
            for segment in finals:
                self.final_until = max(self.final_until, segment.end)
                final = Final(self.id, segment)
                self.stats.final(final)
                self.emit(final)
            if over:
                self._is_done = True
                self.known.clear()
                self.stats.over(self.id, without_drafts=self.is_left_out)
                self.emit(Over(self.id))
            elif finals and self._shown is not None:  # no words stand there twice until the next draft
                self._tell(replace(self._shown, draft=after(self._shown.draft, self.final_until)))
