"""What is wrong with a microphone, told while it can still be put right: no signal, too loud, sound lost."""

import logging
import time
from collections import deque
from math import log10

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio.live_devices import HINT, quoted

log = logging.getLogger("asr")

NO_SIGNAL_SECONDS = 3.0  # of zeros: no room is that quiet, and no converter
FULL_SCALE = 0.999
CLIPPED_SHARE = 0.01  # of the samples of a look; a voice that touches the ceiling now and then is understood
LOOK_SECONDS = 0.5
CALM_SECONDS = 5.0  # without a clipped look, before the next is told again
METER_SECONDS = 0.1
STALE_SECONDS = 0.5  # after which the meter shows nothing
LEAST_DB = -120.0

Samples = NDArray[np.float32]


class Watch:
    """Warnings about the sound of one device, each once a spell. Knows nothing of gaps: nobody calls it then."""

    def __init__(self, name: str) -> None:
        self.name = quoted(name)
        self.overflows = 0
        self._zeros = 0.0  # seconds
        self._calm = CALM_SECONDS
        self._n_loud = self._n_looked = 0

    def hear(self, samples: Samples, rate: int, *, overflowed: bool = False) -> None:
        """samples of shape (n_samples,), as the device gave them."""
        if overflowed:
            self._overflow()
        self._signal(samples, rate)
        self._clipping(samples, rate)

    def _overflow(self) -> None:
        self.overflows += 1
        if self.overflows == 1:
            warn("W-OVERFLOW", f"sound from {self.name} was lost: this machine is too busy; close other programs")

    def _signal(self, samples: Samples, rate: int) -> None:
        nonzero = np.flatnonzero(samples)
        before = self._zeros
        if not len(nonzero):
            self._zeros += len(samples) / rate
            if self._zeros >= NO_SIGNAL_SECONDS > before:
                warn("W-NO-SIGNAL", f"no signal from {self.name} for {NO_SIGNAL_SECONDS:g} s; {HINT}")
            return
        self._zeros = (len(samples) - 1 - int(nonzero[-1])) / rate
        if before >= NO_SIGNAL_SECONDS:
            log.info(f"{self.name} gives a signal again")

    def _clipping(self, samples: Samples, rate: int) -> None:
        self._n_loud += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        self._n_looked += len(samples)
        if self._n_looked < LOOK_SECONDS * rate:
            return
        if self._n_loud < CLIPPED_SHARE * self._n_looked:
            self._calm += self._n_looked / rate
        else:
            if self._calm >= CALM_SECONDS:
                warn("W-CLIPPING", f"{self.name} is too loud, its sound is cut off; turn the microphone down")
            self._calm = 0.0
        self._n_loud = self._n_looked = 0


class Meter:
    """The loudest sample of the last 100 ms. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._peaks: deque[tuple[float, float]] = deque(maxlen=64)  # when, how loud

    def hear(self, samples: Samples) -> None:
        if len(samples):
            self._peaks.append((time.monotonic(), float(np.abs(samples).max())))

    @property
    def level(self) -> float:
        """In dB of full scale, from -120 to 0."""
        peaks = self._peaks.copy()
        if not peaks or time.monotonic() - peaks[-1][0] > STALE_SECONDS:
            return LEAST_DB
        newest = peaks[-1][0]
        loudest = max(peak for at, peak in peaks if newest - at < METER_SECONDS)
        return min(max(20 * log10(loudest), LEAST_DB), 0.0) if loudest > 0 else LEAST_DB


def warn(code: str, message: str) -> None:
    log.warning(message, extra={"code": code})
