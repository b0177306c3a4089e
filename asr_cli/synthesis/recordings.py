"""What a made-up corpus records: people who read sentences, near and quiet or in rooms and over noises.

N samples at 16 kHz; times in seconds from the recording's beginning.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_cli.synthesis import grammar
from asr_cli.synthesis.scenes import RATE, hiss, hum, in_room, knocks, music, resample, shaped
from asr_cli.synthesis.speakers import SEEN, STRANGER, UNSEEN, Speaker, choose_speaker, in_a_mood, read

LOUDNESS = 0.1  # root mean square of speech before it is recorded, what noises are measured by
SENTENCES = (1,) * 16 + (2, 2, 2, 3)  # of a short recording: some people go on after a pause
SENTENCES_BY_ONE = (4, 12)  # of a long recording, before somebody else goes on


@dataclass(frozen=True, slots=True)
class Split:
    """Whose sentences, read by whom."""

    sentences: str
    voices: tuple[str, ...]


SPLITS = {
    "train": Split("train", SEEN),
    "valid": Split("valid", SEEN),
    "test-seen": Split("test", SEEN),
    "test-unseen": Split("test", UNSEEN),
    "adapt": Split("train", STRANGER),
    "adapt-test": Split("test", STRANGER),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What corpus to make; kept beside it, so that no two are mixed."""

    split: str
    seconds: float
    seed: int
    is_long: bool = False  # one recording of `seconds`, else one a sentence
    is_clean: bool = False
    voices: tuple[str, ...] = ()  # instead of the split's own


# Speaker, words, their times, samples (N,).
Recording = tuple[str, Sequence[str], Sequence[tuple[float, float]], Tensor]


def short(order: Order, shard: int, seconds: float) -> Iterator[Recording]:
    """A sentence each, or a few, until there are `seconds` of them: the piece `shard` of what was ordered."""
    chance = random.Random(f"{order.seed} {order.split} {shard}")
    while seconds > 0:
        speaker = choose_speaker(order.voices or SPLITS[order.split].voices, chance)
        scene = Scene(silence(chance.uniform(0.1, 0.5)))
        for _ in range(chance.choice(SENTENCES)):
            scene.add(*say(order, speaker, chance), pause=chance.uniform(0.1, 0.5))
        samples = recorded(torch.cat(scene.pieces), order, random.Random(chance.getrandbits(64)))
        yield speaker.name, scene.words, scene.times, samples
        seconds -= len(samples) / RATE


def long(order: Order) -> Recording:
    """Sentences with pauses between them, by one speaker after the other."""
    chance = random.Random(f"{order.seed} {order.split} long")
    scene = Scene(silence(0.5))
    while scene.n_samples < order.seconds * RATE:
        speaker = choose_speaker(order.voices or SPLITS[order.split].voices, chance)
        for _ in range(chance.randint(*SENTENCES_BY_ONE)):
            scene.add(*say(order, speaker, chance), pause=chance.uniform(0.2, 1.5))
    samples = recorded(torch.cat(scene.pieces), order, random.Random(chance.getrandbits(64)))
    return "long", scene.words, scene.times, samples


class Scene:
    """What is said one after the other, and when."""

    def __init__(self, before: Tensor) -> None:
        self.pieces = [before]
        self.n_samples = len(before)
        self.words: list[str] = []
        self.times: list[tuple[float, float]] = []

    def add(self, words: Sequence[str], times: Sequence[tuple[float, float]], speech: Tensor, *, pause: float) -> None:
        offset = self.n_samples / RATE
        self.words += words
        self.times += [(start + offset, end + offset) for start, end in times]
        self.pieces += [speech, silence(pause)]
        self.n_samples += len(self.pieces[-2]) + len(self.pieces[-1])


def say(order: Order, speaker: Speaker, chance: random.Random) -> tuple[list[str], list[tuple[float, float]], Tensor]:
    """A sentence by somebody: its words, their times, and speech (N,) of one loudness and no silence around it."""
    words = grammar.sentence(chance, SPLITS[order.split].sentences).split()
    reading = read(in_a_mood(speaker.voice, chance), words)
    speech = resample(torch.from_numpy(reading.samples.copy()), reading.rate * speaker.warp, RATE)
    times = [(start / speaker.warp, end / speaker.warp) for start, end in reading.times]
    return words, times, speech / speech.square().mean().sqrt() * LOUDNESS


def recorded(speech: Tensor, order: Order, chance: random.Random) -> Tensor:
    """What a microphone makes of it: mostly near and quiet; three of ten in a room, over noise, or both."""
    torch.manual_seed(chance.getrandbits(63))
    level = 10 ** (chance.uniform(-20, 0) / 20)
    floor = chance.uniform(45, 70)  # dB under the speech: no microphone hears nothing
    is_far = not order.is_clean and chance.random() < 0.3
    if not order.is_clean:
        speech = shaped(speech, torch.tensor([chance.uniform(-4, 4) for _ in range(7)]))
    place = chance.random()
    if is_far and place < 0.6:
        speech = in_room(speech, chance)
    if is_far and place > 0.3:
        make_noise = chance.choice((hiss, hiss, hiss, hum, knocks, music))
        noise = make_noise(len(speech), chance)
        noise = noise / noise.square().mean().sqrt().clamp_min(1e-6)
        speech = speech + noise * LOUDNESS * 10 ** (-chance.uniform(5, 30) / 20)
    speech = speech + torch.randn(len(speech)) * LOUDNESS * 10 ** (-floor / 20)
    return speech * min(level, 0.95 / float(speech.abs().max()))


def silence(seconds: float) -> Tensor:
    return torch.zeros(round(seconds * RATE))
