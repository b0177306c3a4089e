"""Kaldi's log-mel filterbank.

N samples, T frames, M mel bins, W samples of a window, K bins of the spectrum.
"""

import math

import torch
from torch import Tensor, nn

PREEMPHASIS = 0.97
INT16 = 32768.0  # Kaldi scales samples to int16 before the filterbank; the checkpoints were trained on that.
FLOOR = 1.1920928955078125e-07  # float32 epsilon, Kaldi's floor under the logarithm
LOWEST_HZ = 20.0
# Frames transformed at once: their spectra stay in the processor's cache, and memory does not follow the input.
SLAB = 1024


class Fbank(nn.Module):
    """Log-mel energies of frames 25 ms long, 10 ms apart, as Kaldi's compute-fbank-feats makes them at dither 0.

    Frames lie wholly inside the signal (snip_edges), so the samples behind the last one are the state.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, sample_rate: int = 16_000, n_mels: int = 80) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.n_mels = n_mels
        self.frame_length = sample_rate * 25 // 1000
        self.frame_shift = sample_rate * 10 // 1000
        self.n_fft = 1 << (self.frame_length - 1).bit_length()
        self.register_buffer("window", hamming(self.frame_length), persistent=False)
        self.register_buffer("mel", mel_filters(sample_rate, n_mels, self.n_fft), persistent=False)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Samples of shape (..., N) in [-1, 1] to natural-log energies (..., T, M), and the samples still waiting."""
        if state is not None:
            x = torch.cat([state, x], dim=-1)
        n_frames = max(0, 1 + (x.shape[-1] - self.frame_length) // self.frame_shift)
        rest = x[..., n_frames * self.frame_shift :]
        if n_frames == 0:
            return x.new_zeros(*x.shape[:-1], 0, self.n_mels), rest
        frames = x.unfold(-1, self.frame_length, self.frame_shift)  # (..., T, W), a view
        slabs = [self.energies(slab) for slab in frames.split(SLAB, dim=-2)]
        return slabs[0] if len(slabs) == 1 else torch.cat(slabs, dim=-2), rest

    def energies(self, frames: Tensor) -> Tensor:
        frames = frames * INT16
        frames = frames - frames.mean(dim=-1, keepdim=True)
        emphasized = frames[..., 1:] - PREEMPHASIS * frames[..., :-1]
        first = frames[..., :1] * (1 - PREEMPHASIS)
        windowed = torch.cat([first, emphasized], dim=-1) * self.window
        spectrum = torch.fft.rfft(windowed, n=self.n_fft)  # (..., T, K)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power @ self.mel).clamp_min(FLOOR).log()


def hamming(n_samples: int) -> Tensor:
    # Symmetric, with Kaldi's constants.
    angle = 2 * math.pi * torch.arange(n_samples, dtype=torch.float64) / (n_samples - 1)
    return (0.54 - 0.46 * torch.cos(angle)).float()


def mel_filters(sample_rate: int, n_mels: int, n_fft: int) -> Tensor:
    """Triangles of shape (K, M), equally spaced and straight-edged on the mel scale, the Nyquist bin left out."""
    bins = mel(torch.arange(n_fft // 2, dtype=torch.float64) * sample_rate / n_fft).unsqueeze(1)  # (K - 1, 1)
    low, high = mel(torch.tensor([LOWEST_HZ, sample_rate / 2], dtype=torch.float64))
    edges = low + (high - low) / (n_mels + 1) * torch.arange(n_mels + 2, dtype=torch.float64)
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - left) / (center - left)
    falling = (right - bins) / (right - center)
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return torch.cat([triangles, triangles.new_zeros(1, n_mels)]).float()


def mel(hertz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hertz / 700.0)
