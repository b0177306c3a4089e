"""FSMN-VAD in training: is somebody speaking, frame by frame.

B windows, T frames of 10 ms, V output classes, of which the first is silence.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli import checkpoint
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.folder import file_of
from asr_cli.models.fsmn_vad import WEIGHTS, FsmnVadNet
from asr_cli.models.write_folder import write_folder
from asr_cli.train.task import FRAME_SECONDS, Losses
from asr_cli.vad.endpoint import EndpointOptions
from asr_cli.vad.fsmn import STACK, FsmnVad
from asr_cli.vad.weights import decisions_of, read_config, sized, theirs

FRONTENDS = "WavFrontend", "WavFrontendOnline"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording. features: log-mel (T, n_mels), augmented, not normalised. labels: speech or not (T,).
    counts: which frames are learned from (T,); the others are there so that these have a past and a future.
    """

    key: str
    features: Tensor
    labels: Tensor
    counts: Tensor
    text: str = ""

    @property
    def seconds(self) -> float:
        return len(self.features) * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """features: normalised and stacked (B, T, D); labels, counts: (B, T)."""

    features: Tensor
    labels: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> Self:
        names = "features", "labels", "counts"
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


@dataclass(frozen=True, slots=True)
class Collate:
    """Windows to a batch; the network looks into the past only, so nothing hears the padding."""

    cmvn: Cmvn
    lfr: LowFrameRate

    def __call__(self, windows: Sequence[Window]) -> WindowBatch:
        rows = [self.cmvn(self.lfr(one.features)[0]) for one in windows]
        return WindowBatch(
            pad_sequence(rows, batch_first=True),
            pad_sequence([one.labels for one in windows], batch_first=True),
            pad_sequence([one.counts for one in windows], batch_first=True),
        )


class DetectorTask:
    """The Task of an FSMN-VAD.

    Its probability of speech is made so that a frame is as likely speech as not where it reaches what the
    configuration asks of speech, which is more than a half: there FunASR and `asr vad` decide.
    """

    net: FsmnVadNet

    def __init__(
        self,
        net: FsmnVadNet,
        settings: Mapping[str, Any],
        options: EndpointOptions,
        cmvn: Cmvn,
        initialised: frozenset[str] = frozenset(),
    ) -> None:
        self.net, self.settings, self.cmvn, self.initialised = net, settings, cmvn, initialised
        self.at = decision(options)
        self.collate = Collate(cmvn, LowFrameRate(STACK, 1))
        # Frames before a window that its first frame hears.
        self.n_past = sum(layer.memory.left for layer in net.layers) + STACK // 2  # type: ignore[union-attr, misc]

    def margins(self, net: nn.Module, batch: WindowBatch) -> Tensor:
        """Of each frame (B, T), above 0 where it is taken for speech."""
        logits, _ = net(batch.features)
        return speech_logit(logits.float()) - self.at

    def losses(self, batch: WindowBatch, net: nn.Module) -> Losses:
        margins, labels = self.margins(net, batch)[batch.counts], batch.labels[batch.counts]
        total = F.binary_cross_entropy_with_logits(margins, labels)
        errors = ((margins > 0) != (labels > 0)).float().mean()
        return Losses(total, {"errors": errors}, float(len(labels)))

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        write_folder(folder, modern(self.settings, self.net), theirs(tensors), self.cmvn, None)


def build(settings: Mapping[str, Any], path: Path, cmvn: Cmvn, init: Path | None) -> DetectorTask:
    """Random weights, or those of a checkpoint."""
    config, options = read_config(settings, path)
    net, initialised = FsmnVadNet(config), frozenset[str]()
    FsmnVad(net, sized(cmvn, config, path), options)  # which refuses what it could not hear with
    if init is not None:
        checkpoint.load(net, file_of(init, WEIGHT_FILES), WEIGHTS)
        initialised = frozenset(name for name, _ in net.named_parameters())
        for parameter in net.parameters():
            parameter.data = parameter.data.clone()  # out of the file, which must not follow them
    return DetectorTask(net, settings, options, cmvn, initialised)


def speech_logit(logits: Tensor) -> Tensor:
    """All the other classes (B, T, V) against silence, (B, T)."""
    return logits[..., 1:].logsumexp(dim=-1) - logits[..., 0]


def decision(options: EndpointOptions) -> float:
    """The logit at which a frame begins to be speech: p >= (1 - p) ** ratio + threshold.

    >>> round(decision(EndpointOptions()), 4) == round(math.log(0.8 / 0.2), 4)
    True
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        is_speech = middle >= (1 - middle) ** options.speech_2_noise_ratio + options.threshold
        low, high = (low, middle) if is_speech else (middle, high)
    share = min(max(high, 1e-4), 1 - 1e-4)  # a threshold that all or nothing reaches has no logit
    return math.log(share / (1 - share))


def modern(settings: Mapping[str, Any], net: FsmnVadNet) -> dict[str, Any]:
    """The configuration as FunASR writes it since 1.0."""
    named = settings.get("frontend")
    return {
        "model": "FsmnVADStreaming",
        "model_conf": dict(decisions_of(settings)),
        "encoder": "FSMN",
        "encoder_conf": asdict(net.config),
        "frontend": named if named in FRONTENDS else FRONTENDS[1],
        "frontend_conf": dict(settings.get("frontend_conf") or {}),
    }
