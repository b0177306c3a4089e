"""A loaded recogniser, VAD and punctuator, ready for one recording after another."""

import heapq
import logging
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, Union

from asr_cli import pipeline, punctuators, registry
from asr_cli.audio import Audio
from asr_cli.catalog import PUNC_CARDS, VAD_CARDS
from asr_cli.detectors import load_vad
from asr_cli.errors import UsageError
from asr_cli.longform.batch import Memory
from asr_cli.longform.mix import Account, Mixer
from asr_cli.options import BATCH_SECONDS, ModelOptions, ReadOptions
from asr_cli.recognizers import (
    assistant_folder,
    assistant_of,
    card_of,
    choose,
    folder_meant,
    is_absent,
    text_language,
    text_languages,
)
from asr_cli.registry import LoadOptions, ModelCard
from asr_cli.text import language as languages
from asr_cli.text.finish import check_text, finishers
from asr_cli.text.hotwords import as_written, read_hotwords
from asr_cli.transcript import Segment, Transcript

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

log = logging.getLogger("asr")

Source = Union[str, Path, bytes, BinaryIO, "NDArray[np.float32]", "torch.Tensor", Iterable[Audio]]


class Memories(Protocol):
    """Earlier work, for each channel of a recording."""

    def channel(self, channel: int, /) -> Memory: ...


