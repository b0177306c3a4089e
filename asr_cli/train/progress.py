"""How far a run has come, and when it is over."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from asr_cli.train.average import Kept
from asr_cli.train.config import TrainConfig
from asr_cli.train.data.batches import Order

USUAL_EPOCHS = 50  # where nobody says when to end


@dataclass(slots=True)
class Progress:
    """How far it has come: all of it is in the state file. position: steps of the epoch that are done.

    elapsed: seconds. since_best: validations. streak: steps in a row without a usable gradient. validated: the last
    step after which it was.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    elapsed: float = 0.0
    since_best: int = 0
    streak: int = 0
    validated: int = -1
    kept: list[Kept] = field(default_factory=list)

    def as_state(self) -> dict[str, Any]:
        """What the state file holds: nothing but tables, lists and numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, found: Mapping[str, Any]) -> Self:
        return cls(**{**found, "kept": [Kept(**one) for one in found["kept"]]})


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends. n_first: steps of the first epoch; the others have about as many."""

    config: TrainConfig
    order: Order
    n_first: int

    @property
    def epochs(self) -> int | None:
        config = self.config
        if config.max_epochs is None and config.max_steps is None and config.max_hours is None:
            return USUAL_EPOCHS
        return config.max_epochs

    @property
    def steps(self) -> int | None:
        """How many there will be, about; None where only the clock tells."""
        in_epochs = None if self.epochs is None else self.epochs * self.n_first
        known = [one for one in (self.config.max_steps, in_epochs) if one is not None]
        return min(known) if known else None

    def reached(self, progress: Progress, n_steps: int) -> str:
        """Why it is over; empty where it is not. n_steps: of the epoch."""
        config = self.config
        if config.max_steps is not None and progress.step >= config.max_steps:
            return "steps"
        if progress.epoch + (progress.position >= n_steps) >= (self.epochs or math.inf):
            return "epochs"
        if config.max_hours is not None and progress.elapsed >= config.max_hours * 3600:
            return "hours"
        if config.patience and progress.since_best >= config.patience:
            return "patience"
        return ""

    def left(self, progress: Progress) -> float | None:
        """Seconds, at the pace so far."""
        found = []
        if self.steps is not None and progress.step:
            found.append(progress.elapsed / progress.step * max(0, self.steps - progress.step))
        if self.config.max_hours is not None:
            found.append(max(0.0, self.config.max_hours * 3600 - progress.elapsed))
        return min(found) if found else None
