"""Models in memory for captions: a session whose recogniser makes finals, and what makes drafts."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.decoding import DecodingOptions
from asr_cli.errors import UsageError
from asr_cli.live.captioner import Captioner
from asr_cli.live.desk import Desk
from asr_cli.live.drafts import Drafter, RepeatingDrafter, StreamingDrafter
from asr_cli.live.events import Emit, Event
from asr_cli.live.listening import Listening
from asr_cli.live.stats import Stats
from asr_cli.options import ModelOptions
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.recognizers import card_of, choose
from asr_cli.session import Session, load_options
from asr_cli.vad.follow import AllSpeech, Follower, VadFollower
from asr_cli.vad.fsmn import FsmnVad

N_WARM, WARM_SAMPLES = 2, 8000  # as many as are going to recognise at once; half a second
AHEAD = 30.0  # s of speech
STREAMING = ("mode", "chunk_size", "encoder_chunk_look_back", "decoder_chunk_look_back", "refresh")
OF_DRAFTS = ("task", "initial_prompt", "suppress_tokens", "attention")  # what of decoding is said of drafts, too
FIELDS = {field.name: field for field in fields(ModelOptions)}
BATCH_SECONDS = 20.0  # of speech made final at once, where several streams have some


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What to caption with.

    models: its model makes the drafts, and the finals too where there is no other.
    final_model: what makes the finals. drafts: whether there are any.
    """

    models: ModelOptions
    final_model: str | None = None
    drafts: bool = True

    def __post_init__(self) -> None:
        if self.models.decoding.long_form == "sequential":
            raise UsageError("a stream has no long form: its utterances are heard one by one; leave sequential out")


class LiveSession:
    """Use as a context manager; any number of streams may be captioned, one after another or at once."""

    def __init__(self, options: LiveOptions) -> None:
        self._open = ExitStack()
        self.session = self._open.enter_context(Session(final_options(options)))
        try:
            self._prepare(options)
        except BaseException:
            self._open.close()
            raise

    def _prepare(self, options: LiveOptions) -> None:
        recognizer = self.session.recognizer
        drafting: Recognizer | StreamingRecognizer = recognizer
        self.drafted_by: str | None = self.session.card.name if options.drafts else None
        if options.final_model is not None and options.drafts:
            models = draft_options(options)
            backend, card, folder = choose(models, self.session.language)
            load = load_options(models, self.session.hotwords if card.hotwords else (), self.session.language)
            drafting = self._open.enter_context(registry.open_recognizer(backend, card, folder, load))
            self.drafted_by = card.name
        # What streams makes its last draft of an utterance final; nobody hears the same twice.
        self.is_one_pass = options.final_model is None and isinstance(recognizer, StreamingRecognizer)
        if not self.is_one_pass and not isinstance(recognizer, Recognizer):
            raise UsageError(f"model {self.session.card.name!r} only streams: it cannot hear what is over again")
        drafter: Drafter | None = None
        if isinstance(drafting, StreamingRecognizer) and (options.drafts or self.is_one_pass):
            drafter = StreamingDrafter(drafting, final=self.is_one_pass)
        elif options.drafts and isinstance(drafting, Recognizer):
            drafter = RepeatingDrafter(drafting)
        self._shows_drafts = options.drafts
        warm_up(recognizer, drafting)
        self._desk = self._open.enter_context(Desk(
            drafter, None if self.is_one_pass else recognizer, batch_seconds=BATCH_SECONDS,
            shared=drafting is recognizer,
        ))  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def caption(self, emit: Emit, *, stats: Stats | None = None, ahead: float | None = None) -> Captioner:
        """Begin a stream. emit: called with each event, from other threads. ahead: as Captioner has it."""
        session = self.session
        return Captioner(
            self._desk, self._follower(), emit,
            max_duration=None if self.is_one_pass else session.recognizer.max_duration,
            punctuator=session.punctuator, finishers=session.finishers, stats=stats, ahead=ahead,
            shows_drafts=self._shows_drafts,
        )  # fmt: skip

    def _follower(self) -> Follower:
        vad = self.session.vad
        return VadFollower(vad) if isinstance(vad, FsmnVad) else AllSpeech()

    @property
    def failure(self) -> BaseException | None:
        """What brought recognition down, if anything did."""
        return self._desk.failure

    def listen(
        self,
        blocks: Iterable[Audio],
        *,
        stats: Stats | None = None,
        ahead: float | None = AHEAD,
        stop: threading.Event | None = None,
    ) -> Iterator[Event | None]:
        """Yield each event of a stream; a None now and then while there are none.

        ahead: how many seconds of speech may wait before the blocks have to; None for those that come anyway.
        stop: once set, the stream ends: what has been read of it is heard and made final.
        """
        yield from Listening(self.caption, blocks, lambda: self.failure, stats=stats, ahead=ahead, stop=stop)


def final_options(options: LiveOptions) -> ModelOptions:
    """What the finals are made with. How a model streams is said of the one that makes the drafts."""
    if options.final_model is None:
        return options.models
    if options.final_model == options.models.model:
        raise UsageError(f"--final-model {options.final_model!r} is the model already; leave it out")
    own: dict[str, Any] = {name: FIELDS[name].default for name in STREAMING}
    return replace(options.models, model=options.final_model, **own)


def draft_options(options: LiveOptions) -> ModelOptions:
    """What the drafts are made with. Where something else makes the finals, the search is said of that."""
    if options.final_model is None:
        return options.models
    plain = replace(options.models, decoding=DecodingOptions(), assistant_model=None)
    known = set(OF_DRAFTS) & set(card_of(plain).decoding)
    return replace(plain, decoding=DecodingOptions(**{name: getattr(options.models.decoding, name) for name in known}))


def warm_up(recognizer: Recognizer, drafting: Recognizer | StreamingRecognizer) -> None:
    """Let each recogniser hear something, so that whatever it puts off till then is done before anybody speaks."""
    rng = np.random.default_rng(0)
    noise = [Audio((rng.standard_normal(WARM_SAMPLES) * 1e-3).astype(np.float32)) for _ in range(N_WARM)]
    if isinstance(drafting, StreamingRecognizer):
        drafting.hear([Chunk(noise[0], final=True)])
    if isinstance(drafting, Recognizer) and not isinstance(drafting, StreamingRecognizer):
        drafting.recognize(noise)
    if recognizer is not drafting:
        recognizer.recognize(noise)
