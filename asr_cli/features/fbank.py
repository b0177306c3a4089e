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
SLAB = 512


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
        # A power of two: scaling the energies instead of the samples rounds nothing differently.
        mel = mel_filters(sample_rate, n_mels, self.n_fft) * INT16**2
        self.register_buffer("mel", mel, persistent=False)

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
        # The same operations in the same order as Kaldi's, for the same rounding; written in place, for speed.
        centred = frames - frames.mean(dim=-1, keepdim=True)
        padded = frames.new_zeros(*frames.shape[:-1], self.n_fft)
        windowed = padded[..., : self.frame_length]
        windowed[..., 0] = centred[..., 0]
        windowed[..., 1:] = centred[..., 1:]
        windowed[..., 1:] -= PREEMPHASIS * centred[..., :-1]
        windowed[..., 0] -= PREEMPHASIS * centred[..., 0]
        windowed *= self.window
        spectrum = torch.fft.rfft(padded)  # (..., T, K)
        power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        return (power @ self.mel).clamp_min_(FLOOR).log_()


def hamming(n_samples: int) -> Tensor:
    return torch.hamming_window(n_samples, periodic=False, alpha=0.54, beta=0.46)  # Kaldi's constants


def mel_filters(sample_rate: int, n_mels: int, n_fft: int) -> Tensor:
    """Triangles of shape (K, M), equally spaced and straight-edged on the mel scale, the Nyquist bin left out.

    In float32 throughout, as Kaldi has them: near an edge, more digits would give other numbers than the models know.
    """
    low, high = mel(LOWEST_HZ), mel(sample_rate / 2)
    step = (high - low) / (n_mels + 1)
    bands = torch.arange(n_mels, dtype=torch.float32)
    left, center, right = low + bands * step, low + (bands + 1.0) * step, low + (bands + 2.0) * step
    hertz = (sample_rate / n_fft) * torch.arange(n_fft // 2, dtype=torch.float32).unsqueeze(1)  # (K - 1, 1)
    bins = 1127.0 * (1.0 + hertz / 700.0).log()
    rising = (bins - left) / (center - left)
    falling = (right - bins) / (right - center)
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return torch.cat([triangles, triangles.new_zeros(1, n_mels)])


def mel(hertz: float) -> float:
    return 1127.0 * math.log(1.0 + hertz / 700.0)
