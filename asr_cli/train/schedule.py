"""How a training run goes: its learning rate, and the weights it leaves."""

import math

import torch
from torch import nn


def warm_cosine(step: int, steps: int) -> float:
    """The share of the full learning rate: up in a hundred steps, then down along a cosine."""
    return min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move a running average of the weights towards where they are now."""
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
