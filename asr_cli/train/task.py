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
from asr_cli.train.data.lists import Skipped

FRAME_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance to learn from. features: log-mel of 10 ms frames (T, n_mels), augmented, not normalised."""

    key: str
    features: Tensor
    ids: tuple[int, ...]
    text: str

    @property
    def seconds(self) -> float:
        return len(self.features) * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class Delivered:
    """A batch as a loader gives it. batch: None where none of its examples could be used."""

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    seconds: float
    batch: Any
    skipped: tuple[Skipped, ...]


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
    collate: Callable[[Sequence[Any]], Any]
    initialised: frozenset[str]

    def losses(self, batch: Any, net: nn.Module) -> Losses:
        """net: `self.net`, in training mode or not; dropout and the like only in training mode."""

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        """A folder in FunASR's layout that `asr` loads. tensors: as of `net.state_dict()`."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Which utterances a recogniser can be trained on. frame: how many frames of 10 ms become one that carries a token;
    bias: end tokens behind each text."""

    frame: int
    bias: int = 0

    def __call__(self, n_frames: int, ids: Sequence[int]) -> str | None:
        n_tokens, n_heard = len(ids) + self.bias, -(-n_frames // self.frame)
        if not ids:
            return "its text has no tokens"
        if n_tokens <= n_heard:
            return None
        return f"its text has {n_tokens} tokens and its sound only {n_heard} frames of {10 * self.frame} ms"


class RecognizerTask(Task, Protocol):
    """A recogniser in training.

    refusal: of so many 10 ms frames and these ids, why such an utterance cannot be trained on, if it cannot. Called in
    other processes, as `collate`.
    """

    refusal: Fit

    def transcribe(self, batch: Any) -> list[list[int]]:
        """The ids of each utterance, the likeliest at each place, in the order of the batch's examples."""


class Builder(Protocol):
    def __call__(
        self,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        cmvn: Cmvn,
        init: Path | None,
    ) -> RecognizerTask:
        """settings: a config.yaml of FunASR's; path: where they were read, for messages; init: a checkpoint folder."""


# By what config.yaml calls `model`, in small letters without underscores: where a recogniser's Builder is,
TASKS = {
    "paraformer": "asr_cli.train.tasks.paraformer:build",
    "bicifparaformer": "asr_cli.train.tasks.paraformer:build",
    "seacoparaformer": "asr_cli.train.tasks.paraformer:build",
    "contextualparaformer": "asr_cli.train.tasks.paraformer:build",
    "paraformerstreaming": "asr_cli.train.tasks.paraformer_streaming:build",
    "paraformeronline": "asr_cli.train.tasks.paraformer_streaming:build",
    "bat": "asr_cli.train.tasks.transducer:build",
    "rwkvbat": "asr_cli.train.tasks.transducer:build",
    "transducer": "asr_cli.train.tasks.transducer:build",
    "uniasr": "asr_cli.train.tasks.uniasr:build",
}
TRANSCRIPTS = "asr_cli.train.data.transcripts:Transcripts"
# and where the Material of other models is. The last of either are names of before FunASR 1.0.
MATERIALS = {
    "fsmnvadstreaming": "asr_cli.train.data.spans:SpeechSpans",
    "fsmnvad": "asr_cli.train.data.spans:SpeechSpans",
    "e2evad": "asr_cli.train.data.spans:SpeechSpans",
    "cttransformer": "asr_cli.train.data.prose_marks:MarkedProse",
    "cttransformerstreaming": "asr_cli.train.data.prose_marks:MarkedProse",
    "targetdelay": "asr_cli.train.data.prose_marks:MarkedProse",
    "vadrealtime": "asr_cli.train.data.prose_marks:MarkedProse",
    "whisper": "asr_cli.train.data.spoken_windows:SpokenWindows",
}


def find_builder(settings: Mapping[str, Any], path: Path) -> Builder:
    builder: Builder = at(TASKS[kind_of(settings, path, TASKS)])
    return builder


def find_material_class(settings: Mapping[str, Any], path: Path) -> Any:
    return at(MATERIALS.get(kind_of(settings, path, {**TASKS, **MATERIALS}), TRANSCRIPTS))


def kind_of(settings: Mapping[str, Any], path: Path, known: Mapping[str, str]) -> str:
    name = settings.get("model") or settings.get("punctuation")
    kind = str(name or "").lower().replace("_", "")
    if kind not in known:
        raise ModelError(
            f"{str(path)!r} describes a model that cannot be trained here (model: {name!r}); there are"
            f" {', '.join(known)}"
        )
    return kind


def at(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
