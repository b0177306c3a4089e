"""Everything that can be used: recognisers of every backend, VAD and punctuation models. Nothing is loaded."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr_cli import registry
from asr_cli.errors import ModelError
from asr_cli.hub import places
from asr_cli.registry import ModelCard

FUNASR_LICENSE = "FunASR Model Licence 1.1"

VAD_CARDS = (
    ModelCard(
        name="fsmn-vad",
        kind="vad",
        summary="FSMN-VAD of the FunASR project",
        languages=("und",),
        license=FUNASR_LICENSE,
        modelscope="iic/speech_fsmn_vad_zh-cn-16k-common-pytorch",
        huggingface="funasr/fsmn-vad",
        streaming=True,
    ),
    ModelCard(
        name="fsmn-vad-mini",
        kind="vad",
        summary="FSMN-VAD trained by this project on synthesised speech",
        languages=("und",),
        license="Apache-2.0",
        bundled=True,
        streaming=True,
    ),
)

PUNC_CARDS = (
    ModelCard(
        name="ct-punc",
        kind="punctuation",
        summary="CT-Transformer of the FunASR project, large, Chinese and English",
        languages=("zh", "en"),
        license=FUNASR_LICENSE,
        modelscope="iic/punc_ct-transformer_cn-en-common-vocab471067-large",
        huggingface="funasr/ct-punc",
        punctuation=True,
    ),
    ModelCard(
        name="ct-punc-c",
        kind="punctuation",
        summary="CT-Transformer of the FunASR project, a quarter of the size, Chinese",
        languages=("zh",),
        license=FUNASR_LICENSE,
        modelscope="iic/punc_ct-transformer_zh-cn-common-vocab272727-pytorch",
        punctuation=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, whose it is, and where it lies if it is here."""

    card: ModelCard
    backend: str | None
    folder: Path | None

    @property
    def kind(self) -> str:
        return self.card.kind

    @property
    def is_here(self) -> bool:
        return self.card.bundled or self.folder is not None

    def as_dict(self) -> dict[str, Any]:
        folder = str(self.folder) if self.folder else None
        return {**asdict(self.card), "backend": self.backend, "here": self.is_here, "folder": folder}


def entries() -> Iterator[Entry]:
    for backend, card in registry.cards():
        yield Entry(card, backend.name, find_folder(card))
    for card in (*VAD_CARDS, *PUNC_CARDS):
        yield Entry(card, None, find_folder(card))


def find(name: str) -> Entry:
    """A model of any kind by its name."""
    by_name = {entry.card.name: entry for entry in entries()}
    if name not in by_name:
        raise ModelError(registry.unknown(name, by_name))
    return by_name[name]


def find_folder(card: ModelCard, model_dir: Path | None = None) -> Path | None:
    if card.bundled:
        return None
    return places.find(card.name, modelscope=card.modelscope, huggingface=card.huggingface, model_dir=model_dir)
