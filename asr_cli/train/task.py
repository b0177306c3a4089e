"""What the training loop asks of a kind of model, and which kinds there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.text.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance to learn from. features: log-mel of 10 ms frames (T, n_mels), augmented, not normalised."""

    key: str
    features: Tensor
    ids: tuple[int, ...]
    text: str


class Batch(Protocol):
    """Examples together, as tensors; whatever else it holds, it can go to another device and between processes."""

    def to(self, device: torch.device) -> Self: ...


@dataclass(frozen=True, slots=True)
class Losses:
    """What is wrong with a net's answers to a batch.

    total: a scalar to be made smaller, the mean over what counts. weight: how many things that is (tokens, or
    utterances); batches weigh as much in a step. parts: scalars that are shown, each a mean over the same.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    weight: float


class Task(Protocol):
    """A kind of model in training.

    net: all that is trained, heads that only training needs among it. initialised: the names of its parameters that
    come from a checkpoint. collate: called in other processes, so it holds no net; a frozen dataclass with __call__.
    """

    net: nn.Module
    collate: Callable[[Sequence[Example]], Any]
    initialised: frozenset[str]

    def refusal(self, n_frames: int, ids: Sequence[int]) -> str | None:
        """Why an utterance of so many 10 ms frames cannot be trained on with these ids, if it cannot."""

    def losses(self, batch: Any, net: nn.Module) -> Losses:
        """net: `self.net`, in training mode or not; dropout and the like only in training mode."""

    def transcribe(self, batch: Any) -> list[list[int]]:
        """The ids of each utterance, the likeliest at each place, in the order of the batch's examples."""

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """A folder in FunASR's layout that `asr transcribe --model` loads. tensors: as of `net.state_dict()`."""


class Builder(Protocol):
    def __call__(
        self,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        cmvn: Cmvn,
        init: Path | None,
    ) -> Task:
        """settings: a config.yaml of FunASR's; path: where they were read, for messages; init: a checkpoint folder."""


# By what config.yaml calls `model`, in small letters without underscores: where its Builder is.
TASKS = {
    "paraformer": "asr_cli.train.paraformer:build",
    "paraformerstreaming": "asr_cli.train.paraformer_streaming:build",
    "paraformeronline": "asr_cli.train.paraformer_streaming:build",
    "bat": "asr_cli.train.transducer:build",
    "rwkvbat": "asr_cli.train.transducer:build",
    "transducer": "asr_cli.train.transducer:build",
}


def find_builder(settings: Mapping[str, Any], path: Path) -> Builder:
    kind = str(settings.get("model") or "").lower().replace("_", "")
    if kind not in TASKS:
        raise ModelError(
            f"{str(path)!r} describes a model that cannot be trained here (model: {settings.get('model')!r});"
            f" there are {', '.join(TASKS)}"
        )
    module, _, name = TASKS[kind].partition(":")
    builder: Builder = getattr(import_module(module), name)
    return builder
