"""CT-Transformer in training: which mark follows each token.

N tokens of stretches laid end to end, B stretches, T tokens of the longest, D width, M marks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli import checkpoint
from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError
from asr_cli.models.ct_punc import WEIGHTS, Config, CtPuncNet, corner
from asr_cli.models.folder import file_of, section
from asr_cli.models.write_folder import write_folder
from asr_cli.nn.rows import Rows
from asr_cli.punctuation.weights import ENCODERS, MODELS, read_config
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Losses
from asr_cli.train.tasks.sanm import Dropout, encode, read_dropout

IGNORED = 0  # the label of what has none
SMALL = 0.1  # deviation of a new embedding, beside positions of the size of 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens with the label of the mark behind each. heard: how many of them a network that hears utterance after
    utterance had seen before."""

    key: str
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    heard: int
    text: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StretchBatch:
    """ids, labels: (N,); lengths and heard of each stretch."""

    ids: Tensor
    labels: Tensor
    lengths: tuple[int, ...]
    heard: tuple[int, ...]

    def to(self, device: torch.device) -> Self:
        ids, labels = (one.to(device, non_blocking=True) for one in (self.ids, self.labels))
        return replace(self, ids=ids, labels=labels)


def collate(stretches: Sequence[Stretch]) -> StretchBatch:
    return StretchBatch(
        torch.tensor([one for part in stretches for one in part.ids]),
        torch.tensor([one for part in stretches for one in part.labels]),
        tuple(len(one.ids) for one in stretches),
        tuple(one.heard for one in stretches),
    )


class PunctuatorTask:
    """The Task of a CT-Transformer, realtime or not."""

    net: CtPuncNet

    def __init__(
        self,
        net: CtPuncNet,
        settings: Mapping[str, Any],
        path: Path,
        vocabulary: Vocabulary,
        initialised: frozenset[str] = frozenset(),
    ) -> None:
        self.net, self.settings, self.vocabulary, self.initialised = net, settings, vocabulary, initialised
        self.dropout = read_dropout(section(settings, "encoder_conf", path), "attention_dropout_rate", path)
        self.weights = read_weights(section(settings, "model_conf", path), net.config, path)
        self.collate = collate

    def logits(self, net: CtPuncNet, batch: StretchBatch) -> Tensor:
        """(N, M)."""
        rows = Rows(batch.lengths, batch.ids.device)
        masks = realtime_masks(net.config, rows, batch.heard) if net.config.realtime else ()
        dropout = self.dropout if net.training else Dropout(0.0, 0.0)
        return net.marks(encode(net.encoder, net.embed(batch.ids), rows, dropout, net.training, masks)).float()

    def losses(self, batch: StretchBatch, net: nn.Module) -> Losses:
        """FunASR's: the mean over tokens, of which some weigh more than others and none less for that."""
        assert isinstance(net, CtPuncNet)
        logits, n_tokens = self.logits(net, batch), len(batch.ids)
        weights = logits.new_tensor(self.weights)
        total = F.cross_entropy(logits, batch.labels, weights, ignore_index=IGNORED, reduction="sum") / n_tokens
        right = (logits.argmax(1) == batch.labels).float().mean()
        return Losses(total, {"accuracy": right}, float(n_tokens))

    def write(self, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        own = dict(checkpoint.theirs(tensors, WEIGHTS))
        write_folder(folder, modern(self.settings, self.net.config), own, None, self.vocabulary.tokens)


def build(settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, init: Path | None) -> PunctuatorTask:
    """Random weights, or those of a checkpoint."""
    config = read_config(settings, path, len(vocabulary))
    net, initialised = CtPuncNet(config), frozenset[str]()
    if init is None:
        nn.init.normal_(net.embed.weight, std=SMALL)
    else:
        checkpoint.load(net, file_of(init, MODELS), WEIGHTS)
        initialised = frozenset(name for name, _ in net.named_parameters())
        for parameter in net.parameters():
            parameter.data = parameter.data.clone()  # out of the file, which must not follow them
    return PunctuatorTask(net, settings, path, vocabulary, initialised)


def realtime_masks(config: Config, rows: Rows, heard: Sequence[int]) -> list[Tensor]:
    """Of each layer, which token sees which (B, T, T): what is before it, and in the last layer what is there."""
    n_longest = max(rows.lengths)
    causal = torch.ones(n_longest, n_longest, dtype=torch.bool, device=rows.device).tril()
    corners = torch.stack([corner(n_longest, known, rows.device) for known in heard])
    return [causal.expand_as(corners)] * (config.num_blocks - 1) + [corners]


def read_weights(values: Mapping[str, Any], config: Config, path: Path) -> tuple[float, ...]:
    """How much each mark weighs."""
    found = values.get("punc_weight") or [1.0] * len(config.punc_list)
    if not isinstance(found, list) or len(found) != len(config.punc_list):
        raise ModelError(f"{str(path)!r} has punc_weight {found!r}, where {len(config.punc_list)} numbers should be")
    return tuple(fitted("punc_weight", one, float, path) for one in found)


def modern(settings: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """The configuration as FunASR writes it since 1.0."""
    if "punctuation" not in settings:
        return dict(settings)
    own = asdict(config)
    model = {name: own[name] for name in ("embed_unit", "att_unit", "sentence_end_id")}
    names = "input_size", "output_size", "attention_heads", "linear_units", "num_blocks", "kernel_size", "sanm_shfit"
    fixed = {"input_layer": "pe", "selfattention_layer_type": "sanm", "normalize_before": True}
    return {
        "model": "CTTransformerStreaming" if config.realtime else "CTTransformer",
        "model_conf": {"ignore_id": IGNORED, "punc_list": list(config.punc_list), **model},
        "encoder": ENCODERS[config.realtime][0],
        "encoder_conf": {**{name: own[name] for name in names}, **fixed, "padding_idx": 0},
    }
