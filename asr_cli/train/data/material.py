"""What a kind of model learns from, how that becomes batches, and how it is measured what was learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from asr_cli.train.config import Run
from asr_cli.train.data.lists import Skipped
from asr_cli.train.task import Delivered, Task, find_material_class

if TYPE_CHECKING:
    from torch.utils.data import Dataset


class Item(Protocol):
    """One thing to learn from. size: what a batch may hold so much of. seconds: of audio, 0 where there is none."""

    @property
    def key(self) -> str: ...
    @property
    def size(self) -> float: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one batch: numbers that are summed up over all, and one of its examples, as it should be and as it is."""

    numbers: Sequence[float]
    sample: tuple[str, str]


class Material(Protocol):
    """Made for one run, whose folder keeps what `begin` makes.

    Records are what the run's lists hold, dataclasses of plain values; items are what batches are made of.
    unit: what items are called. use: the command that the model is for, where "{}" is its folder. n_numbers: how many
    are counted of each batch. n_tokens: how many the model knows, if it knows tokens, once it is built.
    """

    unit: str
    use: str
    n_numbers: int
    n_tokens: int | None

    @property
    def batch_size(self) -> float: ...

    def read(self, names: Sequence[str]) -> tuple[list[Any], list[Skipped]]:
        """The records of the data that a user named, and what is of no use."""

    def begin(self, train: Sequence[Any]) -> None:
        """Make what the model needs of the data before it is built, into the run's folder."""

    def build(self) -> Task: ...

    def refusal(self, record: Any, task: Task) -> str | None:
        """Why a record cannot be learned from, if it cannot."""

    def record(self, values: Mapping[str, Any]) -> Any:
        """Out of a line of the run's list."""

    def items(self, records: Sequence[Any]) -> Sequence[Item]:
        """What those are made into once the model is built."""

    def corpus(self, task: Task, items: Sequence[Any], *, by_chance: bool) -> "Dataset[Any]":
        """Examples, asked for by (epoch, number). by_chance: other ones each epoch, for training."""

    def metric(self, items: Sequence[Any]) -> str:
        """What the rate is called."""

    def count(self, task: Task, batch: Any, delivered: Delivered) -> Counted: ...

    def rate(self, numbers: Sequence[float]) -> tuple[float, dict[str, float]]:
        """What is wrong, the less the better; and what else is worth knowing."""

    def write(self, task: Task, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """The model as a folder."""


def find_material(run: Run, settings: Mapping[str, Any]) -> Material:
    made: Material = find_material_class(settings, run.described)(run, settings)
    return made
