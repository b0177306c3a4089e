"""pocketsphinx in the `Recognizer` role."""

import os
from collections.abc import Sequence

from asr_cli.audio import Audio
from asr_cli.transcript import Segment, Word
from asr_plugins.sphinx.decoding import Spoken, recognize
from asr_plugins.sphinx.pool import Pool


class SphinxRecognizer:
    """An utterance's words never depend on what was recognised before it, or in which process."""

    max_duration = 30.0

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or os.cpu_count() or 1
        self._pool: Pool | None = None

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        heard = self._words(utterances)
        return [segment(words, utterance.start) for words, utterance in zip(heard, utterances, strict=True)]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _words(self, utterances: Sequence[Audio]) -> list[list[Spoken]]:
        # A worker takes a second to start: for a lone utterance that is not worth it.
        if self.processes == 1 or (self._pool is None and len(utterances) < 2):
            return [recognize(utterance.samples) for utterance in utterances]
        if self._pool is None:
            self._pool = Pool(self.processes)
        return self._pool.recognize(utterances)


def segment(words: Sequence[Spoken], offset: float) -> Segment:
    return Segment(tuple(Word(text, offset + start, offset + end, sure) for text, start, end, sure in words))
