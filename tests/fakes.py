"""A recogniser that answers at once, for tests of everything around it."""

import numpy as np

from asr_cli.registry import Backend, ModelCard
from asr_cli.transcript import Segment, Word

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
