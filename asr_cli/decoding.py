"""How an autoregressive recogniser decodes, in the words that Whisper's users know. Light: nothing is loaded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from asr_cli.errors import UsageError

TASKS = ("transcribe", "translate")
LONG_FORMS = ("auto", "chunked", "sequential")
ATTENTIONS = ("auto", "eager", "sdpa", "flash_attention_2")
WIDEST_BEAM = 64
HOTTEST = 1.0
LEAST_STEP = 0.01  # of temperature: each step decodes once more
STRONGEST_PENALTY = 10.0  # either way; the power of a length, which a number still holds
OWN_TOKENS = -1  # in `suppress_tokens`: those of the model's own list


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingOptions:
    """What a model's `ModelCard.decoding` names may be asked of it.

    task: "transcribe", or "translate" into English.
    temperature: to begin with; with a text that seems wrong, decoded again with `temperature_increment_on_fallback`
    more each time, up to 1. None: no second try.
    compression_ratio_threshold, logprob_threshold: a text that compresses better, or is less sure on the average
    (natural logarithm), seems wrong. None: never.
    no_speech_threshold: unsure text of an utterance that is likelier than this without speech is dropped. None: never.
    initial_prompt: a text that might stand before the recording.
    condition_on_previous_text: tell the model what it wrote before (sequential only).
    suppress_tokens: never written; -1 among them stands for the model's own list, None for nothing but that.
    long_form: "chunked" (in parallel), "sequential" (one window after the other), or "auto".
    chunk_length: the longest chunk, in seconds; None for what suits the model.
    attention: "eager", "sdpa", "flash_attention_2", or "auto" for the fastest here.
    """

    task: str = "transcribe"
    beam_size: int = 1
    length_penalty: float = 1.0
    temperature: float = 0.0
    temperature_increment_on_fallback: float | None = 0.2
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    initial_prompt: str = ""
    condition_on_previous_text: bool = False
    suppress_tokens: tuple[int, ...] | None = None
    long_form: str = "auto"
    chunk_length: float | None = None
    attention: str = "auto"

    def __post_init__(self) -> None:
        for name, known in (("task", TASKS), ("long_form", LONG_FORMS), ("attention", ATTENTIONS)):
            value = getattr(self, name)
            if value not in known:
                raise UsageError(f"{name.replace('_', ' ')} {value!r} is not known; there are {', '.join(known)}")
        self._check_search()
        self._check_thresholds()
        if self.chunk_length is not None and not 0 < self.chunk_length < math.inf:
            raise UsageError(f"chunks of {self.chunk_length:g} s hold nothing; give a positive duration")
        if self.condition_on_previous_text and self.long_form != "sequential":
            raise UsageError("what was said before is known in sequential long form only; add --long-form sequential")
        wrong = [token for token in self.suppress_tokens or () if token < OWN_TOKENS]
        if wrong:
            raise UsageError(
                f"there is no token {wrong[0]} to suppress; give numbers from 0, or -1 for the model's own"
            )

    def _check_search(self) -> None:
        if not 1 <= self.beam_size <= WIDEST_BEAM:
            raise UsageError(f"a beam of {self.beam_size} cannot be searched; give 1 to {WIDEST_BEAM}")
        if not 0 <= self.temperature <= HOTTEST:
            raise UsageError(f"a temperature of {self.temperature:g} cannot be decoded at; give 0 to {HOTTEST:g}")
        step = self.temperature_increment_on_fallback
        if step is not None and not LEAST_STEP <= step <= HOTTEST:
            raise UsageError(f"temperatures cannot rise by {step:g}; give {LEAST_STEP:g} to {HOTTEST:g}, or none")
        if self.beam_size > 1 and self.temperature:
            raise UsageError("a beam is searched at temperature 0 only; leave one of the two out")
        if not -STRONGEST_PENALTY <= self.length_penalty <= STRONGEST_PENALTY:
            raise UsageError(
                f"a length penalty of {self.length_penalty:g} compares nothing; give {-STRONGEST_PENALTY:g} to"
                f" {STRONGEST_PENALTY:g}, such as 1"
            )
        if self.beam_size == 1 and self.length_penalty != 1:
            raise UsageError("a length penalty does nothing without a beam; give --beam-size, too")

    def _check_thresholds(self) -> None:
        ratio, logprob, silence = self.compression_ratio_threshold, self.logprob_threshold, self.no_speech_threshold
        if ratio is not None and not 0 < ratio < math.inf:
            raise UsageError(f"a compression ratio of {ratio:g} is none; give more than 0, such as 2.4, or none")
        if logprob is not None and not -math.inf < logprob <= 0:
            raise UsageError(
                f"the logarithm of a probability is never {logprob:g}; give at most 0, such as -1, or none"
            )
        if silence is not None and not 0 <= silence <= 1:
            raise UsageError(f"{silence:g} is no probability of silence; give 0 to 1, or none")

    @property
    def temperatures(self) -> tuple[float, ...]:
        """One after the other, until a text seems right.

        >>> DecodingOptions().temperatures
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        """
        step = self.temperature_increment_on_fallback
        if step is None:
            return (self.temperature,)
        n = int((HOTTEST - self.temperature) / step + 1e-6)
        return tuple(round(self.temperature + step * i, 6) for i in range(n + 1))

    def suppressed(self, own: Sequence[int]) -> tuple[int, ...]:
        """The tokens never to be written. own: the model's list of them.

        >>> DecodingOptions(suppress_tokens=(-1, 7)).suppressed((1, 2))
        (1, 2, 7)
        """
        asked = (OWN_TOKENS,) if self.suppress_tokens is None else self.suppress_tokens
        return tuple(dict.fromkeys(token for one in asked for token in (own if one == OWN_TOKENS else (one,))))

    def given(self) -> list[str]:
        """The names of what is not as it is by default."""
        return [one.name for one in fields(self) if getattr(self, one.name) != one.default]
