"""The roles. Whoever keeps one of these promises can take part; nothing asks for a class."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from asr_cli.audio import Audio
from asr_cli.transcript import Draft, Segment

COMPUTE_TYPES = ("auto", "float32", "bfloat16", "float16", "int8")  # what one may be asked to compute in


class Vad(Protocol):
    """Blocks of a recording in; each stretch of speech out as soon as its end is known."""

    def __call__(self, blocks: Iterable[Audio], /) -> Iterator[Audio]: ...


@runtime_checkable
class Recognizer(Protocol):
    """Utterances in, one segment for each out, in the same order.

    A word's times are seconds from the start of the *recording*: the recogniser adds `utterance.start`. Silence gives a
    segment without words. The result for an utterance never depends on what else is in the batch. It may have
    attributes `batch_seconds`, how much speech at once suits it, and `pads`: whether each utterance of a batch costs as
    much as the longest, which is what is assumed. With an attribute `lanes` it offers recognisers that may work at the
    same time, each on a batch of its own, and together do what it can do.
    """

    @property
    def max_duration(self) -> float:
        """The longest utterance it takes, in seconds."""
        ...

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]: ...


class StreamingRecognizer(Protocol):
    """Blocks in, ever better text out."""

    def listen(self, blocks: Iterable[Audio], /) -> Iterator[Draft]: ...


class Punctuator(Protocol):
    """Utterances in, sentences out: the same words with marks attached, the same times."""

    def __call__(self, segments: Iterable[Segment], /) -> Iterator[Segment]: ...
