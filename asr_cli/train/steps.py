"""One step of the optimizer, over batches on any number of devices."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from asr_cli.train.average import Ema
from asr_cli.train.config import TrainConfig
from asr_cli.train.optimizer import make_optimizer, set_rate
from asr_cli.train.task import Delivered, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SCALED = "16-mixed"  # a precision whose gradients are infinite now and then, and which knows what to do about it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to, on all devices together. gradient: its norm; audio: seconds; asked: somebody is to stop;
    elapsed: seconds, the mean of their clocks, so that all know the same."""

    means: Mapping[str, float]
    gradient: float
    audio: float
    asked: bool
    elapsed: float

    @property
    def is_usable(self) -> bool:
        return math.isfinite(self.gradient) and math.isfinite(self.means.get("loss", math.nan))


class Objective(nn.Module):
    """Losses as a forward pass, so that a net that is spread over devices knows of it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.net = task.net
        self._losses = task.losses

    def forward(self, parcel: "Parcel") -> tuple[Tensor, dict[str, Tensor], float]:
        found = self._losses(parcel.batch, self.net)
        return found.total, dict(found.parts), found.weight


class Parcel:
    """A batch that nobody looks into on the way."""

    __slots__ = ("batch",)

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class Stepper:
    """A net that learns: its optimizer, and the running average of its weights."""

    def __init__(self, fabric: "Fabric", task: Task, config: TrainConfig, spare: Callable[[], Any]) -> None:
        """spare: gives a batch that can be computed with."""
        self.fabric, self.config, self.net, self.spare = fabric, config, task.net, cache(spare)
        self.net.train()
        optimizer = make_optimizer(task, config, fused=fabric.device.type == "cuda")
        self.objective, self.optimizer = fabric.setup(Objective(task), optimizer)
        self.ema = Ema(self.net, config.ema) if config.ema else None
        self.exact = torch.float32 if fabric.device.type == "mps" else torch.float64
        self.scales = getattr(fabric._precision, "precision", None) == SCALED

    def step(
        self, number: int, rate: float, delivered: Sequence[Delivered], *, stop: bool, clock: Callable[[], float]
    ) -> Outcome:
        """number: of the step; rate: its learning rate; stop: whether this process is asked to; clock: the seconds that
        it has been at work."""
        set_rate(self.optimizer, rate)
        self.objective.train()
        sums: dict[str, Tensor] = {}
        weight = 0.0
        for i, one in enumerate(delivered):
            # The batch's place in the step, which does not depend on how a step is spread.
            torch.manual_seed(drawn(self.config.seed, number, self.fabric.global_rank + i * self.fabric.world_size))
            batch, counts = self.batch_of(one)
            if batch is None:
                continue
            with self.fabric.no_backward_sync(self.objective, enabled=i < len(delivered) - 1):
                total, parts, n = self.objective(Parcel(batch.to(self.fabric.device)))
                self.fabric.backward(total * (n * counts))
            weight += n * counts
            for name, value in {"loss": total, **parts}.items():
                sums[name] = sums.get(name, 0) + value.detach().to(self.exact) * (n * counts)
        seconds = sum(one.seconds for one in delivered)
        return self.conclude(number, sums, [weight, seconds, float(stop), clock()])

    def batch_of(self, one: Delivered) -> tuple[Any, float]:
        """The batch, and whether it counts. Where other processes wait for this one's gradients, a batch of which
        nothing could be read is stood in for by another one that counts nothing."""
        if one.batch is not None:
            return one.batch, 1.0
        return (self.spare(), 0.0) if self.fabric.world_size > 1 else (None, 0.0)

    def conclude(self, number: int, sums: Mapping[str, Tensor], own_numbers: Sequence[float]) -> Outcome:
        """Follow the gradients, of which there is a sum over so many things here: the first of the numbers, which are
        followed by the seconds of audio, whether to stop, and what the clock says. The device is waited for once."""
        names = sorted(sums)
        own = torch.tensor(own_numbers, dtype=self.exact, device=self.fabric.device)
        means = torch.cat([own, torch.stack([sums[name] for name in names])]) if names else own
        means = self.over_all(means)  # sums still, but over all processes
        gradients = [one.grad for one in self.net.parameters() if one.grad is not None]
        norm = means.new_tensor(math.nan)
        if gradients:
            # Processes are averaged over, where the things that they have seen are to be.
            torch._foreach_mul_(gradients, (self.fabric.world_size / means[0]).float())
            found = self.fabric.clip_gradients(
                self.objective, self.optimizer, max_norm=self.config.clip or math.inf, error_if_nonfinite=False
            )
            assert found is not None, "it is None only where values are clipped, not norms"
            norm = found.to(means)
        gradient, weight, seconds, asked, elapsed, *values = torch.cat([norm.view(1), means]).tolist()
        known = {name: value / weight for name, value in zip(names, values, strict=True)} if weight else {}
        outcome = Outcome(known, gradient, seconds, asked > 0, elapsed / self.fabric.world_size)
        if gradients and (outcome.is_usable or self.scales):
            self.optimizer.step()
        if outcome.is_usable and self.ema is not None:
            self.ema.follow(self.net, number)
        self.optimizer.zero_grad(set_to_none=True)
        return outcome

    def over_all(self, sums: Tensor) -> Tensor:
        if self.fabric.world_size == 1:
            return sums
        found = self.fabric.all_reduce(sums, reduce_op="sum")
        assert isinstance(found, Tensor)
        return found

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric._precision.state_dict(),
            "ema": self.ema.tensors if self.ema is not None else None,
        }

    def restore(self, found: Mapping[str, Any]) -> None:
        self.net.load_state_dict(found["net"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.fabric._precision.load_state_dict(found["precision"])
        if self.ema is not None:
            self.ema.tensors = {name: one.to(self.fabric.device) for name, one in found["ema"].items()}


def drawn(*numbers: int) -> int:
    """A seed that is another one for other numbers."""
    return int.from_bytes(blake2b(repr(numbers).encode(), digest_size=7).digest())
