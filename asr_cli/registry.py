"""Which recognisers are installed. They are found by entry point only; ours use the same door as anybody's.

A backend's face imports no torch: listing models must stay instant. `load` imports the rest.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from asr_cli.errors import ModelError
from asr_cli.protocols import Recognizer

GROUP = "asr.backends"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is and can do; everything `asr models` shows."""

    name: str
    summary: str
    languages: tuple[str, ...]  # BCP 47, most specific form the model was made for
    license: str
    sample_rate: int = 16_000
    devices: tuple[str, ...] = ("cpu",)  # kinds it can run on: cpu, cuda, mps
    bundled: bool = False  # its weights come with an installed package: usable without a network
    modelscope: str | None = None  # "owner/name"
    huggingface: str | None = None
    size_bytes: int | None = None
    word_times: bool = False
    streaming: bool = False
    hotwords: bool = False
    prompt: bool = False
    translate: bool = False


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to put a model on this machine."""

    device: str = "auto"
    threads: int | None = None  # None: as many as there are cores


@dataclass(frozen=True, slots=True)
class Backend:
    """A plugin's whole contract: a name, its models, and a function that loads one of them.

    `folder` is the model's directory, or None for a bundled model.
    """

    name: str
    models: tuple[ModelCard, ...]
    load: Callable[[ModelCard, Path | None, LoadOptions], Recognizer]


@cache
def backends() -> dict[str, Backend]:
    """Every installed backend by name; two of one name are an error that names both."""
    found: dict[str, Backend] = {}
    origin: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        try:
            backend = entry.load()
        except Exception as error:  # whatever a stranger's module does while it is imported
            name = entry.dist.name if entry.dist else entry.value
            raise ModelError(
                f"the backend {entry.value} cannot be loaded ({type(error).__name__}: {error});"
                f" update or uninstall the package {name}"
            ) from error
        if not isinstance(backend, Backend):
            raise ModelError(f"entry point {entry.value!r} in group {GROUP!r} is no asr_cli.registry.Backend")
        if backend.name in found and origin[backend.name] != entry.value:
            raise ModelError(
                f"two backends are named {backend.name!r}: {origin[backend.name]} and {entry.value}; uninstall one"
            )
        found[backend.name], origin[backend.name] = backend, entry.value
    return found


def cards() -> Iterator[tuple[Backend, ModelCard]]:
    for backend in backends().values():
        for card in backend.models:
            yield backend, card


def find(name: str) -> tuple[Backend, ModelCard]:
    """The backend and card of a model."""
    by_name = {card.name: (backend, card) for backend, card in cards()}
    if name in by_name:
        return by_name[name]
    near = get_close_matches(name, by_name, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ModelError(f"no model is named {name!r}; {hint}installed: {', '.join(sorted(by_name)) or 'none'}")


@contextmanager
def open_recognizer(
    backend: Backend, card: ModelCard, folder: Path | None, options: LoadOptions
) -> Iterator[Recognizer]:
    """Load a model, and let go of what it holds (processes, device memory) afterwards."""
    recognizer = backend.load(card, folder, options)
    try:
        yield recognizer
    finally:
        close = getattr(recognizer, "close", None)
        if close is not None:
            close()
