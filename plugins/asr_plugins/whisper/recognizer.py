"""Utterances to text with a Whisper."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_cli.audio import Audio
from asr_cli.longform.halve import halving
from asr_cli.transcript import Segment, Word
from asr_plugins.whisper.decoding import Decoding, Window
from asr_plugins.whisper.guard import compression_ratio
from asr_plugins.whisper.model import Model
from asr_plugins.whisper.pool import Decoded, Prompt
from asr_plugins.whisper.sequential import complete_part
from asr_plugins.whisper.silence import Span, clamp, depths, over_silence, silences
from asr_plugins.whisper.times import token_frames, word_times

log = logging.getLogger("asr")

ROUNDS = 2  # times as many utterances as slots are in hand at once: as some end, others take their place
POSITION = 0.02  # s of sound that a position of the encoder stands for
INSTANT = 0.01  # s
LIGHTER = "take a smaller model, --compute-type int8 or a smaller --beam-size"  # whatever is said, windows are as long
REPETITION, UNSURE, OVER_SILENCE = "repetition", "low confidence", "text over silence"


@dataclass(frozen=True, slots=True)
class Asked:
    """language: None to find it out for each utterance. chunk_length: s. slides: one window after the other."""

    language: str | None
    chunk_length: float
    hotwords: tuple[str, ...] = ()
    slides: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """An attempt at an utterance. fault: what seems wrong. sureness: the mean logarithm of the probabilities."""

    segment: Segment
    fault: str | None = None
    sureness: float = 0.0

    def is_better_than(self, other: "Reading") -> bool:
        """A text that goes round in circles is worse than any other, however sure."""
        if (self.fault == REPETITION) != (other.fault == REPETITION):
            return other.fault == REPETITION
        return self.sureness > other.sureness


class WhisperRecognizer:
    """The Recognizer of every Whisper.

    Each utterance costs a whole window, so speech is gathered to chunks; or the windows slide over it.
    """

    pads = True

    def __init__(self, model: Model, decoding: Decoding, asked: Asked, median_width: int) -> None:
        self.model, self.decoding, self.asked, self.median_width = model, decoding, asked, median_width
        self.tokens, self.options = model.tokens, decoding.options
        self.max_duration = asked.chunk_length
        self.slides, self.gathers = asked.slides, not asked.slides
        self.least_seconds = asked.chunk_length
        self.batch_seconds = asked.chunk_length * model.n_slots * ROUNDS
        # On a processor, where more than a few windows at once gain little, the first words are to come soon.
        self.share_seconds = asked.chunk_length * model.n_slots
        self.fixed = self.before(self.options.initial_prompt, asked.hotwords, model.decoder.max_tokens // 2 - 1)

    def before(self, initial_prompt: str, hotwords: Sequence[str], room: int) -> list[int]:
        """What might stand in front of a transcript that has these words in it: of so many tokens at most."""
        kept = list(hotwords)
        ids = self.tokens.encode(spaced(", ".join(kept)))
        while len(ids) > room:
            kept.pop()
            ids = self.tokens.encode(spaced(", ".join(kept)))
        if len(kept) < len(hotwords):
            n, first = len(hotwords) - len(kept), hotwords[len(kept)]
            log.warning(
                "the model reads %d tokens before it writes: %d hotwords have no room, from %r on", room, n, first
            )
        prompt = self.tokens.encode(spaced(initial_prompt.strip()))
        return [*ids, *prompt[max(len(prompt) - (room - len(ids)), 0) :]]

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        """One segment for each."""
        return halving(self.recognize_together, utterances, self.model.device, LIGHTER)

    @torch.inference_mode()
    def recognize_together(self, utterances: Sequence[Audio]) -> list[Segment]:
        found: list[Segment] = []
        most = self.model.n_slots * ROUNDS  # whose encoder states are kept at a time
        try:
            for begin in range(0, len(utterances), most):
                found += self.recognize_some(utterances[begin : begin + most])
        except torch.OutOfMemoryError:
            self.decoding.clear()
            raise
        return found

    def recognize_some(self, utterances: Sequence[Audio]) -> list[Segment]:
        silent = [silences(one.samples, one.start) for one in utterances]
        spoken = [at for at, one in enumerate(utterances) if not is_silent(one, silent[at])]
        windows = dict(zip(spoken, self.windows([utterances[at] for at in spoken]), strict=True))
        best: dict[int, Reading] = {}
        doubtful = spoken
        for temperature in self.options.temperatures:
            if not doubtful:
                break
            texts = self.decoding.texts([windows[at] for at in doubtful], temperature)
            for at, decoded in zip(doubtful, texts, strict=True):
                reading = self.read(decoded, utterances[at], silent[at])
                if at not in best or reading.fault is None or reading.is_better_than(best[at]):
                    best[at] = reading
            doubtful = [at for at in doubtful if best[at].fault is not None]
        nothing = Reading(Segment(()))
        readings = [best.get(at, nothing) for at in range(len(utterances))]
        return [replace(one.segment, suspect=one.fault) for one in readings]

    def windows(self, utterances: Sequence[Audio]) -> list[Window]:
        samples: list[NDArray[np.float32]] = [one.samples for one in utterances]
        states = self.model.encode(samples)
        assistant = self.decoding.assistant
        drafted: Sequence[Tensor | None] = [None] * len(states)
        if assistant is not None and assistant.encoder is not self.model.encoder:
            drafted = assistant.encode(samples)
        return [
            Window(heard, draft, self.prompt(one), seed=round(one.start * one.sample_rate))
            for one, heard, draft in zip(utterances, states, drafted, strict=True)
        ]

    def prompt(self, utterance: Audio) -> Prompt:
        tokens, options = self.tokens, self.options
        limit = self.model.decoder.max_tokens
        said = tokens.encode(utterance.said) if options.condition_on_previous_text and utterance.said else []
        room = max(limit // 2 - 1 - len(self.fixed), 0)
        previous = [*self.fixed, *said[len(said) - min(room, len(said)) :]]
        languages: Sequence[str | None] = [self.asked.language]
        if tokens.languages and self.asked.language is None:
            languages = list(tokens.languages)
        begin: tuple[int, ...] = ()
        rest: dict[str | None, tuple[int, ...]] = {}
        for language in languages:
            ids = tokens.prompt(language, options.task, timestamps=self.asked.slides, previous=previous, limit=limit)
            at = len(ids) - ids[::-1].index(tokens.sot)
            begin = tuple(ids[:at])
            rest[language if len(languages) > 1 else None] = tuple(ids[at:])
        return Prompt(begin, rest)

    def read(self, decoded: Decoded, utterance: Audio, silent: Sequence[Span]) -> Reading:
        """What was decoded as words, and whether to believe it."""
        text, options = decoded.text, self.options
        sureness = fmean(text.logps) if text.logps else 0.0
        is_unsure = options.logprob_threshold is not None and not sureness >= options.logprob_threshold
        segment = Segment((), language=decoded.language)
        if is_unsure and is_over(decoded.no_speech, options.no_speech_threshold):
            return Reading(segment, None, sureness)
        plain = self.tokens.decode(text.ids)
        ratio = compression_ratio(plain) if plain.strip() else 0.0
        fault = None
        if text.loops or is_over(ratio, options.compression_ratio_threshold):
            fault = REPETITION
        elif is_unsure:
            fault = UNSURE
        elif options.no_speech_threshold is not None and self.is_over_silence(decoded, utterance, silent):
            fault = OVER_SILENCE
        segment = replace(segment, words=clamp(self.words(decoded, utterance, silent), silent))
        return Reading(self.divided(segment, text.ids, utterance.start), fault, sureness)

    def is_over_silence(self, decoded: Decoded, utterance: Audio, silent: Sequence[Span]) -> bool:
        """Whether some word was seen where nobody speaks for long, as far as attention alone tells."""
        deep = depths(silent)
        return bool(deep) and bool(over_silence(self.words(decoded, utterance, ()), deep))

    def divided(self, segment: Segment, ids: Sequence[int], start: float) -> Segment:
        """With `heard`, where words are to be heard again: in front of it those that are complete, and no other."""
        if not self.asked.slides or self.tokens.timestamp_begin is None:
            return segment
        n_tokens, until = complete_part(ids, self.tokens.timestamp_begin, self.tokens.timestamp_step)
        if until is None:
            return segment
        heard = start + until
        # Spelled as all of it was: a mark may stand at the word before a timestamp.
        spelled = self.tokens.words([id for id in ids[:n_tokens] if not self.tokens.is_special(id)])
        n_complete = sum(bool(text.strip()) for text, _ in spelled)
        words = [
            replace(word, start=min(word.start, heard - INSTANT), end=min(word.end, heard))
            if at < n_complete
            else replace(word, start=max(word.start, heard), end=max(word.end, heard))
            for at, word in enumerate(segment.words)
        ]
        return replace(segment, words=tuple(words), heard=heard)

    def words(self, decoded: Decoded, utterance: Audio, silent: Sequence[Span]) -> tuple[Word, ...]:
        text = decoded.text
        kept = [at for at, id in enumerate(text.ids) if not self.tokens.is_special(id)]
        if not kept or decoded.heard is None:
            return ()
        # Where the end of the text was seen is where the last word ends.
        rows = [*kept, len(text.ids)] if len(text.ids) < decoded.heard.shape[1] else kept
        n_positions = min(-(-len(utterance.samples) // round(POSITION * utterance.sample_rate)), decoded.heard.shape[2])
        pauses = [slice(*(round((time - utterance.start) / POSITION) for time in span)) for span in silent]
        frames = token_frames(decoded.heard[:, rows, :n_positions], self.median_width, pauses)
        spelled = self.tokens.spell([text.ids[at] for at in kept])
        logps = [text.logps[at] for at in kept]
        return word_times(spelled, frames[: len(kept) + 1], logps, start=utterance.start, end=utterance.end)

    def close(self) -> None:
        """Tell how well the assistant drafted."""
        drafted, right = self.decoding.n_drafted, self.decoding.n_right
        if drafted:
            share = 100 * right / drafted
            log.info("speculative decoding: %.1f %% of %d drafted tokens were right", share, drafted)


def spaced(text: str) -> str:
    """As all texts of Whisper's begin."""
    return f" {text}" if text else ""


def is_over(value: float | None, threshold: float | None) -> bool:
    return value is not None and threshold is not None and value > threshold


def is_silent(utterance: Audio, silent: Sequence[Span]) -> bool:
    """Whether there is nothing to hear in all of it."""
    return not len(utterance.samples) or any(
        begin <= utterance.start and end >= utterance.end - 1e-6 for begin, end in silent
    )
