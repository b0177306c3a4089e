"""Tokens as Whisper has them (Radford et al. 2022, arXiv:2212.04356): pieces of bytes, what is no text, times.

A vocabulary of one's own has Whisper's order, so that whatever reads Whisper's reads it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from asr_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
TIME_STEP = 0.02  # seconds between the tokens of neighbouring times
N_BYTES = 256
END, BEGIN, NO_SPEECH, NO_TIMES = "<|endoftext|>", "<|startoftranscript|>", "<|nospeech|>", "<|notimestamps|>"
TRANSLATE, TRANSCRIBE = "<|translate|>", "<|transcribe|>"
LANGUAGE_MODEL, BEFORE = "<|startoflm|>", "<|startofprev|>"
FIRST_TIME = "<|0.00|>"
OLD_NO_SPEECH = "<|nocaptions|>"  # as the first published vocabularies call it


def named(language: str) -> str:
    return f"<|{language}|>"


def build_tokenizer(texts: Iterable[str], size: int, language: str, window: float) -> "Tokenizer":
    """Byte-pair encoding with `size` pieces of text, and the other tokens of a model that hears so many seconds."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    if size < N_BYTES:
        raise UsageError(f"train.vocabulary.size is {size}, and a byte is a piece: make it {N_BYTES} or more")
    words = Counter(word for text in texts for word in text.split())
    if not words:
        raise UsageError("the transcripts hold no text to make a vocabulary of; check the data")
    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    found.train_from_iterator((f" {word}" for word, n in sorted(words.items()) for _ in range(n)), trainer)
    no_text = (END, BEGIN, named(language), TRANSLATE, TRANSCRIBE, LANGUAGE_MODEL, BEFORE, NO_SPEECH, NO_TIMES)
    found.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in no_text])
    times = (f"<|{i * TIME_STEP:.2f}|>" for i in range(round(window / TIME_STEP) + 1))
    found.add_tokens([AddedToken(token, normalized=False, special=False) for token in times])
    return found


def read_tokenizer(path: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # it has no other
        raise ModelError(f"{str(path)!r} cannot be read as a tokenizer; download the model again") from error


@dataclass(frozen=True, slots=True)
class Ids:
    """Of the tokens that are no text. times: of 0.00 s; the others follow. Smaller ids than end are text."""

    end: int
    begin: int
    language: int
    translate: int
    transcribe: int
    before: int
    no_speech: int
    no_times: int
    times: int

    @classmethod
    def of(cls, tokenizer: "Tokenizer", language: str, path: Path) -> Self:
        names = END, BEGIN, named(language), TRANSLATE, TRANSCRIBE, BEFORE, NO_SPEECH, NO_TIMES, FIRST_TIME
        known: dict[str, int | None] = {name: tokenizer.token_to_id(name) for name in names}
        if known[NO_SPEECH] is None:
            known[NO_SPEECH] = tokenizer.token_to_id(OLD_NO_SPEECH)
        last = known[NO_TIMES]
        if known[FIRST_TIME] is None and last is not None:  # published ones leave it to whoever reads to count on
            known[FIRST_TIME] = last + 1
        missing = [name for name, id in known.items() if id is None]
        if missing:
            raise ModelError(
                f"{str(path)!r} has no {', '.join(missing)}; such a Whisper is not trained here: begin from a"
                " multilingual one, and name its language with --set model_conf.language"
            )
        return cls(*(id for id in known.values() if id is not None))

    def head(self, *, times: bool) -> tuple[int, ...]:
        """What a transcript begins with."""
        return (self.begin, self.language, self.transcribe, *(() if times else (self.no_times,)))

    def time(self, seconds: float, window: float) -> int:
        return self.times + round(min(max(seconds, 0.0), window) / TIME_STEP)


def encoded(tokenizer: "Tokenizer", text: str) -> tuple[int, ...]:
    """A text, which begins with a space as all of Whisper's do."""
    return tuple(tokenizer.encode(f" {text}", add_special_tokens=False).ids) if text else ()


def decoded(tokenizer: "Tokenizer", ids: Sequence[int], end: int) -> str:
    found: str = tokenizer.decode([one for one in ids if one < end], skip_special_tokens=True)
    return found.strip()
