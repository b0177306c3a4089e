"""A recogniser that answers at once, for tests of everything around it."""

import numpy as np

from asr_cli.audio import Audio
from asr_cli.registry import Backend, ModelCard
from asr_cli.transcript import Draft, Segment, Word
from asr_cli.vad.fsmn import FsmnVad

WORD_SECONDS = 0.25


class InstantRecognizer:
    """One word for each quarter of a second of the recording, named by its place."""

    max_duration = 20.0

    def __init__(self):
        self.n_heard = 0

    def recognize(self, utterances):
        self.n_heard += len(utterances)
        return [Segment(tuple(self.words(utterance))) for utterance in utterances]

    def words(self, utterance):
        # A word belongs to whoever hears its middle.
        first = int(np.ceil(utterance.start / WORD_SECONDS - 0.5))
        last = int(np.ceil(utterance.end / WORD_SECONDS - 0.5))
        for index in range(first, last):
            start = index * WORD_SECONDS
            yield Word(f" w{index}", start, start + WORD_SECONDS, 1.0)


def instant_backend(recognizer):
    card = ModelCard(name="instant", summary="for tests", languages=("en", "zh"), license="none", bundled=True)
    return Backend(name="instant", models=(card,), load=lambda card, folder, options: recognizer)


class Told(FsmnVad):
    """A VAD that is told what is speech: frame t of the stream votes speech[t]."""

    def __init__(self, speech, options):
        self.options, self.patience, self._shift, self._speech = options, 0.1, 160, speech

    def votes(self, block, hearing):
        hearing.samples = (hearing.samples or 0) + (0 if block is None else len(block.samples))
        n_frames = max(0, hearing.samples // 160 - (0 if block is None else 4))
        found = self._speech[hearing.frames or 0 : n_frames]
        hearing.frames = n_frames
        return bytes(found)


class InstantStream:
    """The same as drafts: a word is final when the next one has begun."""

    chunk_duration = 0.6

    def __init__(self):
        self.recognizer = InstantRecognizer()
        self.calls = []  # how many streams were heard at once

    def hear(self, chunks):
        self.calls.append(len(chunks))
        return [self.draft(chunk) for chunk in chunks]

    def draft(self, chunk):
        start, samples = chunk.state or (chunk.audio.start, 0)
        samples += len(chunk.audio.samples)
        whole = Audio(np.zeros(samples, np.float32), start=start)
        words = tuple(self.recognizer.words(whole))
        return Draft(words, len(words) if chunk.final else max(0, len(words) - 1)), (start, samples)
