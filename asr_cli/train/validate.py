"""What weights are worth on utterances they have not seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules
from asr_cli.text.characters import is_unspaced
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.text.words import Piece, join
from asr_cli.train.data import Delivered
from asr_cli.train.task import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

METRIC = "mer"  # of unspaced scripts characters, of others words
KEPT = 1  # samples to show


@dataclass(frozen=True, slots=True)
class Verdict:
    """loss: of the task; rate: errors for each unit."""

    loss: float
    rate: float
    sample: tuple[str, str]


def validate(fabric: "Fabric", task: Task, batches: Iterable[Delivered], vocabulary: Vocabulary) -> Verdict:
    """On all processes together. The net is in training mode again afterwards."""
    sums = torch.zeros(4, dtype=torch.float64)  # loss, weight, errors, units
    samples: list[tuple[str, str]] = []
    task.net.eval()
    with torch.no_grad():
        for one in batches:
            if one.batch is None:
                continue
            batch = one.batch.to(fabric.device)
            with fabric.autocast():
                losses = task.losses(batch, task.net)
                said = task.transcribe(batch)
            hypotheses = [spelled(ids, vocabulary) for ids in said]
            counted = count(one.keys, one.texts, hypotheses)
            sums += torch.tensor([float(losses.total) * losses.weight, losses.weight, *counted], dtype=torch.float64)
            samples = samples or [(one.texts[0], hypotheses[0])]
    task.net.train()
    total = reduced(fabric, sums)
    loss, weight, errors, units = total.tolist()
    sample = samples[0] if samples else ("", "")
    return Verdict(loss / max(weight, 1.0), errors / max(units, 1.0), sample)


def reduced(fabric: "Fabric", sums: Tensor) -> Tensor:
    """The sum over all processes."""
    if fabric.world_size == 1:
        return sums
    exact = torch.float32 if fabric.device.type == "mps" else torch.float64
    found = fabric.all_reduce(sums.to(fabric.device, exact), reduce_op="sum")
    assert isinstance(found, Tensor)
    return found.cpu()


def spelled(ids: Sequence[int], vocabulary: Vocabulary) -> str:
    """The text that a recogniser would make of them."""
    words = join((Piece(vocabulary.piece(one), 0.0, 0.0) for one in ids), sentencepiece=vocabulary.sentencepiece)
    return "".join(word.text for word in words).strip()


def count(keys: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]) -> tuple[int, int]:
    """Errors and units."""
    pairs = (Pair(*one) for one in zip(keys, references, hypotheses, strict=True))
    counts = score(pairs, METRIC, Rules()).counts
    return counts.errors, counts.units


def metric_of(texts: Iterable[str]) -> str:
    """What the rate is called: CER where most is characters of unspaced scripts."""
    n_unspaced = n_all = 0
    for text in texts:
        n_unspaced += sum(map(is_unspaced, text))
        n_all += len(text) - text.count(" ")
    return "CER" if 2 * n_unspaced > n_all else "WER"
