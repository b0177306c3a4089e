"""The roles. Whoever keeps one of these promises can take part; nothing asks for a class."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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

    More attributes are for those to whom anything short costs a whole window. `least_seconds`: what it costs.
    `gathers`: neighbouring utterances are to come as one while they fit into `max_duration`. `slides`: of a long
    recording it is to hear one window of `max_duration` after the other, each with the text before it (`Audio.said`),
    the next from `Segment.heard` on; words that begin there or later are left to that one.
    """

    @property
    def max_duration(self) -> float:
        """The longest utterance it takes, in seconds."""
        ...

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """What has come of an utterance since it was last heard.

    audio: any number of samples, also none. state: what `hear` gave with the chunk before; None for the first.
    final: the utterance ends with it.
    """

    audio: Audio
    state: Any = None
    final: bool = False


@runtime_checkable
class StreamingRecognizer(Protocol):
    """Utterances in while they are spoken, ever longer text out; many at once, each chunk of another utterance.

    A draft has all words of its utterance so far, at seconds from the start of the *recording*. All that is remembered
    of an utterance is in its state, a value. However an utterance is divided into chunks, and in whatever company they
    are heard, the last draft is the same; all its words are final.
    """

    @property
    def chunk_duration(self) -> float:
        """How many seconds of sound it takes in at a step: with less there may be nothing new."""
        ...

    def hear(self, chunks: Sequence[Chunk], /) -> list[tuple[Draft, Any]]: ...


class Punctuator(Protocol):
    """Utterances in, sentences out: the same words with marks attached, the same times."""

    def __call__(self, segments: Iterable[Segment], /) -> Iterator[Segment]: ...