class Session:
    """Models in memory. Use as a context manager: leaving it lets go of processes and device memory."""

    def __init__(self, options: ModelOptions | None = None) -> None:
        self.options = options or ModelOptions()
        self._open = ExitStack()
        self.language = languages.code(self.options.language)
        self.backend, self.card, self.folder = choose(self.options, self.language)
        may_be = text_languages(self.options, self.card)
        self.finishers = finishers(itn=self.options.itn, script=self.options.script, languages=may_be)
        text = text_language(self.options, self.card)
        self.vad, self.vad_name = load_vad(self.options)
        self.punctuator, self.punc_name = punctuators.load_punctuator(self.options, self.card, text)
        self.hotwords = expected(self.options.hotwords, self.card)
        self.written = as_written(self.hotwords, self.finishers)  # as a transcript has them
        load = load_options(self.options, self.hotwords, self.language)
        self.recognizer = self._open.enter_context(registry.open_recognizer(self.backend, self.card, self.folder, load))
        self._mixer: Mixer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _batch_seconds(self) -> float:
        suiting: float = getattr(self.recognizer, "batch_seconds", BATCH_SECONDS)
        return self.options.batch_seconds or suiting

    def share(self) -> None:
        """From here on, utterances of all recordings are recognised together, each recording in a thread of its own."""
        if self._mixer is None:
            self._mixer = Mixer(self.recognizer, self.options.batch_seconds, BATCH_SECONDS, self._share_cores)
            self._open.callback(self._mixer.close)

    def _share_cores(self, n_lanes: int) -> None:
        use_threads(max(1, (self.options.threads or os.cpu_count() or 1) // n_lanes))

    def stop_sharing(self) -> None:
        """What is shared and not being recognised yet is not going to be."""
        if self._mixer is not None:
            self._mixer.stop()

    def account(self) -> Account | None:
        """For a recording of its own, where they are recognised together."""
        return Account(self._mixer) if self._mixer is not None else None

    def close(self) -> None:
        self._open.close()

    def transcribe(
        self,
        source: Source,
        options: ReadOptions | None = None,
        *,
        memories: Memories | None = None,
        stop: threading.Event | None = None,
        when_heard: Callable[[], None] = lambda: None,
        account: Account | None = None,
    ) -> "Transcription":
        """Start on one recording; iterate over the result for its segments.

        when_heard: called when nothing more is to be read, while the last of it is still to be recognised.
        account: where recordings are recognised together, what knows how long this one took.
        """
        account = account or self.account()
        return Transcription(self, source, options or ReadOptions(), memories, stop, when_heard, account)

    def hear(
        self,
        blocks: Iterable[Audio],
        memory: Memory | None,
        stop: threading.Event | None,
        *,
        read_ahead: bool = False,
        account: Account | None = None,
    ) -> Iterator[Segment]:
        segments = pipeline.transcribe(
            blocks,
            vad=self.vad,
            recognizer=self.recognizer,
            punctuator=self.punctuator,
            batch_seconds=self._batch_seconds,
            memory=memory,
            stop=stop,
            read_ahead=read_ahead,
            account=account,
        )
        for finish in self.finishers:
            segments = finish(segments)
        return segments


class Transcription:
    """The segments of one recording, as they become ready.

    duration: how many seconds of the recording have been heard so far; the recording's length once iteration ends.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        options: ReadOptions,
        memories: Memories | None,
        stop: threading.Event | None,
        when_heard: Callable[[], None],
        account: Account | None,
    ) -> None:
        self.duration = 0.0
        self._account = account
        self._when_heard = when_heard
        self._session = session
        self._spoken: dict[str, float] = defaultdict(float)  # seconds in each language that was heard
        self.model = session.card.name
        self._segments = self._listen(session, source, options, memories, stop)

    def __iter__(self) -> Iterator[Segment]:
        return self

    def __next__(self) -> Segment:
        segment = next(self._segments)
        if segment.language is not None:
            self._spoken[segment.language] += segment.end - segment.start
        return segment

    @property
    def language(self) -> str | None:
        """What was asked for, else what most was heard in so far, else what the recogniser usually hears."""
        return language_of(self._session, self._spoken)

    def transcript(self) -> Transcript:
        """Listen to the end, and give the whole."""
        segments = tuple(self)
        return Transcript(segments, self.duration, self.language, self.model)

    def close(self) -> None:
        self._segments.close()

    def _listen(
        self,
        session: Session,
        source: Source,
        options: ReadOptions,
        memories: Memories | None,
        stop: threading.Event | None,
    ) -> Generator[Segment, None, None]:
        from asr_cli.audio.channels import read_channels

        check(options)
        with ExitStack() as stack:
            channels = stack.enter_context(read_channels(source, **asdict(options)))
            # Channels are read together, so one cannot run ahead of the other; and a pipe may keep us waiting.
            read_ahead = len(channels) == 1 and isinstance(source, str | Path) and is_file(source)
            voices = [
                named(
                    session.hear(
                        self._timed(blocks),
                        memories.channel(index) if memories else None,
                        stop,
                        read_ahead=read_ahead,
                        account=self._account,
                    ),
                    speaker,
                )
                for index, (speaker, blocks) in enumerate(channels)
            ]
            yield from heapq.merge(*voices, key=lambda segment: segment.start)

    def _timed(self, blocks: Iterable[Audio]) -> Iterator[Audio]:
        for block in blocks:
            # To the sample, so that rounding does not tell how the recording was cut into blocks.
            self.duration = max(self.duration, round(block.end * block.sample_rate) / block.sample_rate)
            yield block
        self._when_heard()


def language_of(session: Session, spoken: Mapping[str, float]) -> str | None:
    """spoken: seconds in each language that was heard."""
    return session.language or max(spoken, key=lambda one: spoken[one], default=session.card.usual_language)


def load_options(options: ModelOptions, hotwords: tuple[str, ...], language: str | None) -> LoadOptions:
    """What a backend is told of them."""
    return LoadOptions(
        device=options.device,
        threads=options.threads,
        compute_type=options.compute_type,
        hotwords=hotwords,
        hotword_weight=options.hotword_weight,
        mode=options.mode,
        chunk_size=options.chunk_size,
        encoder_chunk_look_back=options.encoder_chunk_look_back,
        decoder_chunk_look_back=options.decoder_chunk_look_back,
        refresh=options.refresh,
        decoding=options.decoding,
        assistant=assistant_folder(options),
        language=language,
    )


def use_threads(n_threads: int) -> None:
    """How many cores the calling thread's tensor operations take; where there are none, torch stays where it is."""
    if "torch" in sys.modules:
        from asr_cli import device

        device.use_threads(n_threads)


def is_file(source: str | Path) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # what is no file's name
        return False


def named(segments: Iterable[Segment], speaker: str | None) -> Iterator[Segment]:
    return (replace(segment, speaker=speaker) if speaker else segment for segment in segments)


def check(options: ReadOptions) -> None:
    if options.start < 0 or (options.end is not None and options.end <= options.start):
        raise UsageError(f"from {options.start:g} s to {options.end} s there is nothing to hear")


def expected(hotwords: str | Path | tuple[str, ...], card: ModelCard) -> tuple[str, ...]:
    """The hotwords that the model will be told; a model that takes none is not told, but its user is."""
    found = read_hotwords(hotwords)
    if found and not card.hotwords:
        log.warning("model %s takes no hotwords: they are counted, and change nothing (see: asr models)", card.name)
    return found


def absent(options: ModelOptions) -> Iterator[ModelCard]:
    """What was named and is not here, so that whoever has a screen can show how it comes.

    What could not go together anyway is refused first: nobody should wait for gigabytes to hear that.
    """
    recognizer = card_of(options)
    check_text(itn=options.itn, script=options.script, languages=text_languages(options, recognizer))
    if options.punc is not False and options.punc_model != "auto":
        punctuators.named(options.punc_model, text_language(options, recognizer))
    assistant = assistant_of(options)
    for name, card in ((options.model, recognizer), (options.assistant_model, assistant)):
        is_named = name is not None and name != "auto" and folder_meant(name, options) is None
        if is_named and card is not None and is_absent(card, options):
            yield card
    for card in (*VAD_CARDS, *PUNC_CARDS):
        if {options.vad_model, options.punc_model} & set(card.names) and is_absent(card, options):
            yield card
