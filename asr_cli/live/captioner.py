"""One stream: blocks in, events out."""

import time
from collections.abc import Sequence

import numpy as np

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.errors import InputError
from asr_cli.live.conclude import Conclusion
from asr_cli.live.desk import Desk
from asr_cli.live.events import Emit
from asr_cli.live.stats import Stats
from asr_cli.live.talk import Talk
from asr_cli.longform.cut import Cutter
from asr_cli.protocols import Punctuator
from asr_cli.text.finish import Stage
from asr_cli.vad.follow import Follower, Spoken

PAUSE_AFTER, LONGEST = 40.0, 60.0  # s; a draft that is to be final ends with the first pause after, and in any case
LOOK_AGAIN = 0.02  # s


class Captioner:
    """Hears one stream. Calls come from one thread; events are emitted from others, those of an utterance in order.

    ahead: how many seconds of speech may wait to be final before `feed` waits, too; None for a stream that does not.
    """

    def __init__(
        self,
        desk: Desk,
        follower: Follower,
        emit: Emit,
        *,
        max_duration: float | None,
        punctuator: Punctuator | None = None,
        finishers: Sequence[Stage] = (),
        stats: Stats | None = None,
        ahead: float | None = None,
        shows_drafts: bool = True,
    ) -> None:
        self.stats = stats or Stats()
        self._desk, self._follower, self._emit = desk, follower, emit
        self._max_duration, self._punctuator, self._finishers = max_duration, punctuator, finishers
        self._ahead, self._shows_drafts = ahead, shows_drafts
        self.n_utterances = 0
        self._talk: Talk | None = None
        self._is_left = False

    def feed(self, block: Audio) -> None:
        """The next block of the stream, of any length."""
        if block.sample_rate != SAMPLE_RATE or block.samples.ndim != 1 or block.samples.dtype != np.float32:
            raise InputError(
                f"a block of {block.samples.dtype} of shape {block.samples.shape} at {block.sample_rate} Hz cannot be"
                f" captioned; streams are float32 of shape (n_samples,) at {SAMPLE_RATE} Hz"
            )
        self.stats.arrived(block.end)
        for spoken in self._follower.feed(block):
            self._hear(spoken)
        while self._has_to_wait:
            time.sleep(LOOK_AGAIN)

    def finish(self) -> None:
        """The stream is over: what was said last is on its way."""
        for spoken in self._follower.finish():
            self._hear(spoken)

    def break_off(self) -> None:
        """The stream cannot be heard any more: what was told of an utterance under way is all of it."""
        talk, self._talk = self._talk, None
        pieces: list[Audio] = []
        if talk is None:
            return
        try:
            pieces = talk.cutter.end() if talk.cutter is not None else []
        finally:
            self._desk.end(talk, pieces)

    def leave(self) -> None:
        """Nobody wants to know the rest, so `feed` need not wait for it. From any thread."""
        self._is_left = True

    @property
    def _has_to_wait(self) -> bool:
        if self._ahead is None or self._is_left or self._desk.failure is not None:
            return False
        return self._desk.backlog > self._ahead

    def _hear(self, spoken: Spoken) -> None:
        if self._talk is None and spoken.ends and not len(spoken.audio.samples):
            return  # all of it was final before its end
        talk = self._talk or self._begin(spoken.audio)
        audio = spoken.audio
        if len(audio.samples) or spoken.pauses:
            pieces = list(talk.cutter.add(audio)) if talk.cutter is not None and len(audio.samples) else []
            guess = talk.cutter.if_ended() if talk.cutter is not None and spoken.pauses else []
            self._desk.add(talk, audio, pieces, guess)
        if spoken.ends or self._is_long(talk, spoken):
            self._talk = None
            self._desk.end(talk, talk.cutter.end() if talk.cutter is not None else [])

    def _begin(self, audio: Audio) -> Talk:
        self._talk = Talk(
            id=self.n_utterances, start=audio.start, emit=self._emit, stats=self.stats, is_shown=self._shows_drafts,
            conclusion=Conclusion(self._punctuator, self._finishers), finishers=self._finishers,
            cutter=None if self._max_duration is None else Cutter(self._max_duration), heard=audio.start,
        )  # fmt: skip
        self.n_utterances += 1
        self._desk.begin(self._talk)
        return self._talk

    def _is_long(self, talk: Talk, spoken: Spoken) -> bool:
        """Whether drafts that are to be final have gone on for so long that their end is not waited for."""
        if talk.cutter is not None:
            return False
        duration = spoken.audio.end - talk.start
        return duration >= LONGEST or (spoken.pauses and duration >= PAUSE_AFTER)
