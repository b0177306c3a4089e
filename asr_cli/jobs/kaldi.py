"""A recording's lines in Kaldi-style files, as FunASR writes them: `text`, `token`, `time_stamp`, `score`."""

import math

from asr_cli.subtitles.output import Info
from asr_cli.transcript import Segment, Word

MARKS = "，。？！、；：,.?!;:"
LEAST = 1e-10  # a word of no confidence at all; its logarithm must exist


class KaldiLines:
    """Collects what the lines say, as segments come.

    text: the words run together. tokens: the same words without their marks, a space between two. times: [start, end]
    of each token in milliseconds. score: the sum of the natural logarithms of their confidences, empty where the
    recogniser gives none.
    """

    def __init__(self) -> None:
        self._text: list[str] = []
        self._tokens: list[str] = []
        self._times: list[str] = []
        self._score = 0.0
        self._is_scored = True

    def add(self, segment: Segment) -> None:
        for word in segment.words:
            self._text.append(word.text)
            for part in word.text.split():
                if token := part.rstrip(MARKS):
                    self._add(token, word)

    def _add(self, token: str, word: Word) -> None:
        self._tokens.append(token)
        self._times.append(f"[{round(word.start * 1000)}, {round(word.end * 1000)}]")
        if word.confidence is None or not math.isfinite(word.confidence):
            self._is_scored = False
        else:
            self._score += math.log(max(word.confidence, LEAST))

    def finish(self, info: Info) -> None:
        """Nothing is known only at the end."""

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    @property
    def tokens(self) -> str:
        return " ".join(self._tokens)

    @property
    def times(self) -> str:
        return f"[{', '.join(self._times)}]"

    @property
    def score(self) -> str:
        return f"{self._score:.4f}" if self._tokens and self._is_scored else ""
