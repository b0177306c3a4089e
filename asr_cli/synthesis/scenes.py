"""Recordings made up: synthetic speech in rooms, over noise, music and telephones; labels from the clean signal.

N samples at 16 kHz, T frames of 10 ms.
"""

import math
import random

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_cli.synthesis.voices import speak

RATE = 16_000
SHIFT, WINDOW = 160, 400
QUIET_BELOW_PEAK = 42.0  # dB under the loudest frame of an utterance; quieter frames are pauses
LONGEST_GAP = 24  # frames: shorter pauses belong to the speech around them, as in an aligner's labels
LEAD, TAIL = 2, 6  # frames of speech's edges that carry too little energy to show


def scene(seed: int, seconds: float) -> tuple[Tensor, Tensor]:
    """One recording: samples (N,) and speech or not (T,) as 0 or 1."""
    chance = random.Random(seed)
    torch.manual_seed(seed)
    n_samples = int(seconds * RATE)
    speech, labels = torch.zeros(n_samples), torch.zeros(1 + (n_samples - WINDOW) // SHIFT)
    if chance.random() > 0.12:  # else nobody speaks at all
        lay_out(speech, labels, chance)
    if chance.random() < 0.45:
        speech = in_room(speech, chance)
    speech = tilt(speech, chance)
    mixed = speech + background(speech, labels, chance)
    mixed = through_channel(mixed, chance)
    # Quieter than this nobody is being recorded, it is the neighbour's microphone. Noise alone is not raised to speech.
    level = 10 ** (chance.uniform(-28, -1) / 20)
    mixed = mixed / mixed.abs().max().clamp_min(0.5) * level
    if chance.random() < 0.1:
        mixed = mixed.clamp(-level * 0.4, level * 0.4)
    if chance.random() < 0.1:
        mixed = mixed + chance.uniform(-0.02, 0.02)
    return (mixed * 32768).round().clamp(-32768, 32767) / 32768, labels


def lay_out(speech: Tensor, labels: Tensor, chance: random.Random) -> None:
    """Utterances one after the other, with pauses of all lengths between them."""
    talkative = chance.random()
    position = int(chance.uniform(0, 2.5) * RATE)
    while position < len(speech) - RATE // 2:
        utterance = voice(chance)
        active = activity(utterance)
        n_samples = min(len(utterance), len(speech) - position)
        speech[position : position + n_samples] += utterance[:n_samples] * 10 ** (chance.uniform(-9, 0) / 20)
        first = position // SHIFT
        n_frames = min(len(active), len(labels) - first)
        if n_frames > 0:
            labels[first : first + n_frames] = torch.maximum(labels[first : first + n_frames], active[:n_frames])
        pause = chance.expovariate(1 / (0.5 if talkative > 0.4 else 2.5)) + 0.08
        position += n_samples + int(min(pause, 10) * RATE)
    labels.copy_(closed(labels, LONGEST_GAP))


def voice(chance: random.Random) -> Tensor:
    """A sentence at 16 kHz, its speaker changed beyond what the synthesiser offers, the silence around it trimmed."""
    samples, rate = speak(chance)
    x = torch.from_numpy(samples.copy())
    # Read faster or slower than it was made, the vocal tract grows and shrinks with the pitch.
    x = resample(x, rate, RATE * chance.uniform(0.85, 1.18))
    if chance.random() < 0.4:
        x = breathy(x, chance.uniform(0.2, 1.0))
    loud = (x.abs() > x.abs().max() * 0.003).nonzero()
    if not len(loud):
        return x
    x = x[int(loud[0]) : int(loud[-1]) + 1]
    return x / x.square().mean().sqrt().clamp_min(1e-5) * 0.1


def breathy(x: Tensor, share: float) -> Tensor:
    """Part of the voice replaced by noise of the same spectral shape: synthesisers hum more than people do."""
    window = torch.hann_window(512)
    spectrum = torch.stft(x, 512, 128, window=window, return_complex=True)
    smooth = F.avg_pool1d(spectrum.abs().T.unsqueeze(1), 9, 1, 4).squeeze(1).T
    noise = smooth * torch.exp(1j * 2 * math.pi * torch.rand_like(smooth))
    noisy = torch.istft(noise, 512, 128, window=window, length=len(x))
    return (1 - share) * x + share * noisy


def activity(x: Tensor) -> Tensor:
    """Speech or not for each frame of a clean utterance (T,): by energy, its edges widened, its short pauses filled."""
    if len(x) < WINDOW:
        return torch.zeros(0)
    frames = x.unfold(0, WINDOW, SHIFT)
    decibels = 10 * torch.log10(frames.square().mean(dim=1) + 1e-9)
    active = (decibels > decibels.max() - QUIET_BELOW_PEAK).float()
    return widened(closed(active, LONGEST_GAP), LEAD, TAIL)


def widened(active: Tensor, before: int, after: int) -> Tensor:
    padded = F.pad(active, (after, before))
    return padded.unfold(0, before + after + 1, 1).amax(dim=1)


def closed(active: Tensor, n_frames: int) -> Tensor:
    """Gaps of up to `n_frames` filled."""
    half = n_frames // 2
    grown = F.max_pool1d(F.pad(active, (half, half))[None], 2 * half + 1, 1)[0]
    shrunk = -F.max_pool1d(F.pad(-grown, (half, half), value=-1.0)[None], 2 * half + 1, 1)[0]
    return torch.maximum(active, shrunk)


def in_room(x: Tensor, chance: random.Random) -> Tensor:
    """Reverberation by an exponentially decaying tail of noise."""
    seconds = chance.uniform(0.1, 0.7)
    n_tail = int(seconds * RATE)
    tail = torch.randn(n_tail) * torch.exp(-6.9 * torch.arange(n_tail) / n_tail)
    tail = tail / tail.square().sum().sqrt() * chance.uniform(0.1, 0.8)
    tail[0] = 1.0
    return convolve(x, tail)


def tilt(x: Tensor, chance: random.Random) -> Tensor:
    """A random smooth equaliser of up to 12 dB either way."""
    gains = torch.tensor([chance.uniform(-12, 12) for _ in range(7)])
    return shaped(x, gains)


def shaped(x: Tensor, decibels: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(x)
    # Knots spaced evenly on a square-root scale: finer where speech is.
    place = torch.linspace(0, 1, len(spectrum)).sqrt() * (len(decibels) - 1)
    low = place.long().clamp_max(len(decibels) - 2)
    curve = decibels[low] + (place - low) * (decibels[low + 1] - decibels[low])
    return torch.fft.irfft(spectrum * 10 ** (curve / 20), n=len(x))


def background(speech: Tensor, labels: Tensor, chance: random.Random) -> Tensor:
    """What else is to be heard, at a signal-to-noise ratio of -3 to 45 dB."""
    n_samples = len(speech)
    loudness = 0.1 if not labels.any() else float(speech.square().sum() / labels.sum() / SHIFT) ** 0.5
    total = torch.zeros(n_samples)
    for make, share, hardest in (
        (hiss, 0.75, 3),
        (music, 0.22, 3),
        (tones, 0.15, 0),
        (knocks, 0.25, 0),
        (hum, 0.15, 0),
        (murmur, 0.3, 22),
    ):
        if chance.random() < share:
            noise = make(n_samples, chance)
            level = noise.square().mean().sqrt().clamp_min(1e-6)
            total += noise / level * loudness * 10 ** (-chance.uniform(hardest, 45) / 20)
    # Few recordings are digitally silent, but some are.
    if chance.random() < 0.9:
        total += torch.randn(n_samples) * loudness * 10 ** (-chance.uniform(45, 75) / 20)
    return total


def hiss(n_samples: int, chance: random.Random) -> Tensor:
    """Noise of any colour, swelling and fading."""
    noise = shaped(torch.randn(n_samples), torch.tensor([chance.uniform(-30, 0) for _ in range(9)]))
    if chance.random() < 0.5:
        knots = torch.rand(1, 1, max(2, n_samples // RATE)) * chance.uniform(0.2, 1)
        noise = noise * (0.1 + F.interpolate(knots, n_samples, mode="linear")[0, 0])
    return noise


def hum(n_samples: int, chance: random.Random) -> Tensor:
    time = torch.arange(n_samples) / RATE
    base = chance.choice((50.0, 60.0, 100.0, 120.0))
    return sum(
        (
            torch.sin(2 * math.pi * base * k * time + chance.uniform(0, 6)) / k ** chance.uniform(0.5, 2)
            for k in range(1, 8)
        ),
        torch.zeros(n_samples),
    )


def tones(n_samples: int, chance: random.Random) -> Tensor:
    """Beeps, dialling, sirens: stretches of one or two pure tones."""
    out = torch.zeros(n_samples)
    position = 0
    while position < n_samples:
        length = min(int(chance.uniform(0.05, 2.5) * RATE), n_samples - position)
        time = torch.arange(length) / RATE
        for _ in range(chance.randint(1, 2)):
            start, stop = chance.uniform(200, 4000), chance.uniform(-300, 300) * (chance.random() < 0.3)
            out[position : position + length] += torch.sin(2 * math.pi * (start + stop * time) * time)
        position += length + int(chance.uniform(0, 3) * RATE)
    return out


def music(n_samples: int, chance: random.Random) -> Tensor:
    """Chords and melodies of plucked or bowed harmonics, with or without a beat."""
    out = torch.zeros(n_samples + 4 * RATE)
    beat = int(chance.uniform(0.18, 0.7) * RATE)
    root = chance.uniform(60, 220)
    decay = chance.uniform(0.3, 6)
    for position in range(0, n_samples, beat):
        length = min(int(beat * chance.uniform(0.9, 3)), 4 * RATE)
        time = torch.arange(length) / RATE
        for _ in range(chance.randint(1, 4)):
            pitch = (
                root * 2 ** (chance.choice((0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19)) / 12) * chance.choice((1, 1, 2, 4))
            )
            for k in range(1, 7):
                if pitch * k < RATE / 2:
                    out[position : position + length] += (
                        torch.sin(2 * math.pi * pitch * k * time) * torch.exp(-decay * time) / k
                    )
        if chance.random() < 0.5:
            n_hit = min(RATE // 10, length)
            out[position : position + n_hit] += torch.randn(n_hit) * torch.exp(-torch.arange(n_hit) / 300) * 2
    return out[:n_samples]


def knocks(n_samples: int, chance: random.Random) -> Tensor:
    """Clicks, thumps, keys and breaths: short noises now and then."""
    out = torch.zeros(n_samples)
    for _ in range(chance.randint(1, 30)):
        length = min(int(10 ** chance.uniform(-2.7, -0.4) * RATE), n_samples // 2)
        burst = torch.randn(length) * torch.exp(-4 * torch.arange(length) / length)
        burst = shaped(burst, torch.tensor([chance.uniform(-30, 0) for _ in range(5)])) if length > 16 else burst
        position = chance.randrange(n_samples - length)
        out[position : position + length] += burst * 10 ** (chance.uniform(-20, 0) / 20)
    return out


def murmur(n_samples: int, chance: random.Random) -> Tensor:
    """People further off, whose words are not what is being recorded."""
    out = torch.zeros(n_samples)
    lay_out(out, torch.zeros(1 + (n_samples - WINDOW) // SHIFT), chance)
    return in_room(out, chance)


def through_channel(x: Tensor, chance: random.Random) -> Tensor:
    """Telephones, old codecs and cheap microphones, by band and by quantisation."""
    kind = chance.random()
    if kind < 0.2:
        x = resample(resample(x, RATE, 8000), 8000, RATE)
        return mu_law(x) if chance.random() < 0.5 else x
    if kind < 0.35:
        cut = chance.uniform(2500, 7500)
        spectrum = torch.fft.rfft(x)
        frequency = torch.linspace(0, RATE / 2, len(spectrum))
        return torch.fft.irfft(spectrum * torch.sigmoid((cut - frequency) / 100), n=len(x))
    return x


def mu_law(x: Tensor) -> Tensor:
    peak = x.abs().max().clamp_min(1e-6)
    y = x / peak
    y = y.sign() * torch.log1p(255 * y.abs()) / math.log(256)
    y = (y * 127).round() / 127
    return y.sign() * (256 ** y.abs() - 1) / 255 * peak


def resample(x: Tensor, rate: float, to: float) -> Tensor:
    """By the spectrum: cut or padded, the signal keeps its shape at another number of samples."""
    n_out = max(2, round(len(x) * to / rate))
    spectrum = torch.fft.rfft(x)
    n_bins = n_out // 2 + 1
    if n_bins <= len(spectrum):
        spectrum = spectrum[:n_bins]
    else:
        spectrum = F.pad(torch.view_as_real(spectrum), (0, 0, 0, n_bins - len(spectrum)))
        spectrum = torch.view_as_complex(spectrum)
    return torch.fft.irfft(spectrum, n=n_out) * (n_out / len(x))


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    n_fft = 1 << (len(x) + len(kernel)).bit_length()
    return torch.fft.irfft(torch.fft.rfft(x, n_fft) * torch.fft.rfft(kernel, n_fft), n_fft)[: len(x)]
