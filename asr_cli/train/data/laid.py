"""Utterances laid into a window, one after the other, and what of them is heard in it.

N samples at 16 kHz.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE

EDGE = 0.05  # seconds around a word that belong to it


@dataclass(frozen=True, slots=True)
class Spoken:
    """A record: an utterance. words: when each of its text begins and ends, nothing where nobody knows."""

    key: str
    source: str
    start: float
    end: float | None
    text: str
    seconds: float
    words: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A text in a window, from when to when, in seconds. end: None where the window ends first."""

    text: str
    start: float
    end: float | None


class Laid:
    """A window that is being filled. said: texts; heard: what the sound holds of them; words: when each is said, None
    where nobody knows."""

    def __init__(self, n_samples: int) -> None:
        self.samples = torch.zeros(n_samples)
        self.at = 0
        self.said: list[Said] = []
        self.heard: list[str] = []
        self.words: list[Said] | None = []

    @property
    def left(self) -> float:
        return (len(self.samples) - self.at) / SAMPLE_RATE

    def wait(self, seconds: float) -> None:
        self.at = min(self.at + round(seconds * SAMPLE_RATE), len(self.samples))

    def say(self, samples: Tensor, one: Spoken, speed: float, begin: int) -> None:
        """An utterance from a word on, as far as the window goes."""
        words = [(start / speed, end / speed) for start, end in one.words]
        skipped = max(0.0, words[begin][0] - EDGE) if begin else 0.0
        samples = samples[round(skipped * SAMPLE_RATE) :]
        n_samples = min(len(samples), len(self.samples) - self.at)
        if n_samples < len(samples) and not words:
            return  # nobody knows how much of it would be heard
        at = self.at / SAMPLE_RATE - skipped
        self.samples[self.at : self.at + n_samples] = samples[:n_samples]
        self.at += n_samples
        if not words:
            self.words = None
            self.add(one.text, at, at + one.seconds / speed)
            return
        over = len(self.samples) / SAMPLE_RATE
        texts = one.text.split()[begin:]
        times = [(at + start, at + end) for start, end in words[begin:]]
        if self.words is not None:
            self.words += [Said(text, start, end) for text, (start, end) in zip(texts, times, strict=True)]
        n_whole = sum(end + EDGE <= over for _, end in times)
        is_whole = n_whole == len(times)
        text = " ".join(texts[:n_whole])
        self.add(text, 0.0 if begin else times[0][0], times[-1][1] if is_whole else None)

    def add(self, text: str, start: float, end: float | None) -> None:
        self.said.append(Said(text, start, end))
        self.heard += [text] if text else []
