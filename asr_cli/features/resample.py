"""From one sample rate to a lower one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ZEROS = 32  # crossings of the filter on either side: what is folded back lies 90 dB down
ROLLOFF = 0.95  # of the new half rate, where the filter begins to fall
BETA = 9.0  # of the Kaiser window


class Resample(nn.Module):
    """Samples at a rate that divides the old one, low-passed by a Kaiser-windowed sinc (Smith & Gossett 1984)."""

    taps: Tensor

    def __init__(self, old: int, new: int) -> None:
        super().__init__()
        assert old % new == 0, "only rates that divide the old one"
        self.step = old // new
        self.register_buffer("taps", lowpass(self.step), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N,) to (ceil(N / step),)."""
        if self.step == 1 or not len(x):
            return x
        half = self.taps.shape[-1] // 2
        return F.conv1d(F.pad(x, (half, half)).view(1, 1, -1), self.taps, stride=self.step).flatten()


def lowpass(step: int) -> Tensor:
    half = ZEROS * step
    at = torch.arange(-half, half + 1, dtype=torch.float64) / step * ROLLOFF
    window = torch.kaiser_window(2 * half + 1, periodic=False, beta=BETA, dtype=torch.float64)
    taps = torch.sinc(at) * window
    return (taps / taps.sum()).float().view(1, 1, -1)
