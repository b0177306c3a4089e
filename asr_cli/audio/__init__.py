"""Sound on its way through the house: 16 kHz mono float32, in pieces that know where they belong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz, everywhere behind the decoder


@dataclass(frozen=True, slots=True)
class Audio:
    """A stretch of a recording.

    samples: float32 of shape (n_samples,), in [-1, 1].
    start: seconds from the start of the recording to the first sample.
    overlap: seconds at the start that the previous stretch holds too (a cut that had to be forced).
    said: the text before it, for recognisers that want to know.
    """

    samples: NDArray[np.float32]
    start: float = 0.0
    sample_rate: int = SAMPLE_RATE
    overlap: float = 0.0
    said: str = ""

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate

    @property
    def end(self) -> float:
        return self.start + self.duration
