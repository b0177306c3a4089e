"""Those who recognise: one thread makes drafts, one makes finals, for any number of streams."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from asr_cli.audio import Audio
from asr_cli.live.drafts import Drafter, Due
from asr_cli.live.talk import Talk
from asr_cli.live.worker import Worker, judged
from asr_cli.longform.batch import SHORTEST, by_length, place
from asr_cli.protocols import Recognizer
from asr_cli.transcript import Draft, Segment

WORTH_GUESSING = 1.5  # s of work: what takes longer, finals that come meanwhile would have to wait for


class Desk:
    """Where utterances are handed in. drafter: None for no drafts. recognizer: None where drafts become final.

    Use as a context manager: leaving it ends the threads, once what they have in hand is done.
    """

    def __init__(
        self, drafter: Drafter | None, recognizer: Recognizer | None, *, batch_seconds: float, shared: bool = False
    ) -> None:
        # A recogniser says by its lanes that several threads may use it at once.
        n_lanes = len(getattr(recognizer, "lanes", ()))
        alone: AbstractContextManager[object] = threading.Lock() if shared and n_lanes < 2 else nullcontext()
        self.drafts = Drafting(drafter, alone) if drafter is not None else None
        self.finals = Finishing(recognizer, alone, batch_seconds) if recognizer is not None else None

    def __enter__(self) -> "Desk":
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()

    @property
    def _workers(self) -> "list[Worker]":
        return [worker for worker in (self.drafts, self.finals) if worker is not None]

    @property
    def failure(self) -> BaseException | None:
        return next((worker.failure for worker in self._workers if worker.failure is not None), None)

    @property
    def backlog(self) -> float:
        """Seconds of speech that have come and are not final."""
        if self.finals is not None:
            return self.finals.backlog
        return self.drafts.backlog if self.drafts is not None else 0.0

    def begin(self, talk: Talk) -> None:
        if self.drafts is not None:
            self.drafts.begin(talk)

    def add(self, talk: Talk, audio: Audio, pieces: Sequence[Audio], guess: Sequence[Audio]) -> None:
        """More of an utterance. pieces: what the final recogniser gets. guess: what it would get, if that was all."""
        if self.finals is not None:
            self.finals.add(talk, pieces, guess)
        if self.drafts is not None:
            self.drafts.is_paused = self.finals is not None and self.finals.is_behind
            self.drafts.add(talk, audio)

    def end(self, talk: Talk, pieces: Sequence[Audio]) -> None:
        talk.stats.noticed(talk.id)
        if self.drafts is not None:
            self.drafts.end(talk)
        if self.finals is not None:
            self.finals.end(talk, pieces)


class Drafting(Worker):
    """Makes drafts of all utterances under way, those that are due together."""

    def __init__(self, drafter: Drafter, alone: AbstractContextManager[object]) -> None:
        super().__init__("asr-drafts")
        self._drafter, self._alone = drafter, alone
        self._talks: list[Talk] = []
        self._news = False
        self.is_paused = False  # finals come first
        self.is_behind = False

    @property
    def backlog(self) -> float:
        with self.changed:
            return sum(talk.n_unheard for talk in self._talks)

    def begin(self, talk: Talk) -> None:
        with self.changed:
            self._talks.append(talk)

    def add(self, talk: Talk, audio: Audio) -> None:
        with self.changed:
            talk.add(audio)
            if talk.gives_up:
                talk.unheard = []
            if self._drafter.is_final:
                waits = max(one.n_unheard for one in self._talks)
                self.is_behind = judged(self.is_behind, waits, talk, "captions come late")
            self._tell()

    def end(self, talk: Talk) -> None:
        with self.changed:
            talk.is_over = True
            self._tell()

    def _tell(self) -> None:
        self._news = True
        self.changed.notify_all()

    def has_news(self) -> bool:
        return self._news

    def work(self) -> float | None:
        with self.changed:
            self._news = False
            due, waits = self._look()
        if not due:
            return min(waits, default=None)
        with self._alone, due[0].talk.stats.busy("drafts"):
            self._drafter.draft(due)
        return 0

    def _look(self) -> tuple[list[Due], list[float]]:
        """The utterances that are due, and how long others have to wait."""
        due: list[Due] = []
        waits: list[float] = []
        for talk in list(self._talks):
            now = talk.stats.clock()
            if self._drafter.is_late(talk, now):
                talk.is_left_out = True
            if not (talk.gives_up or self.is_paused) and self._drafter.due(talk, now):
                due.append(Due(talk, talk.take_unheard(), talk.is_over))
            elif not self.is_paused and (wait := self._drafter.wait(talk, now)) is not None:
                waits.append(max(wait, 0.01))
            if talk.is_over:
                self._talks.remove(talk)
        return due, waits


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of an utterance to be made final; None where it is over. since: on the clock."""

    talk: Talk
    piece: Audio | None
    since: float = 0.0


