"""What a teacher hears of the recordings that its student learns from."""

import logging
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE
from asr_cli.errors import AsrError
from asr_cli.train.config import Run
from asr_cli.train.data.augment import read_samples
from asr_cli.train.data.batches import divide
from asr_cli.train.data.laid import Spoken
from asr_cli.train.data.windows import FRAME
from asr_cli.train.devices import kind_of
from asr_cli.train.tasks.whisper import WhisperTask, greedy
from asr_cli.train.tasks.whisper_folder import make_features
from asr_cli.train.tasks.whisper_tokens import decoded

log = logging.getLogger("asr")


def transcripts(task: WhisperTask, utterances: Sequence[Spoken], run: Run) -> Iterator[tuple[str, str]]:
    """Keys and texts; nothing of recordings that cannot be read."""
    log.info("the teacher writes down what it hears of %d utterances", len(utterances))
    device, seconds = torch.device(kind_of(run.device)), [one.seconds for one in utterances]
    order = sorted(range(len(seconds)), key=lambda i: -seconds[i])
    net = task.net.to(device).eval()
    for numbers in divide(seconds, order, run.recipe.train.batch_seconds):
        keys, features = heard(task, [utterances[i] for i in numbers])
        if not keys:
            continue
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=run.precision != "float32"):
            texts = greedy(net, features.to(device), task.ids, task.conf.max_target_positions)
        yield from zip(keys, (decoded(task.tokenizer, ids, task.ids.end) for ids in texts), strict=True)


def heard(task: WhisperTask, utterances: Iterable[Spoken]) -> tuple[list[str], Tensor]:
    """Their keys, and their log-mel as far as the longest goes (B, M, T)."""
    extract, keys, rows, n_most = make_features(task.conf), [], [], 0
    for one in utterances:
        try:
            samples = read_samples(one.source, one.start, one.end)
        except AsrError:
            continue
        made = extract(samples.numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        keys.append(one.key)
        rows.append(made["input_features"][0])
        n_most = max(n_most, len(samples) // FRAME + 1)
    return keys, torch.stack(rows)[..., : n_most + n_most % 2] if rows else torch.zeros(0)
