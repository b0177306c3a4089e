"""A microphone as an endless recording: blocks of sound as they are spoken, through whatever befalls the device.

PortAudio calls from a thread of its own; what it brings goes through a queue to whoever iterates. A device that goes
away is opened again as soon as it is back, and counts as silence until then, so that times stay those of the clock.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.live_clock import Timeline, at_least
from asr_cli.audio.live_devices import (
    Microphone,
    find_microphone,
    forget_devices,
    microphones,
    open_input,
    quoted,
    translated,
)
from asr_cli.audio.live_resample import Resampler
from asr_cli.audio.live_watch import Meter, Watch, warn
from asr_cli.audio.samples import cleaner
from asr_cli.audio.waiting import Interrupted, waiting
from asr_cli.errors import AsrError

__all__ = ["Microphone", "MicrophoneStream", "find_microphone", "microphones"]

log = logging.getLogger("asr")

LOOK_SECONDS = 0.1  # between two looks for what is not sound
FIRST_LOOKS = 50  # without sound, for a device to begin: a sound server may have to wake it
STALL_LOOKS = 20  # without sound, after which a device has gone and nobody says so
RETRY_SECONDS = 1.0
PATIENCE = 2.0  # seconds for a device to be closed: a sound server that hangs never does it


class Stop:
    """In the queue: what came before is the end."""


@dataclass(eq=False, slots=True)
class Take:
    """One opening of the device. dead: nobody listens to it any more."""

    name: str
    stream: Any = None
    rate: int = SAMPLE_RATE
    heard: threading.Event = field(default_factory=threading.Event)
    dead: bool = False

    def close(self) -> None:
        self.dead = True
        stream, self.stream = self.stream, None
        if stream is not None:
            closing = threading.Thread(target=stream.close, name="asr-mic-close", daemon=True)
            closing.start()
            closing.join(PATIENCE)


@dataclass(frozen=True, slots=True)
class Sound:
    """What one call brought. samples: mono, at the device's rate; None where the take ended by itself."""

    take: Take
    samples: NDArray[np.float32] | None
    at: float  # by the monotonic clock
    overflowed: bool = False


class MicrophoneStream:
    """Iterate over the blocks of a microphone, inside `with`; `stop()` ends that after what was captured.

    wanted: the microphone's name, or a part of it; None is the default.
    """

    def __init__(self, wanted: str | None = None) -> None:
        self.name = wanted or ""
        self._wanted = wanted
        self._queue: SimpleQueue[Sound | Stop] = SimpleQueue()  # the kind that a signal handler may put into
        self._stopped = False
        self._closing = threading.Event()
        self._meter = Meter()
        self._take: Take | None = None  # None while the device is gone
        self._reopened: Take | None = None
        self._reopening: threading.Thread | None = None

    def __enter__(self) -> Self:
        take = self._open()
        self.name = take.name
        self._watch = Watch(take.name)
        self._clean = cleaner(quoted(take.name))
        self._timeline = Timeline()
        self._begin(take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._reopening is not None:
            self._reopening.join(PATIENCE)
        for take in (self._take, self._reopened):
            if take is not None:
                take.close()

    @property
    def level(self) -> float:
        """The peak of the last 100 ms in dB of full scale, from -120 to 0."""
        return self._meter.level

    @property
    def overflows(self) -> int:
        """How often sound was lost because this machine was too busy."""
        return self._watch.overflows

    def stop(self) -> None:
        """From any thread, or from a signal handler."""
        self._stopped = True
        self._queue.put(Stop())

    def __iter__(self) -> Iterator[Audio]:
        return at_least(self._blocks())

    def _blocks(self) -> Iterator[Audio]:
        for sound in self._sounds():
            if sound is None:
                yield from self._quiet()
            elif sound.take.dead:
                continue
            elif sound.samples is not None:
                yield from self._hear(sound.take, sound.samples, sound.at, sound.overflowed)
            elif sound.take is self._take:
                yield from self._lose(sound.take, "the device stopped")
        yield from self._flush()
        if self._take is None:
            yield from self._timeline.fill(time.monotonic(), behind=0.0)

    def _sounds(self) -> Iterator[Sound | None]:
        """What comes, until somebody stops us; None where nothing did for a while."""
        while True:
            try:
                with waiting():
                    sound = self._queue.get(timeout=LOOK_SECONDS)
            except Empty:
                yield None
                continue
            except Interrupted:
                if not self._stopped:
                    raise
                continue  # the queue holds what was captured, and its end
            if isinstance(sound, Stop):
                return
            yield sound

    def _hear(self, take: Take, samples: NDArray[np.float32], at: float, overflowed: bool) -> Iterator[Audio]:
        if take is not self._take:
            self._begin(take)
            log.info(f"{quoted(take.name)} is heard again after {at - self._gone_at:.1f} s")
        self._n_quiet = 0
        self._watch.hear(samples, take.rate, overflowed=overflowed)
        yield from self._timeline.hear(self._clean(self._resampler.feed(samples)), at)

    def _begin(self, take: Take) -> None:
        self._take, self._n_quiet = take, 0
        self._resampler = Resampler(take.rate)

    def _quiet(self) -> Iterator[Audio]:
        """Nothing came. Counted in looks: a program that was stopped for an hour has not looked for so long."""
        take = self._take
        if take is None:
            yield from self._timeline.fill(time.monotonic())
            return
        self._n_quiet += 1
        if self._n_quiet >= (STALL_LOOKS if take.heard.is_set() else FIRST_LOOKS):
            yield from self._lose(take, "no sound comes any more")

    def _lose(self, take: Take, why: str) -> Iterator[Audio]:
        take.dead = True
        self._take, self._gone_at = None, time.monotonic()
        warn("W-DEVICE-GONE", f"{quoted(take.name)} is gone: {why}; it counts as silence until it can be opened again")
        yield from self._flush()
        self._reopening = threading.Thread(target=self._reopen, args=(take,), name="asr-mic-reopen", daemon=True)
        self._reopening.start()

    def _flush(self) -> Iterator[Audio]:
        yield from self._timeline.release()
        yield from self._timeline.give(self._clean(self._resampler.flush()))
        self._resampler = Resampler(1, 1)

    def _reopen(self, old: Take) -> None:
        """In a thread of its own: asking after devices takes seconds, on a bad day for ever."""
        old.close()
        while not self._closing.wait(RETRY_SECONDS):
            with suppress(AsrError):
                forget_devices()
                self._reopened = take = self._open()
                if any(take.heard.wait(LOOK_SECONDS) or self._closing.is_set() for _ in range(FIRST_LOOKS)):
                    return
                take.close()

    def _open(self) -> Take:
        microphone = find_microphone(self._wanted)
        take = Take(microphone.name)

        def heard(frames: NDArray[np.float32], n_frames: int, times: object, status: Any) -> None:
            samples = frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0].copy()
            self._meter.hear(samples)
            self._queue.put(Sound(take, samples, time.monotonic(), bool(status.input_overflow)))
            take.heard.set()

        def ended() -> None:
            self._queue.put(Sound(take, None, time.monotonic()))

        take.stream = open_input(microphone, heard, ended)
        take.rate = round(take.stream.samplerate)
        try:
            with translated(quoted(microphone.name)):
                take.stream.start()
        except AsrError:
            take.close()
            raise
        return take
