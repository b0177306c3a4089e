"""Everything that can be used: recognisers of every installed backend, and VAD models. Light: nothing is loaded."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr_cli import hub, registry
from asr_cli.registry import ModelCard

VAD_CARDS = (
    ModelCard(
        name="fsmn-vad",
        summary="FSMN-VAD of the FunASR project",
        languages=("und",),
        license="FunASR Model Licence 1.1",
        modelscope="iic/speech_fsmn_vad_zh-cn-16k-common-pytorch",
        huggingface="funasr/fsmn-vad",
        streaming=True,
    ),
    ModelCard(
        name="fsmn-vad-mini",
        summary="FSMN-VAD trained by this project on synthesised speech",
        languages=("und",),
        license="Apache-2.0",
        bundled=True,
        streaming=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, what kind it is, and where it lies if it is here."""

    card: ModelCard
    kind: str  # "recognizer" or "vad"
    backend: str | None
    folder: Path | None

    @property
    def is_here(self) -> bool:
        return self.card.bundled or self.folder is not None

    def as_dict(self) -> dict[str, Any]:
        folder = str(self.folder) if self.folder else None
        return {
            **asdict(self.card),
            "kind": self.kind,
            "backend": self.backend,
            "here": self.is_here,
            "folder": folder,
        }


def entries() -> Iterator[Entry]:
    for backend, card in registry.cards():
        yield Entry(card, "recognizer", backend.name, find_folder(card))
    for card in VAD_CARDS:
        yield Entry(card, "vad", None, find_folder(card))


def find_folder(card: ModelCard, model_dir: Path | None = None) -> Path | None:
    if card.bundled:
        return None
    return hub.find(card.name, modelscope=card.modelscope, huggingface=card.huggingface, model_dir=model_dir)
