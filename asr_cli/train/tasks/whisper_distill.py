"""A Whisper that learns from a larger one (Distil-Whisper, Gandhi et al. 2023, arXiv:2311.00430): the teacher's encoder
as it is, a few of its decoder's layers, its own transcripts to learn, and its doubts to share.

B windows, U tokens, D width, V vocabulary.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_cli.checkpoint import known_fields
from asr_cli.errors import ModelError, UsageError
from asr_cli.models.folder import section
from asr_cli.train.tasks.whisper import (
    NO_TARGET,
    WhisperBatch,
    WhisperNet,
    WhisperTask,
    cross_entropy,
    read_checkpoint,
    spell,
)
from asr_cli.train.tasks.whisper_folder import Conf
from asr_cli.train.tasks.whisper_tokens import Ids

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

SECTION = "distill"
LAYER = "model.decoder.layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """The section `distill`. layers: of the student's decoder. most_errors: of a teacher's transcript, by its words
    against what was said; worse ones are not learned from. The weights are those of the paper."""

    layers: int = 2
    label_weight: float = 1.0
    divergence_weight: float = 0.8
    most_errors: float = 0.1


def read_distillation(settings: Mapping[str, Any], path: Path, init: Path | None) -> Distillation | None:
    if SECTION not in settings:
        return None
    if init is None:
        raise UsageError(f"{str(path)!r} wants to distil, and there is no teacher; name its folder with --init-from")
    found: Distillation = known_fields(Distillation, section(settings, SECTION, path), path)
    if found.layers < 1:
        raise ModelError(f"{str(path)!r} has layers {found.layers}, where a positive whole number should be")
    for one in fields(found):
        if one.type is float and getattr(found, one.name) < 0:
            raise ModelError(f"{str(path)!r} has {one.name} {getattr(found, one.name)}, where 0 or more should be")
    return found


def farthest(n_layers: int, n_kept: int) -> list[int]:
    """Which layers a student takes: as far from each other as can be.

    >>> farthest(32, 2), farthest(4, 3), farthest(4, 1)
    ([0, 31], [0, 2, 3], [0])
    """
    if n_kept == 1:
        return [0]
    return [round(i * (n_layers - 1) / (n_kept - 1)) for i in range(n_kept)]


def student_of(teacher: "WhisperForConditionalGeneration", n_layers: int) -> "WhisperForConditionalGeneration":
    """The teacher with so many of its decoder's layers."""
    from transformers import WhisperForConditionalGeneration

    kept = farthest(teacher.config.decoder_layers, n_layers)
    config = copy.deepcopy(teacher.config)
    config.decoder_layers = n_layers
    tensors: dict[str, Tensor] = {}
    for name, tensor in teacher.state_dict().items():
        if name.startswith(f"{LAYER}."):
            number, _, rest = name.removeprefix(f"{LAYER}.").partition(".")
            tensors |= {f"{LAYER}.{i}.{rest}": tensor for i, one in enumerate(kept) if one == int(number)}
        else:
            tensors[name] = tensor
    student = WhisperForConditionalGeneration(config)
    student.load_state_dict(tensors)
    return student


class DistillTask(WhisperTask):
    """The Task of a student. The encoder is the teacher's, and hears once for both."""

    def __init__(
        self,
        teacher: "WhisperForConditionalGeneration",
        distillation: Distillation,
        conf: Conf,
        tokenizer: "Tokenizer",
        ids: Ids,
    ) -> None:
        student = student_of(teacher, distillation.layers)
        super().__init__(student, replace(conf, hearing_weight=0.0), tokenizer, ids, known=True)
        self.net.encoder.requires_grad_(False)
        self.distillation = distillation
        self.teacher = teacher.model.decoder.eval().requires_grad_(False)

    def encoded(self, batch: WhisperBatch, net: WhisperNet) -> Tensor:
        net.encoder.eval()  # it drops nothing either
        with torch.no_grad():
            return super().encoded(batch, net)

    def spelling(self, logits: Tensor, batch: WhisperBatch, encoded: Tensor) -> dict[str, Tensor]:
        self.teacher.config._attn_implementation = self.config._attn_implementation
        with torch.no_grad():
            wanted = spell(self.teacher.to(encoded.device), batch.ids, encoded)
        return {
            "labels": self.distillation.label_weight * cross_entropy(logits, batch.labels),
            "divergence": self.distillation.divergence_weight * divergence(logits, wanted, batch.labels),
        }


def divergence(logits: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
    """Kullback and Leibler's, of what the teacher's logits (B, U, V) say from the student's; the mean over tokens."""
    counts = labels != NO_TARGET
    student, teacher = (one[counts].float().log_softmax(-1) for one in (logits, wanted))
    return F.kl_div(student, teacher, reduction="sum", log_target=True) / counts.sum()


def build_student(
    distillation: Distillation, settings: Mapping[str, Any], path: Path, tokenizer: "Tokenizer", init: Path, *,
    where: Path,
) -> DistillTask:  # fmt: skip
    teacher, conf, ids = read_checkpoint(settings, path, tokenizer, init, where=where)
    n_layers = teacher.config.decoder_layers
    if distillation.layers > n_layers:
        raise UsageError(
            f"{str(path)!r} has distill.layers {distillation.layers}, and the teacher's decoder has {n_layers}"
        )
    return DistillTask(teacher, distillation, conf, tokenizer, ids)
