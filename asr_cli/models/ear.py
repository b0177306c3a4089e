"""Sound to a network's features, all at once or as it comes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from asr_cli.audio import SAMPLE_RATE
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LfrState, LowFrameRate
from asr_cli.features.resample import Resample
from asr_cli.models.paraformer_folder import Frontend


@dataclass(frozen=True, slots=True)
class Sound:
    """What is left of sound that came before: samples at our rate and at the network's, and frames."""

    samples: Tensor
    resampled: Tensor | None = None
    frames: LfrState | None = None


class Ear:
    """Sound at 16 kHz to normalised features (T, 560); however it is divided, the features are the same."""

    def __init__(self, frontend: Frontend, cmvn: Cmvn, device: torch.device) -> None:
        self.device = device
        self.cmvn = cmvn.to(device)
        self.resample = Resample(SAMPLE_RATE, frontend.fs).to(device)
        self.fbank = Fbank(frontend.fs, frontend.n_mels).to(device)
        self.lfr = LowFrameRate(frontend.lfr_m, frontend.lfr_n)

    def hear(self, samples: NDArray[np.float32], before: Sound | None, *, final: bool) -> tuple[Tensor, Sound]:
        waiting, sound = self.resampled(torch.tensor(samples, device=self.device), before, final=final)
        frames, resampled = self.fbank(sound, before.resampled if before else None)
        rows, stacked = self.lfr(frames, before.frames if before else None, final=final)
        # No views, which would hold on to all that came at once.
        if stacked is not None:
            stacked = replace(stacked, frames=stacked.frames.clone())
        return self.cmvn(rows), Sound(waiting.clone(), resampled.clone(), stacked)

    def resampled(self, samples: Tensor, before: Sound | None, *, final: bool) -> tuple[Tensor, Tensor]:
        """Samples that later ones need, and those at the network's rate."""
        if self.resample.step == 1:
            return samples[:0], samples
        taps, step = self.resample.taps, self.resample.step
        half = taps.shape[-1] // 2
        # Silence came before the first sample, and follows the last.
        waiting = torch.cat([before.samples if before else samples.new_zeros(half), samples])
        if final:
            waiting = F.pad(waiting, (0, half))
        n_out = max(0, (len(waiting) - taps.shape[-1]) // step + 1)
        if not n_out:
            return waiting, samples[:0]
        sound = F.conv1d(waiting.view(1, 1, -1), taps, stride=step).flatten()
        return waiting[n_out * step :], sound
