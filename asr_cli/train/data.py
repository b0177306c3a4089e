"""Utterances to examples in batches, read in other processes."""

import random
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asr_cli.audio import SAMPLE_RATE
from asr_cli.errors import AsrError
from asr_cli.features.fbank import Fbank
from asr_cli.features.resample import Resample
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.augment import Augmenter, read_samples
from asr_cli.train.lists import Skipped, Utterance
from asr_cli.train.task import Example
from asr_cli.train.tokens import Speller

AHEAD = 4  # batches that each process prepares


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch as a loader gives it. batch: None where none of its utterances could be used."""

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    seconds: float
    batch: Any
    skipped: tuple[Skipped, ...]


class Corpus(Dataset[Example | Skipped]):
    """Utterances as examples, asked for by (epoch, number): what chance does depends on seed, epoch and key alone."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        vocabulary: Vocabulary,
        *,
        sample_rate: int,
        n_mels: int,
        seed: int = 0,
        augmenter: Augmenter | None = None,
        refusal: Callable[[int, Sequence[int]], str | None] = lambda n_frames, ids: None,
    ) -> None:
        self.utterances = utterances
        self.speller = Speller(vocabulary)
        self.seed, self.augmenter, self.refusal = seed, augmenter, refusal
        self.resample = Resample(SAMPLE_RATE, sample_rate)
        self.fbank = Fbank(sample_rate, n_mels)

    def __len__(self) -> int:
        return len(self.utterances)

    def __getitem__(self, place: tuple[int, int]) -> Example | Skipped:
        epoch, index = place
        one = self.utterances[index]
        chance = random.Random(f"{self.seed}/{epoch}/{one.key}")
        try:
            samples = read_samples(one.source, one.start, one.end)
        except AsrError as error:
            return Skipped(one.key, str(error))
        ids, _ = self.speller.ids(one.text)
        features = self.features(samples, chance)
        why = self.refusal(len(features), ids)
        return Skipped(one.key, why) if why else Example(one.key, features, ids, one.text)

    def features(self, samples: Tensor, chance: random.Random) -> Tensor:
        if self.augmenter is not None:
            samples = self.augmenter.sound(samples, chance)
        features, _ = self.fbank(self.resample(samples))
        return features if self.augmenter is None else self.augmenter.features(features, chance)


@dataclass(frozen=True, slots=True)
class Together:
    """Examples to a batch, in whatever process they were made."""

    collate: Callable[[Sequence[Example]], Any]
    frame_seconds: float = 0.01

    def __call__(self, found: Sequence[Example | Skipped]) -> Delivered:
        examples = [one for one in found if isinstance(one, Example)]
        skipped = tuple(one for one in found if isinstance(one, Skipped))
        seconds = sum(len(one.features) for one in examples) * self.frame_seconds
        batch = self.collate(examples) if examples else None
        return Delivered(
            tuple(one.key for one in examples), tuple(one.text for one in examples), seconds, batch, skipped
        )


def loader(
    corpus: Corpus, places: Iterable[list[tuple[int, int]]], collate: Callable[[Sequence[Example]], Any], workers: int
) -> "DataLoader[Any]":
    """places: the batches, as `Corpus` is asked for them."""
    return DataLoader(
        corpus,
        batch_sampler=places,
        collate_fn=Together(collate),
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        worker_init_fn=alone,
    )


def alone(_: int) -> None:
    """A reading process leaves it to the one it reads for when to end, and the other cores to the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
