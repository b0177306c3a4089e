"""Neighbouring utterances heard together, for recognisers to whom each costs as much as the longest.

The silence between them comes along as zeros, so every time stays that of the recording.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from asr_cli.audio import Audio
from asr_cli.longform.cut import limits_of

# s; pauses in a talk are shorter. Over longer silence such recognisers invent text, or end theirs before the next word.
LONGEST_GAP = 5.0


def gather(utterances: Iterable[Audio], max_duration: float) -> Iterator[Audio]:
    """Yield chunks that last at most `max_duration` seconds, each as soon as the next utterance does not fit.

    An utterance that repeats some of its predecessor (a cut that had to be forced) begins a chunk: two readings of one
    stretch must stay two.
    """
    chunk: list[Audio] = []
    for utterance in utterances:
        if chunk and not fits(chunk, utterance, max_duration):
            yield filled(chunk)
            chunk = []
        chunk.append(utterance)
    if chunk:
        yield filled(chunk)


def fits(chunk: Sequence[Audio], utterance: Audio, max_duration: float) -> bool:
    gap = first_sample(utterance) - end_sample(chunk[-1])
    if utterance.overlap > 0 or not 0 <= gap <= LONGEST_GAP * utterance.sample_rate:
        return False
    longest = limits_of(utterance.sample_rate, max_duration, 0.0).longest
    return end_sample(utterance) - first_sample(chunk[0]) <= longest


def filled(chunk: Sequence[Audio]) -> Audio:
    """One stretch from the first one's start to the last one's end."""
    if len(chunk) == 1:
        return chunk[0]
    first = first_sample(chunk[0])
    samples = np.zeros(end_sample(chunk[-1]) - first, np.float32)
    for utterance in chunk:
        # Each by its own start: whatever rounding does, it does not add up.
        samples[first_sample(utterance) - first : end_sample(utterance) - first] = utterance.samples
    return replace(chunk[0], samples=samples)


def first_sample(audio: Audio) -> int:
    """Its place in the recording, in samples."""
    return round(audio.start * audio.sample_rate)


def end_sample(audio: Audio) -> int:
    return first_sample(audio) + len(audio.samples)
