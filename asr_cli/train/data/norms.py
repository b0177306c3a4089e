"""Mean and variance of a corpus, which every feature is normalised with."""

import random

import torch
from torch import Tensor

from asr_cli.errors import AsrError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.train.data.augment import read_samples
from asr_cli.train.data.corpus import Recordings

LEAST = 1e-3  # of a deviation: a bin that is always the same says nothing


def measure(corpus: Recordings, hours: float, seed: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation (n_mels,) of a random part of the recordings, as they are."""
    order = list(range(len(corpus)))
    random.Random(f"norms/{seed}").shuffle(order)
    total = square = torch.zeros(corpus.fbank.n_mels, dtype=torch.float64)
    n_frames, seconds = 0, 0.0
    for index in order:
        found = features_of(corpus, index)
        if found is None:
            continue
        total = total + found.sum(0)
        square = square + found.square().sum(0)
        n_frames += len(found)
        seconds += corpus.pieces[index].seconds
        if seconds >= hours * 3600:
            break
    if not n_frames:
        raise UsageError("no recording of the training data can be read; check the paths in its lists")
    mean = total / n_frames
    return mean.float(), (square / n_frames - mean.square()).clamp_min(LEAST**2).sqrt().float()


def features_of(corpus: Recordings, index: int) -> Tensor | None:
    one = corpus.pieces[index]
    try:
        samples = read_samples(one.source, one.start, one.end)
    except AsrError:
        return None
    return corpus.heard(samples).double()


def stacked(mean: Tensor, deviation: Tensor, times: int) -> Cmvn:
    """For so many frames stacked."""
    return Cmvn(-mean.repeat(times), (1 / deviation).repeat(times))
