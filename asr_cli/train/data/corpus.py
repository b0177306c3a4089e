"""Recordings to examples in batches, read in other processes."""

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
from asr_cli.train.data.augment import Augmenter, read_samples
from asr_cli.train.data.lists import Skipped, Utterance
from asr_cli.train.data.tokens import Speller
from asr_cli.train.task import Delivered, Example

AHEAD = 4  # batches that each process prepares


class Recordings(Dataset[Any]):
    """What is heard of recordings, asked for by (epoch, number): what chance does depends on seed, epoch and key
    alone."""

    def __init__(
        self, pieces: Sequence[Any], *, sample_rate: int, n_mels: int, seed: int = 0, augmenter: Augmenter | None = None
    ) -> None:
        self.pieces, self.seed, self.augmenter = pieces, seed, augmenter
        self.resample = Resample(SAMPLE_RATE, sample_rate)
        self.fbank = Fbank(sample_rate, n_mels)

    def __len__(self) -> int:
        return len(self.pieces)

    def chance(self, epoch: int, key: str) -> random.Random:
        return random.Random(f"{self.seed}/{epoch}/{key}")

    def heard(self, samples: Tensor) -> Tensor:
        """Log-mel (T, n_mels) of samples at 16 kHz."""
        return self.fbank(self.resample(samples))[0]


class Corpus(Recordings):
    """Utterances as examples."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        vocabulary: Vocabulary,
        *,
        sample_rate: int,
        n_mels: int,
        seed: int = 0,
        augmenter: Augmenter | None = None,
        refusal: Callable[[int, Sequence[int]], str | None] | None = None,
    ) -> None:
        super().__init__(utterances, sample_rate=sample_rate, n_mels=n_mels, seed=seed, augmenter=augmenter)
        self.speller, self.refusal = Speller(vocabulary), refusal

    def __getitem__(self, place: tuple[int, int]) -> Example | Skipped:
        epoch, index = place
        one = self.pieces[index]
        chance = self.chance(epoch, one.key)
        try:
            samples = read_samples(one.source, one.start, one.end)
        except AsrError as error:
            return Skipped(one.key, str(error))
        ids, _ = self.speller.ids(one.text)
        features = self.features(samples, chance)
        why = self.refusal(len(features), ids) if self.refusal else None
        return Skipped(one.key, why) if why else Example(one.key, features, ids, one.text)

    def features(self, samples: Tensor, chance: random.Random) -> Tensor:
        if self.augmenter is None:
            return self.heard(samples)
        return self.augmenter.features(self.heard(self.augmenter.sound(samples, chance)), chance)


@dataclass(frozen=True, slots=True)
class Together:
    """Examples to a batch, in whatever process they were made."""

    collate: Callable[[Sequence[Any]], Any]

    def __call__(self, found: Sequence[Any]) -> Delivered:
        examples = [one for one in found if not isinstance(one, Skipped)]
        skipped = tuple(one for one in found if isinstance(one, Skipped))
        seconds = sum(one.seconds for one in examples)
        batch = self.collate(examples) if examples else None
        return Delivered(
            tuple(one.key for one in examples), tuple(one.text for one in examples), seconds, batch, skipped
        )


def loader(
    corpus: Dataset[Any], places: Iterable[list[tuple[int, int]]], collate: Callable[[Sequence[Any]], Any], workers: int
) -> "DataLoader[Any]":
    """places: the batches, as the corpus is asked for them."""
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
