"""How soon captions come, measured where they are made. Seconds on the clock, not of the stream."""

import statistics
import threading
import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from asr_cli.live.events import Final, Partial

MEMORY = 20_000  # blocks whose arrival is remembered: minutes
N_KEPT = 20_000  # measurements of each kind


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds of delay: the middle one, and what nine in ten do not exceed; None where nothing was measured."""

    median: float | None
    p90: float | None
    n: int

    @classmethod
    def of(cls, delays: Sequence[float]) -> "Lag":
        if not delays:
            return cls(None, None, 0)
        ordered = sorted(delays)
        return cls(statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))], len(ordered))


@dataclass(frozen=True, slots=True)
class Report:
    """What `--stats` says.

    first_word: from the arrival of an utterance's first word to the first draft (or final) that has any text.
    draft: from the arrival of the newest sound that a draft has heard to the draft.
    final: from the end of an utterance being noticed to its last final. after_speech: the same, from the arrival of its
    last word. n_late: steps of drafting begun when the next one was due already. n_without_drafts: utterances that had
    none at some time, for lack of time. headroom: seconds of sound for each second that the busier of the two
    recognising threads worked.
    """

    duration: float
    first_word: Lag
    draft: Lag
    final: Lag
    after_speech: Lag
    n_late: int
    n_without_drafts: int
    headroom: float | None


class Stats:
    """Of one stream. Every method may be called from any thread.

    is_paced: whether the stream comes at the pace of speech; what comes as fast as it is taken is never behind.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, is_paced: bool = True) -> None:
        self.clock, self.is_paced = clock, is_paced
        self.duration = 0.0
        self.n_late = 0
        self.n_without_drafts = 0
        self._lock = threading.Lock()
        self._ends: deque[float] = deque(maxlen=MEMORY)  # of blocks, in the stream
        self._arrivals: deque[float] = deque(maxlen=MEMORY)  # on the clock
        self.spoken: dict[str, float] = defaultdict(float)  # seconds in each language that was heard
        self._noticed: dict[int, float] = {}  # when an utterance's end was
        self._first_shown: dict[int, float] = {}
        self._last: dict[int, tuple[float, float]] = {}  # when an utterance's last final was told, and its end
        self._busy = {"drafts": 0.0, "finals": 0.0}
        self._delays: dict[str, deque[float]] = {
            name: deque(maxlen=N_KEPT) for name in ("first_word", "draft", "final", "after_speech")
        }

    def arrived(self, end: float) -> None:
        """The stream has come as far as second `end`."""
        with self._lock:
            self.duration = max(self.duration, end)
            self._ends.append(end)
            self._arrivals.append(self.clock())

    def noticed(self, utterance: int) -> None:
        """The utterance is over."""
        with self._lock:
            self._noticed[utterance] = self.clock()

    def partial(self, partial: Partial) -> None:
        with self._lock:
            now = self.clock()
            if partial.draft.words:
                self._first_shown.setdefault(partial.id, now)
            self._delay("draft", now, self._arrival(partial.heard))

    def final(self, final: Final) -> None:
        with self._lock:
            now = self.clock()
            if final.id not in self._last:
                self._delay("first_word", self._first_shown.get(final.id, now), self._arrival(final.segment.start))
            self._last[final.id] = now, final.segment.end
            if final.segment.language is not None:
                self.spoken[final.segment.language] += final.segment.end - final.segment.start

    def over(self, utterance: int, *, without_drafts: bool) -> None:
        """All of the utterance is final."""
        with self._lock:
            noticed, last = self._noticed.pop(utterance, None), self._last.pop(utterance, None)
            self._first_shown.pop(utterance, None)
            self.n_without_drafts += without_drafts
            if noticed is not None and last is not None:
                now, end = last
                self._delay("final", now, noticed)
                self._delay("after_speech", now, self._arrival(end))

    def late(self) -> None:
        with self._lock:
            self.n_late += 1

    @contextmanager
    def busy(self, kind: str) -> Iterator[None]:
        begun = self.clock()
        try:
            yield
        finally:
            with self._lock:
                self._busy[kind] += self.clock() - begun

    def delays(self, name: str) -> list[float]:
        """What was measured of "first_word", "draft", "final" or "after_speech"."""
        with self._lock:
            return list(self._delays[name])

    def report(self) -> Report:
        with self._lock:
            busiest = max(self._busy.values())
            lags = {name: Lag.of(delays) for name, delays in self._delays.items()}
            return Report(
                self.duration, lags["first_word"], lags["draft"], lags["final"], lags["after_speech"], self.n_late,
                self.n_without_drafts, self.duration / busiest if busiest > 0 else None,
            )  # fmt: skip

    def _delay(self, name: str, now: float, since: float | None) -> None:
        if since is not None:
            self._delays[name].append(max(0.0, now - since))

    def _arrival(self, second: float) -> float | None:
        """When that second of the stream came in."""
        index = bisect_left(self._ends, second - 1e-6)
        return self._arrivals[min(index, len(self._arrivals) - 1)] if self._arrivals else None
