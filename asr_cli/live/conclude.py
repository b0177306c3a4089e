"""Segments of one utterance to finals: stitched, punctuated and written as asked for, as they come."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from asr_cli.longform.stitch import Stitcher
from asr_cli.protocols import Punctuator
from asr_cli.text.finish import Stage
from asr_cli.transcript import Segment, Word

MOST_WORDS = 300  # without the end of a sentence: then what is there is given away as it is


class Conclusion:
    """The last steps for one utterance. A mark at its very end does not wait for what is said next."""

    def __init__(self, punctuator: Punctuator | None, finishers: Sequence[Stage]) -> None:
        self._punctuator, self._finishers = punctuator, finishers
        self._stitcher = Stitcher()
        self._open: list[tuple[Word, Segment]] = []  # of a sentence whose end is not known, with where they come from

    def add(self, segment: Segment) -> list[Segment]:
        """The segments that are certain now."""
        return self._finish(self._punctuate(self._stitcher.add(segment), last=False))

    def end(self) -> list[Segment]:
        return self._finish(self._punctuate(self._stitcher.end(), last=True))

    def _punctuate(self, segments: Iterable[Segment], *, last: bool) -> Iterator[Segment]:
        if self._punctuator is None:
            yield from segments
            return
        # A punctuator leaves out what cannot be seen, and by their number it is known which words are given away.
        self._open += [(word, segment) for segment in segments for word in segment.words if word.text.strip()]
        if not self._open:
            return
        sentences = list(self._punctuator([Segment(tuple(word for word, _ in self._open))]))
        if not last and len(self._open) < MOST_WORDS:
            del sentences[-1:]  # what comes next may go on with it
        for sentence in sentences:
            origins = [segment for _, segment in self._open[: len(sentence.words)]]
            del self._open[: len(sentence.words)]
            suspect = next((one.suspect for one in origins if one.suspect), None)
            yield replace(sentence, language=origins[0].language, suspect=suspect)

    def _finish(self, segments: Iterator[Segment]) -> list[Segment]:
        return written(segments, self._finishers)


def written(segments: Iterable[Segment], finishers: Sequence[Stage]) -> list[Segment]:
    """The segments in the digits and the script that were asked for."""
    for finish in finishers:
        segments = finish(segments)
    return [segment for segment in segments if segment.words]