class Finishing(Worker):
    """Makes finals, those of an utterance in order. With time to spare it hears an utterance that may be over already,
    so that its words are there when it is."""

    def __init__(self, recognizer: Recognizer, alone: AbstractContextManager[object], batch_seconds: float) -> None:
        super().__init__("asr-finals")
        self._recognizer, self._alone, self._batch_seconds = recognizer, alone, batch_seconds
        self._jobs: deque[Job] = deque()
        self._guessing: deque[Talk] = deque()
        self._in_hand: Sequence[Job] = ()
        self._pace = 0.0  # s of work for a second of speech, as it was last
        self.is_behind = False

    @property
    def backlog(self) -> float:
        with self.changed:
            return sum(job.piece.duration for job in (*self._in_hand, *self._jobs) if job.piece is not None)

    def add(self, talk: Talk, pieces: Sequence[Audio], guess: Sequence[Audio]) -> None:
        with self.changed:
            self._judge(talk)
            talk.guess = list(guess) if self._is_worth(talk, guess) else []
            if talk.guess and talk not in self._guessing:
                self._guessing.append(talk)
            self._take(talk, pieces)
            self.changed.notify_all()

    def end(self, talk: Talk, pieces: Sequence[Audio]) -> None:
        with self.changed:
            talk.guess = []
            self._take(talk, pieces)
            self._jobs.append(Job(talk, None, talk.stats.clock()))
            self.changed.notify_all()

    def _is_worth(self, talk: Talk, guess: Sequence[Audio]) -> bool:
        """Whether there is time to hear what may be the end; a pause is shorter than most work on a long utterance."""
        duration = sum(piece.duration for piece in guess if key(piece) not in talk.known)
        return not self.is_behind and duration * self._pace <= WORTH_GUESSING

    def _take(self, talk: Talk, pieces: Sequence[Audio]) -> None:
        now = talk.stats.clock()
        self._jobs.extend(Job(talk, piece, now) for piece in pieces)

    def _judge(self, talk: Talk) -> None:
        now = talk.stats.clock()
        waits = max((now - job.since for job in (*self._in_hand[:1], *list(self._jobs)[:1])), default=0.0)
        self.is_behind = judged(self.is_behind, waits, talk, "drafts are left out")

    def has_news(self) -> bool:
        return bool(self._jobs or self._guessing)

    def work(self) -> float | None:
        with self.changed:
            self._in_hand = batch = self._next_batch()
            talk = None if batch else self._next_guess()
        if batch:
            self._finish(batch)
        elif talk is not None:
            self._guess(talk)
        else:
            return None
        return 0

    def _next_batch(self) -> list[Job]:
        batch: list[Job] = []
        seconds = 0.0
        while self._jobs:
            piece = self._jobs[0].piece
            seconds += piece.duration if piece is not None else 0.0
            if batch and seconds > self._batch_seconds:
                break
            batch.append(self._jobs.popleft())
        return batch

    def _next_guess(self) -> Talk | None:
        while self._guessing:
            talk = self._guessing.popleft()
            if any(key(piece) not in talk.known for piece in talk.guess):
                return talk
        return None

    def _finish(self, batch: Sequence[Job]) -> None:
        unknown = [job for job in batch if job.piece is not None and key(job.piece) not in job.talk.known]
        segments = dict(zip(map(id, unknown), self._recognize(unknown), strict=True))
        for job in batch:
            if job.piece is None:
                job.talk.conclude([], over=True)
                continue
            segment = segments.get(id(job)) or job.talk.known[key(job.piece)]
            job.talk.conclude([place(segment, job.piece)], over=False)
        with self.changed:
            self._in_hand = ()

    def _guess(self, talk: Talk) -> None:
        """Hear what the utterance's last pieces are, should it be over."""
        with self.changed:
            pieces = [piece for piece in talk.guess if key(piece) not in talk.known]
        heard = self._recognize([Job(talk, piece) for piece in pieces])
        with self.changed:
            talk.known = dict(zip(map(key, pieces), heard, strict=True))
        # Of several the others' words would be missing; they are not final for sure.
        if len(pieces) == 1 and pieces[0].start == talk.start:
            talk.show(Draft(place(heard[0], pieces[0]).words, 0), pieces[0].end)

    def _recognize(self, jobs: Sequence[Job]) -> list[Segment]:
        pieces = [job.piece for job in jobs if job.piece is not None]
        if not pieces:
            return []
        stats = jobs[0].talk.stats
        with self._alone, stats.busy("finals"):
            begun = stats.clock()
            segments = by_length(pieces, self._recognizer)
            self._pace = (stats.clock() - begun) / max(sum(piece.duration for piece in pieces), SHORTEST)
            return segments


def key(piece: Audio) -> tuple[float, int]:
    return piece.start, len(piece.samples)
