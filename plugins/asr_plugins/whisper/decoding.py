"""A batch of windows to texts: decoded, judged, and what seems wrong decoded again, hotter each time (Radford et al.
2022)."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from asr_cli.decoding import DecodingOptions
from asr_plugins.whisper.beam import BeamSearch
from asr_plugins.whisper.guard import repeats
from asr_plugins.whisper.model import Model
from asr_plugins.whisper.pool import Decoded, Marks, Pool, Prompt, Request
from asr_plugins.whisper.rules import Rules, Stamps
from asr_plugins.whisper.search import Search, Single
from asr_plugins.whisper.speculative import SpeculativePool

LATEST_FIRST = 1.0  # s; a window's first timestamp is not later, as released


@dataclass(frozen=True, slots=True)
class Window:
    """What the encoders made of an utterance, and what the decoder reads before it writes."""

    states: Tensor
    drafted: Tensor | None
    prompt: Prompt
    seed: int


class Decoding:
    """How a model decodes. n_drafted, n_right: tokens that the assistant drafted, and those that the model kept."""

    def __init__(self, model: Model, assistant: Model | None, options: DecodingOptions, *, timestamps: bool) -> None:
        self.model, self.assistant, self.options, self.timestamps = model, assistant, options, timestamps
        self.n_drafted = self.n_right = 0
        self._counting = threading.Lock()
        tokens = model.tokens
        stamps = None
        if timestamps and tokens.timestamp_begin is not None and tokens.no_timestamps is not None:
            latest = round(LATEST_FIRST / tokens.timestamp_step)
            stamps = Stamps(tokens.timestamp_begin, tokens.eot, tokens.no_timestamps, latest)
        suppressed = options.suppressed(tokens.suppress)
        self.rules = Rules(tokens.n_tokens, suppressed, tokens.begin_suppress, stamps, model.device)
        self.marks = Marks(tokens.no_speech, tokens.languages)

    def texts(self, windows: Sequence[Window], temperature: float) -> list[Decoded]:
        """What each says, at that temperature."""
        search = self.search(temperature, self.model.decoder.max_tokens)
        requests = [Request(one.states, one.prompt, one.seed, one.drafted) for one in windows]
        n_slots = self.model.n_slots
        if self.assistant is not None and isinstance(search, Single) and not temperature:
            pool = SpeculativePool(
                self.model.memories, self.assistant.memories, search, self.marks, requests, n_slots=n_slots
            )
            found = pool.run()
            with self._counting:
                self.n_drafted += pool.n_drafted
                self.n_right += pool.n_right
            return found
        return Pool(self.model.memories, search, self.marks, requests, n_slots=n_slots).run()

    def clear(self) -> None:
        """Keep no memory for the next batch."""
        for model in (self.model, self.assistant):
            if model is not None:
                model.memories.clear()

    def search(self, temperature: float, max_tokens: int) -> Search:
        end = self.model.tokens.eot
        is_loop: Callable[[Sequence[int]], bool] | None = repeats
        if self.options.compression_ratio_threshold is None:
            is_loop = None  # who accepts any repetition
        if self.options.beam_size > 1 and not temperature:
            n_rows, penalty = self.options.beam_size, self.options.length_penalty
            return BeamSearch(self.rules, end, max_tokens, n_rows, penalty, is_loop=is_loop)
        return Single(self.rules, end, max_tokens, temperature=temperature, is_loop=is_loop)
