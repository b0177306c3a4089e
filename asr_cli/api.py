"""The front door for Python: one call, the options of the command."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypedDict, Unpack

from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.session import Session, Source
from asr_cli.transcript import Segment
from asr_cli.vad.endpoint import EndpointOptions


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


def listen(source: Source, models: ModelOptions, reading: ReadOptions) -> Iterator[Segment]:
    with Session(models) as session:
        yield from session.transcribe(source, reading)


def names(options: type[ModelOptions] | type[ReadOptions]) -> list[str]:
    return [field.name for field in fields(options)]
