"""Speech cut to what a recogniser takes, at the quietest place.

Stretches that touch are one stretch: a voice detector that reached its own limit, or nobody detecting at all,
leaves a border where no pause is. So the pieces never depend on how the speech was handed over.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import Audio
from asr_cli.errors import UsageError

OVERLAP = 2.0  # s that both sides of a forced cut hear: half a dozen words to find the join by
HOP_MS = 10
PAUSE_FRAMES = 20  # 200 ms: longer than the closure of a stop consonant, shorter than a breath
PAUSE_DB = 20.0  # a pause is this far below the speech around it; short of that, a cut might go through a word
SPEECH_PERCENTILE = 75  # of the frames; vowels sit above it, pauses and closures below
FLOOR = 1e-10  # mean square of digital silence, so that its logarithm exists


@dataclass(frozen=True, slots=True)
class Limits:
    """What a piece may be, in samples."""

    longest: int
    shortest: int  # what a cut leaves over: a scrap of a word has no context to be recognised by
    overlap: int

    @property
    def horizon(self) -> int:
        """No cut looks further, so a stretch is cut alike whether its end is in sight or hours away."""
        return self.longest + self.shortest


@dataclass(frozen=True, slots=True)
class Cut:
    """Where one piece ends and the next begins, in samples from the first one's start."""

    end: int
    next_start: int


def cut(speech: Iterable[Audio], max_duration: float, *, overlap: float = OVERLAP) -> Iterator[Audio]:
    """Yield utterances of at most `max_duration` seconds; what fits passes as it is.

    Where there is no pause the cut is forced: the next piece repeats `overlap` seconds, centred on the
    quietest place, and says so in its `Audio.overlap`.
    """
    cutter = Cutter(max_duration, overlap=overlap)
    for audio in speech:
        if not cutter.goes_on_with(audio):
            yield from cutter.end()
        yield from cutter.add(audio)
    yield from cutter.end()


class Cutter:
    """`cut` for one stretch of speech after the other, handed over bit by bit as it is spoken."""

    def __init__(self, max_duration: float, *, overlap: float = OVERLAP) -> None:
        if not max_duration > 0:
            raise UsageError(f"utterances of at most {max_duration:g} s hold nothing; give a positive duration")
        if not overlap >= 0:
            raise UsageError(f"pieces cannot overlap by {overlap:g} s; give zero or more")
        self._max_duration, self._overlap = max_duration, overlap
        self._stretch: list[Audio] = []
        self._n_samples = 0

    def goes_on_with(self, audio: Audio) -> bool:
        return not self._stretch or touches(self._stretch[-1], audio)

    def add(self, audio: Audio) -> Iterator[Audio]:
        """Yield each piece that is certain now; what is added touches what was added before."""
        limits = limits_of(audio.sample_rate, self._max_duration, self._overlap)
        self._stretch.append(audio)
        self._n_samples += len(audio.samples)
        while self._n_samples >= limits.horizon:
            piece, rest = split(self._together(), limits)
            self._stretch, self._n_samples = [rest], len(rest.samples)
            yield piece

    def end(self) -> list[Audio]:
        """What is left when the stretch is over; from here on there is another one."""
        pieces = self.if_ended()
        self._stretch, self._n_samples = [], 0
        return pieces

    def if_ended(self) -> list[Audio]:
        """What would be left if the stretch were over."""
        return list(last_pieces(self._together(), self._max_duration, self._overlap)) if self._stretch else []

    def _together(self) -> Audio:
        self._stretch = [together(self._stretch)]  # so that nothing is copied twice
        return self._stretch[0]


def touches(earlier: Audio, later: Audio) -> bool:
    same_rate = earlier.sample_rate == later.sample_rate
    return same_rate and abs(earlier.end - later.start) * later.sample_rate < 0.5


def together(stretch: list[Audio]) -> Audio:
    if len(stretch) == 1:
        return stretch[0]
    return replace(stretch[0], samples=np.concatenate([audio.samples for audio in stretch]))


def limits_of(sample_rate: int, max_duration: float, overlap: float) -> Limits:
    # A recogniser without a limit says infinity; thirty years are beyond any recording.
    longest = max(8, math.floor(min(max_duration, 1e9) * sample_rate + 1e-6))
    shared = min(round(min(overlap, 1e9) * sample_rate), longest // 4)
    return Limits(longest, shortest=longest // 4, overlap=shared - shared % 2)


def last_pieces(stretch: Audio, max_duration: float, overlap: float) -> Iterator[Audio]:
    limits = limits_of(stretch.sample_rate, max_duration, overlap)
    while len(stretch.samples) > limits.longest:
        piece, stretch = split(stretch, limits)
        yield piece
    yield stretch


def split(stretch: Audio, limits: Limits) -> tuple[Audio, Audio]:
    """The first piece, and the rest of the stretch."""
    place = find_cut(stretch.samples[: limits.horizon], stretch.sample_rate, limits)
    rest = replace(
        stretch,
        samples=stretch.samples[place.next_start :],
        start=stretch.start + place.next_start / stretch.sample_rate,
        overlap=(place.end - place.next_start) / stretch.sample_rate,
    )
    return replace(stretch, samples=stretch.samples[: place.end]), rest


def find_cut(samples: NDArray[np.float32], sample_rate: int, limits: Limits) -> Cut:
    """The quietest place in the second half of what fits, leaving no scrap behind."""
    half = limits.overlap // 2
    last = min(limits.longest - half, len(samples) - limits.shortest)
    first = limits.longest // 2
    hop = max(1, sample_rate * HOP_MS // 1000)
    level = loudness(samples, hop)  # (n_places,) dB; place i is centred on sample (i + PAUSE_FRAMES / 2) * hop
    offset = PAUSE_FRAMES // 2
    lowest, highest = -(-first // hop) - offset, last // hop - offset
    nearby = level[max(0, lowest) : highest + 1]
    if nearby.size == 0:  # pieces too short to hold a pause
        return Cut(last + half, last - half)
    centre = (quietest(nearby) + max(0, lowest) + offset) * hop
    if nearby.min() <= np.percentile(level, SPEECH_PERCENTILE) - PAUSE_DB:
        return Cut(centre, centre)
    return Cut(centre + half, centre - half)


def loudness(samples: NDArray[np.float32], hop: int) -> NDArray[np.float64]:
    """Level in dB over each 200 ms, every 10 ms."""
    # The difference of neighbours forgets offset and hum, and hears the consonants a plain energy misses.
    edges = np.diff(samples, prepend=samples[:1])
    n_frames = len(edges) // hop
    frames = edges[: n_frames * hop].reshape(n_frames, hop).astype(np.float64)
    power = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", frames, frames))])
    if n_frames < PAUSE_FRAMES:
        return np.zeros(0)
    mean = (power[PAUSE_FRAMES:] - power[:-PAUSE_FRAMES]) / (PAUSE_FRAMES * hop)
    return np.asarray(10 * np.log10(np.maximum(mean, FLOOR)), dtype=np.float64)


def quietest(level: NDArray[np.float64]) -> int:
    """The middle of the last of the quietest places (within 1 dB)."""
    quiet = np.flatnonzero(level <= level.min() + 1.0)
    breaks = np.flatnonzero(np.diff(quiet) > 1)
    run = quiet[breaks[-1] + 1 :] if breaks.size else quiet
    return int(run[len(run) // 2])
