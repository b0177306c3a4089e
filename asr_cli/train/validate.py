"""What weights are worth on data they have not seen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from asr_cli.errors import InputError
from asr_cli.train.data.lists import Skipped
from asr_cli.train.data.material import Material
from asr_cli.train.task import Delivered, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True, slots=True)
class Verdict:
    """loss: of the task; rate: of the material, the less the better; parts: what else it says."""

    loss: float
    rate: float
    parts: Mapping[str, float]
    sample: tuple[str, str]


def validate(
    fabric: "Fabric",
    task: Task,
    batches: Iterable[Delivered],
    material: Material,
    tell: Callable[[Sequence[Skipped]], None],
) -> Verdict:
    """On all processes together. The net is in training mode again afterwards. tell: is given what cannot be read.
    InputError: nothing can."""
    skipped: list[Skipped] = []
    sums = torch.zeros(2 + material.n_numbers, dtype=torch.float64)  # loss, weight, what the material counts
    sample = None
    task.net.eval()
    with torch.no_grad():
        for one in batches:
            skipped += one.skipped
            if one.batch is None:
                continue
            batch = one.batch.to(fabric.device)
            with fabric.autocast():
                losses = task.losses(batch, task.net)
                counted = material.count(task, batch, one)
            own = [float(losses.total) * losses.weight, losses.weight, *counted.numbers]
            sums += torch.tensor(own, dtype=torch.float64)
            sample = sample or counted.sample
    task.net.train()
    loss, weight, *numbers = reduced(fabric, sums).tolist()
    tell(skipped)
    if not weight:
        raise InputError("nothing of what is validated with can be read; see why in skipped.jsonl, and mend --valid")
    rate, parts = material.rate(numbers)
    return Verdict(loss / weight, rate, parts, sample or ("", ""))


def reduced(fabric: "Fabric", sums: Tensor) -> Tensor:
    """The sum over all processes."""
    if fabric.world_size == 1:
        return sums
    exact = torch.float32 if fabric.device.type == "mps" else torch.float64
    found = fabric.all_reduce(sums.to(fabric.device, exact), reduce_op="sum")
    assert isinstance(found, Tensor)
    return found.cpu()
