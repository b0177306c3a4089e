"""Where nobody speaks within an utterance, and words that should not be there.

Attention tells roughly when a word was said; how loud it was tells when not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from asr_cli.transcript import Word

SAMPLE_RATE = 16_000
FRAME = 320  # samples, 20 ms
SHORTEST = 0.3  # s; pauses within words, before a plosive, are shorter
LONG, EDGE = 1.5, 0.5  # s; nobody's word is wholly within one, but attention may be as much beside it
FLOOR = -70.0  # dB below full scale: softer is silence, whatever the rest is
BELOW_SPEECH = 30.0  # dB; soft consonants are this much softer than vowels, and short
BELOW_LOUDEST = 20.0  # dB; at the least, where there is noise in the pauses
ABOVE_NOISE = 6.0  # dB
SPEECH_ABOVE_NOISE = 15.0  # dB; less is no speech, and says nothing about how loud that is
NEAR = 100  # frames that are compared with themselves and half as many on both sides
TINY = 1e-10  # of power: where zeros fill a gap

Span = tuple[float, float]


def silences(samples: NDArray[np.float32], start: float = 0.0) -> list[Span]:
    """The stretches of an utterance without speech, in seconds; its first sample is at `start`.

    Silent is what is much softer than the loud parts around it, since the next one to speak may be far softer; in a
    noisy recording, what is hardly louder than the noise. What was filled in with zeros always is.
    """
    levels = loudness(samples)
    heard = levels[levels > 10 * np.log10(TINY)]
    if not len(heard):
        return [(start, start + len(samples) / SAMPLE_RATE)] if len(samples) else []
    noise, loudest = np.percentile(heard, (10, 95))
    loud = around(levels)
    loud[loud < noise + SPEECH_ABOVE_NOISE] = loudest  # nobody speaks there
    limit = np.maximum(np.maximum(FLOOR, loud - BELOW_SPEECH), np.minimum(loud - BELOW_LOUDEST, noise + ABOVE_NOISE))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], levels < limit, [False]])))
    ends = np.minimum(edges * FRAME, len(samples)) / SAMPLE_RATE
    spans = [(start + float(first), start + float(last)) for first, last in ends.reshape(-1, 2)]
    return [(first, last) for first, last in spans if last - first >= SHORTEST - 1e-9]


def around(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How loud the loud parts are around each frame."""
    half = NEAR // 2
    blocks = [np.percentile(levels[max(at - half, 0) : at + NEAR + half], 95) for at in range(0, len(levels), NEAR)]
    return np.repeat(np.asarray(blocks), NEAR)[: len(levels)]


def loudness(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Decibels below full scale of each frame, also of a last one that is not whole."""
    n_frames = -(-len(samples) // FRAME)
    squares = np.zeros(n_frames * FRAME)
    squares[: len(samples)] = np.square(samples, dtype=np.float64)
    power = squares.reshape(n_frames, FRAME).mean(axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, TINY)))


def clamp(words: Sequence[Word], silent: Sequence[Span]) -> tuple[Word, ...]:
    """The same words, none of them in silence as far as there is speech.

    Of a word around a pause, the longer part stays; a word wholly in a pause goes to the nearest end of it.
    """
    found: list[Word] = []
    for word in words:
        for span in silent:
            word = moved(word, span)
        begin = max(word.start, found[-1].start if found else word.start)
        if found and found[-1].end > begin:
            found[-1] = replace(found[-1], end=begin)
        found.append(replace(word, start=begin, end=max(word.end, begin)))
    return tuple(found)


def moved(word: Word, span: Span) -> Word:
    first, last = span
    if word.end <= first or word.start >= last:
        return word
    before, after = first - word.start, word.end - last
    if before <= 0 and after <= 0:
        edge = first if first > 0 and word.start - first <= last - word.end else last
        return replace(word, start=edge, end=edge)
    return replace(word, end=first) if before > after else replace(word, start=last)


def depths(silent: Iterable[Span]) -> list[Span]:
    """Of long silences, what is far from all speech."""
    return [(first + EDGE, last - EDGE) for first, last in silent if last - first >= LONG]


def over_silence(words: Iterable[Word], deep: Sequence[Span]) -> list[Word]:
    """The words that are wholly far from all speech: what was written there was not heard."""
    return [word for word in words if any(first <= word.start and word.end <= last for first, last in deep)]
