"""Hotwords that a Paraformer learns to listen for: drawn from what is said, as FunASR draws them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError
from asr_cli.models.folder import section
from asr_cli.models.paraformer_contextual import START
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.text.words import GOES_ON

# FunASR's: how often an utterance gives a hotword, how often two, and of how many tokens.
SHARE, TWICE, SHORTEST, LONGEST = 0.75, 0.1, 2, 8
INNER_DIM = 256  # where a configuration says nothing


@dataclass(frozen=True, slots=True)
class Lots:
    """How hotwords are drawn. bias: end tokens behind each text; goes_on: the tokens that end inside of a word."""

    bias: int
    goes_on: frozenset[int] = frozenset()

    @classmethod
    def of(cls, vocabulary: Vocabulary, bias: int) -> Self:
        return cls(bias, frozenset(id for id, token in enumerate(vocabulary.tokens) if token.endswith(GOES_ON)))

    def hotwords(self, texts: Sequence[Sequence[int]], chance: random.Random) -> list[tuple[int, ...]]:
        """Of some texts one, of a few two: tokens of whole words."""
        said = [self.said(text) for text in texts]
        return [self.whole(text, *one) for text in said for one in stretches(len(text), chance)]

    def said(self, text: Sequence[int]) -> tuple[int, ...]:
        return tuple(text[: len(text) - self.bias])

    def whole(self, text: tuple[int, ...], begin: int, end: int) -> tuple[int, ...]:
        """Words that were cut are made whole: nobody gives half of one. FunASR's are characters."""
        while begin and text[begin - 1] in self.goes_on:
            begin -= 1
        while end < len(text) and text[end - 1] in self.goes_on:
            end += 1
        return text[begin:end]


def insist_width(settings: Mapping[str, Any], width: int, path: Path) -> None:
    """FunASR makes the hotwords' encoder as wide as inner_dim says, and what looks at them as wide as the rest."""
    found = fitted("inner_dim", section(settings, "model_conf", path).get("inner_dim", INNER_DIM), int, path)
    if found != width:
        raise ModelError(
            f"{str(path)!r} has inner_dim {found} for hotwords, and an encoder {width} wide; set"
            " model_conf.inner_dim to that"
        )


def listed(hotwords: Sequence[Sequence[int]]) -> list[list[int]]:
    """Hotwords as a network is given them: the last one stands for none."""
    return [*map(list, hotwords), [START]]


def chance_of_torch() -> random.Random:
    """What torch's seed decides: the same for a step that is gone through again."""
    return random.Random(int(torch.randint(2**62, ())))


def stretches(n_tokens: int, chance: random.Random) -> list[tuple[int, int]]:
    """Where in a text of so many tokens the hotwords are that it gives: none, one, or in a long one two."""
    if n_tokens < SHORTEST or chance.random() >= SHARE:
        return []
    if chance.random() < TWICE and n_tokens > LONGEST + SHORTEST + 2:
        begin = chance.randint(0, n_tokens // 3)
        end = begin + chance.randint(SHORTEST, min(LONGEST, n_tokens // 2))
        return [(begin, end), stretch(end, n_tokens, chance)]
    return [stretch(0, n_tokens, chance)]


def stretch(earliest: int, n_tokens: int, chance: random.Random) -> tuple[int, int]:
    begin = chance.randint(earliest, n_tokens - SHORTEST)
    return begin, chance.randint(begin + SHORTEST, min(n_tokens, begin + LONGEST))
