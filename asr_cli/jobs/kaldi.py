"""A recording's lines in Kaldi-style files, as FunASR writes them: `text`, `token`, `time_stamp`, `score`."""

import math
from collections.abc import Iterator

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
        # One text for a segment, not one for a word: a day has 200,000 words, and as many small texts take 35 MB.
        tokens = list(tokens_of(segment))
        self._text.append("".join(word.text for word in segment.words))
        if tokens:
            self._tokens.append(" ".join(token for token, _ in tokens))
            self._times.append(", ".join(span(word) for _, word in tokens))
        for _, word in tokens:
            self._weigh(word.confidence)

    def _weigh(self, confidence: float | None) -> None:
        if confidence is None or not math.isfinite(confidence):
            self._is_scored = False
        else:
            self._score += math.log(max(confidence, LEAST))

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


def tokens_of(segment: Segment) -> Iterator[tuple[str, Word]]:
    """The words without their marks, in pieces where a word has spaces in it."""
    for word in segment.words:
        for part in word.text.split():
            if token := part.rstrip(MARKS):
                yield token, word


def span(word: Word) -> str:
    return f"[{round(word.start * 1000)}, {round(word.end * 1000)}]"
