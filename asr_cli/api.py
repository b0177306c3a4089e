"""The front door for Python: one call, the options of the command."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from asr_cli.audio import Audio
from asr_cli.decoding import DecodingOptions
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.session import Session, Source
from asr_cli.transcript import Segment
from asr_cli.vad.endpoint import EndpointOptions

if TYPE_CHECKING:
    from asr_cli.live.events import Event


STREAM_AHEAD = 300.0  # s of speech; a live source hardly ever waits, and one that is not live does not fill the memory


class Options(TypedDict, total=False):
    """The fields of `ModelOptions` and `ReadOptions`, which say what they mean; a test holds them equal."""

    model: str
    language: str | None
    model_dir: Path | None
    hub: str
    offline: bool
    device: str
    compute_type: str
    threads: int | None
    hotwords: str | Path | tuple[str, ...]
    hotword_weight: float
    mode: str | None
    chunk_size: tuple[int, int, int] | None
    encoder_chunk_look_back: int
    decoder_chunk_look_back: int
    refresh: float | None
    decoding: DecodingOptions
    assistant_model: str | None
    batch_seconds: float | None
    vad_model: str | None
    vad: EndpointOptions | None
    punc: bool | None
    punc_model: str
    itn: bool
    script: str | None
    start: float
    end: float | None
    channels: str
    track: int | None
    pcm: str | None
    sample_rate: int | None


def transcribe(source: Source, **options: Unpack[Options]) -> Iterator[Segment]:
    """Yield the segments of one recording as they become ready.

    An option nobody knows is a TypeError, at once; what is wrong with the recording is an `AsrError` on iteration.
    """
    given: dict[str, Any] = dict(options)
    reading = {name: given.pop(name) for name in names(ReadOptions) if name in given}
    return listen(source, ModelOptions(**given), ReadOptions(**reading))


def stream(
    blocks: Iterable[Audio], *, final_model: str | None = None, drafts: bool = True, **options: Unpack[Options]
) -> "Iterator[Event]":
    """Yield what is said in a stream of blocks, 16 kHz mono, each beginning where the one before it ended.

    final_model: what makes the finals, where `model` makes the drafts. An option that says which part of a recording to
    read is a TypeError: blocks are taken as they are.
    """
    given: dict[str, Any] = dict(options)
    return captions(blocks, ModelOptions(**given), final_model, drafts)


def captions(blocks: Iterable[Audio], models: ModelOptions, final_model: str | None, drafts: bool) -> "Iterator[Event]":
    from asr_cli.live.session import LiveOptions, LiveSession

    with LiveSession(LiveOptions(models=models, final_model=final_model, drafts=drafts)) as session:
        yield from (event for event in session.listen(blocks, ahead=STREAM_AHEAD) if event is not None)


def listen(source: Source, models: ModelOptions, reading: ReadOptions) -> Iterator[Segment]:
    with Session(models) as session:
        yield from session.transcribe(source, reading)


def names(options: type[ModelOptions] | type[ReadOptions]) -> list[str]:
    return [field.name for field in fields(options)]
