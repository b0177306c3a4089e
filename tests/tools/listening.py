"""Streaming recognisers heard from outside."""

from asr_cli.audio import Audio
from asr_cli.protocols import Chunk


def listen(recognizer, samples, size, start=0.0):
    """All drafts of an utterance in chunks of that many samples."""
    state, drafts = None, []
    begins = list(range(0, len(samples), size)) or [0]
    for begin in begins:
        audio = Audio(samples[begin : begin + size], start=start + begin / 16_000)
        [(draft, state)] = recognizer.hear([Chunk(audio, state, begin == begins[-1])])
        drafts.append(draft)
    assert state is None
    return drafts


def said(words):
    """Words as they can be compared: their confidence may be summed up in another order."""
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in words]
