"""pocketsphinx in the `Recognizer` role."""

import os
from collections.abc import Sequence

from asr_cli.audio import Audio
from asr_cli.transcript import Segment, Word
from asr_plugins.sphinx.decoding import Spoken
from asr_plugins.sphinx.pool import Pool


class SphinxRecognizer:
    """An utterance's words never depend on what was recognised before it, or in which process."""

    max_duration = 30.0

    def __init__(self, processes: int | None = None) -> None:
        # Processes even for one utterance: in this one it would hold Python's lock, and the bar and Ctrl-C would wait.
        n_processes = processes or os.cpu_count() or 1
        self._pool = Pool(n_processes)
        self.lanes = [SphinxLane(self._pool) for _ in range(n_processes)]

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        heard = self._pool.recognize(utterances)
        return [segment(words, utterance.start) for words, utterance in zip(heard, utterances, strict=True)]

    def close(self) -> None:
        self._pool.close()


class SphinxLane:
    """One process's worth of the recogniser, for who has an utterance at a time."""

    max_duration = SphinxRecognizer.max_duration
    batch_seconds = 1.0  # none waits for another
    pads = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        return [segment(self._pool.recognize_one(utterance), utterance.start) for utterance in utterances]


def segment(words: Sequence[Spoken], offset: float) -> Segment:
    return Segment(tuple(Word(text, offset + start, offset + end, sure) for text, start, end, sure in words))
