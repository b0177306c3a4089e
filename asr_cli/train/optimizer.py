"""How weights follow their gradients."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from asr_cli.errors import UsageError
from asr_cli.train.config import TrainConfig
from asr_cli.train.task import Task


def freeze(net: nn.Module, prefixes: Sequence[str]) -> None:
    """Let parameters stay as they are."""
    for prefix in prefixes:
        found = [one for name, one in net.named_parameters() if f"{name}.".startswith(f"{prefix}.")]
        if not found:
            parts = ", ".join(name for name, _ in net.named_children())
            raise UsageError(f"--freeze {prefix!r}: the model has no such part; it has {parts}")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise UsageError("--freeze leaves nothing to train; name fewer parts")


def make_optimizer(task: Task, config: TrainConfig, *, fused: bool) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101). Vectors do not decay: biases, norms, mixes."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in task.net.named_parameters():
        if parameter.requires_grad:
            scale = config.init_lr_scale if name in task.initialised else 1.0
            decay = config.weight_decay if parameter.squeeze().ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    found: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "lr": config.lr, "scale": scale}
        for (scale, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(found, lr=config.lr, betas=(config.betas[0], config.betas[1]), fused=fused)


def learning_rate(step: int, config: TrainConfig, total_steps: int | None) -> float:
    """Of a step, counted from 1: up for warmup_steps, then as the schedule says.

    >>> [round(learning_rate(n, TrainConfig(lr=1.0, warmup_steps=4), None), 3) for n in (1, 4, 16)]
    [0.25, 1.0, 0.5]
    """
    up = min(1.0, step / config.warmup_steps)
    if config.schedule == "constant" or (step <= config.warmup_steps):
        return config.lr * up
    if config.schedule == "warmup":
        return config.lr * math.sqrt(config.warmup_steps / step)
    assert total_steps is not None, "a cosine ends somewhere"
    share = (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
