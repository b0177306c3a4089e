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
        self._pool = Pool(processes or os.cpu_count() or 1)

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        heard = self._pool.recognize(utterances)
        return [segment(words, utterance.start) for words, utterance in zip(heard, utterances, strict=True)]

    def close(self) -> None:
        self._pool.close()


def segment(words: Sequence[Spoken], offset: float) -> Segment:
    return Segment(tuple(Word(text, offset + start, offset + end, sure) for text, start, end, sure in words))
