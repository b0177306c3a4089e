"""The mean of several weights, of which each alone is worse (Izmailov et al. 2018, arXiv:1803.05407)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from asr_cli.train import state


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """Weights in a file, the better the smaller: errors for each unit, then the loss, then the later step."""

    rate: float
    loss: float
    minus_step: int

    @property
    def step(self) -> int:
        return -self.minus_step

    def path(self, folder: Path) -> Path:
        return folder / f"step-{self.step:08d}.pt"


def keep(
    folder: Path, kept: Iterable[Kept], one: Kept, tensors: Mapping[str, Tensor] | None, n_best: int
) -> list[Kept]:
    """The best of those kept and this one, best first. tensors: its weights, for whoever writes them to files."""
    best = sorted([*kept, one])[:n_best]
    if one in best and tensors is not None:
        folder.mkdir(exist_ok=True)
        state.save(one.path(folder), {name: tensor.detach().cpu() for name, tensor in tensors.items()})
    return best


def tidy(folder: Path, kept: Iterable[Kept]) -> None:
    """Remove weights that are among the best no more; after the state that does not name them is saved."""
    wanted = {one.path(folder) for one in kept}
    for path in folder.glob("step-*.pt"):
        if path not in wanted:
            path.unlink()


def average(paths: Iterable[Path]) -> dict[str, Tensor]:
    """The mean of the weights in these files; what is counted in whole numbers is the first one's."""
    first, *others = paths
    found: dict[str, Tensor] = state.load(first)
    means = {name: tensor.double() for name, tensor in found.items() if tensor.is_floating_point()}
    for n, path in enumerate(others, 2):
        tensors = state.load(path)
        for name, mean in means.items():
            mean += (tensors[name].double() - mean) / n
    return found | {name: mean.to(found[name].dtype) for name, mean in means.items()}


class Ema:
    """A running average of a net's weights; it follows faster while it is young."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}

    @torch.no_grad()
    def follow(self, net: nn.Module, step: int) -> None:
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, weight)
            else:
                self.tensors[name].copy_(tensor)
