"""Recordings made to differ each time they are heard: faster, noisier, in a room, with parts hidden.

All chance comes from a `random.Random` that is given, so what happens depends on nothing else. N samples, T frames of
10 ms, M mel bins.
"""

import logging
import random
from functools import lru_cache

import torch
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE
from asr_cli.audio.files import read_blocks
from asr_cli.audio.inputs import inside
from asr_cli.errors import AsrError
from asr_cli.synthesis.scenes import convolve
from asr_cli.train.config import AugmentConfig, SpecConfig

log = logging.getLogger("asr")

BLOCK_SECONDS = 30.0
NOISES_KEPT = 32  # recordings of noise in memory
TINY = 1e-8


def read_samples(source: str, start: float = 0.0, end: float | None = None) -> Tensor:
    """A recording (N,) at 16 kHz, whatever it is."""
    blocks = [block.samples for block in read_blocks(source, start=start, end=end, block_seconds=BLOCK_SECONDS)]
    return torch.cat([torch.from_numpy(block) for block in blocks]) if blocks else torch.zeros(0)


class Augmenter:
    """What a configuration says is done. mean: of each mel bin (M,); what is hidden becomes it."""

    def __init__(self, config: AugmentConfig, mean: Tensor) -> None:
        self.config = config
        self.mean = mean
        self.noises = inside(config.noise, True) if config.noise is not None else []

    def sound(self, x: Tensor, chance: random.Random) -> Tensor:
        """Samples (N,) to samples of about as many."""
        return self.elsewhere(faster(x, chance.choice(self.config.speed)), chance)

    def elsewhere(self, x: Tensor, chance: random.Random) -> Tensor:
        """Samples (N,) to as many: in another room, with other noises."""
        if chance.random() < self.config.reverb:
            x = in_room(x, chance)
        if self.noises and chance.random() < self.config.noise_probability:
            x = noisy(x, read_noise(chance.choice(self.noises)), chance.uniform(*self.config.noise_snr), chance)
        return x

    def features(self, x: Tensor, chance: random.Random) -> Tensor:
        """Frames (T, M) with stripes of them hidden."""
        return x if self.config.spec is None else masked(x, self.config.spec, self.mean, chance)


def faster(x: Tensor, speed: float) -> Tensor:
    """Read that many times as fast (Ko et al. 2015), pitch and all."""
    if speed == 1.0 or not len(x):
        return x
    import soxr

    return torch.from_numpy(soxr.resample(x.numpy(), SAMPLE_RATE * speed, SAMPLE_RATE, quality="HQ"))


def in_room(x: Tensor, chance: random.Random) -> Tensor:
    """Reverberation by an exponentially decaying tail of noise, as loud as before."""
    n_tail = int(chance.uniform(0.1, 0.6) * SAMPLE_RATE)
    generator = torch.Generator().manual_seed(chance.getrandbits(60))
    tail = torch.randn(n_tail, generator=generator) * torch.exp(-6.9 * torch.arange(n_tail) / n_tail)
    tail = tail / tail.square().sum().sqrt() * chance.uniform(0.1, 0.7)
    tail[0] = 1.0
    y = convolve(x, tail)
    return y * (x.square().sum() / y.square().sum().clamp_min(TINY)).sqrt()


@lru_cache(NOISES_KEPT)
def read_noise(source: str) -> Tensor:
    """Nothing, if it cannot be read: one file among many is no reason to end."""
    try:
        return read_samples(source)
    except AsrError as error:
        log.warning("there is a noise that cannot be added: %s", error, extra={"code": "W-SKIPPED"})
        return torch.zeros(0)


def noisy(x: Tensor, noise: Tensor, snr: float, chance: random.Random) -> Tensor:
    """With a stretch of noise, repeated where it is too short, `snr` dB below."""
    if not len(noise) or not len(x):
        return x
    first = chance.randrange(len(noise))
    stretch = noise[torch.arange(first, first + len(x)) % len(noise)]
    power = stretch.square().mean()
    if power < TINY:
        return x
    return x + stretch * (x.square().mean() / power).sqrt() * 10 ** (-snr / 20)


def masked(x: Tensor, config: SpecConfig, mean: Tensor, chance: random.Random) -> Tensor:
    n_frames, n_mels = x.shape
    x = x.clone()
    for _ in range(config.freq_masks):
        width = chance.randint(0, min(config.freq_width, n_mels))
        low = chance.randint(0, n_mels - width)
        x[:, low : low + width] = mean[low : low + width]
    for _ in range(config.time_masks):
        width = chance.randint(0, min(config.time_width, int(config.time_share * n_frames)))
        begin = chance.randint(0, n_frames - width)
        x[begin : begin + width] = mean
    return x
