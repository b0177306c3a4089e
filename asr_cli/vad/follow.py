"""Speech while it is being spoken: what is certain of an utterance already, and whether it may be over.

Put together, what is told of an utterance is what the Vad gives when its end is known, stretches that touch being one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.vad.buffer import Buffer
from asr_cli.vad.fsmn import FRAMES_PER_SECOND, FsmnVad

LOOK = SAMPLE_RATE // 10  # samples looked at together, whatever the blocks: rounding never tells how the stream came
FRAME = SAMPLE_RATE // FRAMES_PER_SECOND  # samples


@dataclass(frozen=True, slots=True)
class Spoken:
    """A further bit of an utterance, beginning where the bit before it ended.

    pauses: the speaker is silent, and has all been heard if nothing more is said. ends: the utterance is over.
    """

    audio: Audio
    pauses: bool = False
    ends: bool = False


class Follower(Protocol):
    """Follows one stream."""

    def feed(self, block: Audio, /) -> Iterator[Spoken]: ...

    def finish(self) -> Iterator[Spoken]: ...


class VadFollower:
    """What an FSMN-VAD finds, block by block. Any block size gives the same bits of speech."""

    def __init__(self, vad: FsmnVad) -> None:
        self._vad, self._hearing = vad, vad.begin()
        self._kept = Buffer()
        self._parts: list[NDArray[np.float32]] = []  # not looked at yet
        self._n_parts = 0  # samples
        self._begin: float | None = None  # s, of the stream
        self._told: int | None = None  # the frame up to which the utterance under way was told
        self._paused = False

    def feed(self, block: Audio, /) -> Iterator[Spoken]:
        """Yield what is new of the utterance under way. Blocks follow each other without gaps."""
        if self._begin is None:
            self._begin = block.start
        self._parts.append(block.samples)
        self._n_parts += len(block.samples)
        if self._n_parts < LOOK:
            return
        samples = np.concatenate(self._parts)
        n_looks = len(samples) // LOOK
        for index in range(n_looks):
            yield from self._look(samples[index * LOOK : (index + 1) * LOOK])
        self._parts, self._n_parts = [samples[n_looks * LOOK :]], len(samples) - n_looks * LOOK

    def finish(self) -> Iterator[Spoken]:
        """Yield the rest, for the stream is over."""
        if self._n_parts:
            yield from self._look(np.concatenate(self._parts))
        self._parts, self._n_parts = [], 0
        yield from self._look(None)
        if self._told is not None:
            yield self._end()

    def _look(self, samples: NDArray[np.float32] | None) -> Iterator[Spoken]:
        block = None
        if samples is not None:
            block = Audio(samples, start=(self._begin or 0.0) + self._kept.end / SAMPLE_RATE)
            self._kept.add(block)
        endpointer = self._hearing.endpointer
        for first, last in endpointer.feed(self._vad.votes(block, self._hearing), final=block is None):
            yield from self._tell(first, last)
        # A stretch is over when none that touches it can come any more.
        if self._told is not None and endpointer.earliest > self._told:
            yield self._end()
        if endpointer.open_from is not None:
            yield from self._tell(endpointer.open_from, endpointer.certain, pauses=endpointer.pauses)
        self._kept.forget_before((endpointer.earliest if self._told is None else self._told) * FRAME)

    def _tell(self, first: int, last: int, *, pauses: bool = False) -> Iterator[Spoken]:
        """Yield what is new of frames first to last."""
        if self._told is not None and first > self._told:
            yield self._end()
        begin = first if self._told is None else self._told
        if last > begin or (pauses and not self._paused):
            yield Spoken(self._kept.cut(begin * FRAME, max(last, begin) * FRAME), pauses=pauses)
        self._told, self._paused = max(last, begin), pauses

    def _end(self) -> Spoken:
        assert self._told is not None
        end = self._told * FRAME
        self._told, self._paused = None, False
        return Spoken(self._kept.cut(end, end), ends=True)


class AllSpeech:
    """Without a VAD all counts as speech, and only the end of the stream ends it."""

    def __init__(self) -> None:
        self._last: Audio | None = None

    def feed(self, block: Audio, /) -> Iterator[Spoken]:
        self._last = block
        yield Spoken(block)

    def finish(self) -> Iterator[Spoken]:
        if self._last is not None:
            yield Spoken(Audio(np.zeros(0, np.float32), start=self._last.end), ends=True)
