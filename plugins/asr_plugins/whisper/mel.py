"""Log-mel spectrograms as Whisper was trained on: of whole windows, their floor 80 dB below the loudest.

N utterances, M mel bands, T frames.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SAMPLE_RATE = 16_000
N_FFT = 400
HOP = 160
SILENCE = 480  # samples: whole hops, more than half an FFT
FLOOR = 1e-10
DYNAMICS = 8.0  # powers of ten that stay distinct; what is softer is as soft as that


class LogMel:
    """Spectrograms of a fixed length, whatever the utterances': the rest of the window is silence."""

    def __init__(self, n_mels: int, n_samples: int, device: torch.device | str = "cpu") -> None:
        self.n_samples = n_samples
        self.n_frames = n_samples // HOP
        self.device = torch.device(device)
        self.filters = torch.from_numpy(filters(n_mels)).to(self.device)  # (M, bins)
        self.window = torch.hann_window(N_FFT, device=self.device)

    def __call__(self, utterances: Sequence[NDArray[np.float32]]) -> Tensor:
        """Of shape (N, M, T), float32. Each utterance: float32 of shape (n_samples,), at most the window."""
        if self.device.type == "cpu":  # one fits into the cache, and none pays for a longer one
            return torch.cat([self.together([utterance]) for utterance in utterances])
        return self.together(utterances)

    def together(self, utterances: Sequence[NDArray[np.float32]]) -> Tensor:
        longest = max(map(len, utterances))
        assert longest <= self.n_samples, f"{longest} samples in a window of {self.n_samples}"
        # Frames beyond hear nothing: after that much silence, its mirror image is silence, too.
        heard = min(self.n_samples, (longest // HOP + 1) * HOP + SILENCE)
        samples = torch.zeros(len(utterances), heard)
        for row, utterance in zip(samples, utterances, strict=True):
            row[: len(utterance)] = torch.from_numpy(np.ascontiguousarray(utterance))
        x = self.levels(samples.to(self.device))
        # The loudest of each utterance alone: company changes nothing.
        floor = x.amax(dim=(1, 2), keepdim=True) - DYNAMICS
        x = F.pad(x, (0, self.n_frames - x.shape[-1]), value=math.log10(FLOOR))
        return torch.maximum(x, floor).add_(4.0).div_(4.0)

    def levels(self, samples: Tensor) -> Tensor:
        """Powers of ten, of shape (N, M, frames)."""
        padded = F.pad(samples[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")[:, 0]
        spectrum = torch.stft(padded, N_FFT, HOP, window=self.window, center=False, return_complex=True)[..., :-1]
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        return (self.filters @ power).clamp_(min=FLOOR).log10_()


def filters(n_mels: int) -> NDArray[np.float32]:
    """Triangles of equal area on the mel scale of Slaney's Auditory Toolbox (1998), of shape (M, bins).

    It is linear up to 1 kHz, 200/3 Hz a step, and logarithmic above: 27 steps for a factor of 6.4.
    """
    step, linear = 200 / 3, 15.0
    growth = math.log(6.4) / 27
    top = linear + math.log(SAMPLE_RATE / 2 / 1000) / growth
    mels = np.linspace(0.0, top, n_mels + 2)
    edges = np.where(mels < linear, mels * step, 1000 * np.exp(growth * np.maximum(mels - linear, 0)))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return (np.maximum(0.0, np.minimum(rising, falling)) * 2 / (right - left)).astype(np.float32)
