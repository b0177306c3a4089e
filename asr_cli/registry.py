"""Which recognisers are installed. They are found by entry point only; ours use the same door as anybody's.
The models beside them, for VAD and punctuation, are a fixed list.

A backend's face imports no torch: listing models must stay instant. `load` imports the rest.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from asr_cli.cards import COMPANIONS, PUNC_CARDS, VAD_CARDS
from asr_cli.cards import FUNASR_LICENSE as FUNASR_LICENSE
from asr_cli.cards import ModelCard as ModelCard
from asr_cli.decoding import DecodingOptions
from asr_cli.errors import ModelError, UsageError
from asr_cli.protocols import Recognizer

GROUP = "asr.backends"
N_SHOWN = 8  # files of a folder that an error lists
BY_ID = re.compile(r"([A-Za-z][\w-]+):([\w.-]+/[\w.-]+)", re.ASCII)  # BACKEND:OWNER/NAME


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to put a model on this machine."""

    device: str = "auto"
    threads: int | None = None  # None: as many as there are cores
    compute_type: str = "auto"  # or float32, bfloat16, float16, int8
    hotwords: tuple[str, ...] = ()  # only for a model whose card says that it takes them
    hotword_weight: float = 1.0
    mode: str | None = None  # one of the card's modes; None: the model's own
    chunk_size: tuple[int, int, int] | None = None  # look-back, chunk, look-ahead; frames of 60 ms
    encoder_chunk_look_back: int = 4  # chunks that a streaming encoder remembers
    decoder_chunk_look_back: int = 1
    refresh: float | None = None  # s between two looks of a second pass; None: as soon as there is something to see
    decoding: DecodingOptions = field(default_factory=DecodingOptions)  # other than by default only as the card knows
    assistant: Path | None = None  # the folder of a smaller model of the same backend that drafts for this one
    language: str | None = None  # what is spoken, of the card's languages; None: nobody has said


def mode_of(card: ModelCard, options: LoadOptions) -> str:
    """The mode to decode in, of a model that has modes: the one asked for, else its own."""
    if options.mode is not None and options.mode not in card.modes:
        raise UsageError(f"{card.name} has no mode {options.mode!r}; it has {', '.join(card.modes)}")
    return options.mode or card.modes[0]


@dataclass(frozen=True, slots=True)
class Backend:
    """A plugin's whole contract: a name, its models, and a function that loads one of them.

    models: the best first. load: its folder is the model's directory, or None for a bundled model that has none.
    card_of: what a folder (or a single file) holds, from a light look into it (configuration, no weights), or None if
    it cannot be read. card_named: the card of any model on a hub that the backend may read, by its "owner/name"; it is
    called BACKEND:OWNER/NAME then.
    """

    name: str
    models: tuple[ModelCard, ...]
    load: Callable[[ModelCard, Path | None, LoadOptions], Recognizer]
    card_of: Callable[[Path], ModelCard | None] | None = None
    card_named: Callable[[str], ModelCard | None] | None = None


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
    """The backend and card of a recogniser, by its name, its id on a hub, its backend and id, or its folder."""
    folder = folder_named(name)
    if folder is not None:
        return find_by_folder(folder)
    known = list(cards())
    for backend, card in known:
        if name in card.names:
            return backend, card
    if is_by_id(name):
        return find_by_id(name)
    refuse_companion(name)
    raise ModelError(unknown(name, (card.name for _, card in known)))


def is_by_id(name: str) -> bool:
    """Whether a name says which backend is to read which model of a hub: BACKEND:OWNER/NAME."""
    return BY_ID.fullmatch(name) is not None


def find_by_id(name: str) -> tuple[Backend, ModelCard]:
    found = BY_ID.fullmatch(name)
    assert found is not None
    kind, model_id = found.groups()
    backend = backends().get(kind)
    if backend is None:
        raise ModelError(
            f"no backend is named {kind!r}; {did_you_mean(kind, backends())}there are {', '.join(backends())}"
        )
    known = next((card for card in backend.models if model_id in card.names), None)
    if known is not None:
        return backend, known
    card = backend.card_named(model_id) if backend.card_named is not None else None
    if card is None:
        raise ModelError(f"{kind} cannot read {model_id!r} by its id; name one of its models (asr models), or a folder")
    return backend, replace(card, name=name)


def refuse_companion(name: str) -> None:
    """A VAD or punctuation model in the place of a recogniser is told which option takes it."""
    for card in (*VAD_CARDS, *PUNC_CARDS):
        if name.lower() in map(str.lower, card.names):
            kind, option = COMPANIONS[card.kind]
            raise UsageError(
                f"{name!r} is a {kind} model, which {option} {card.name} takes; name a recogniser here (asr models)"
            )


def unknown(name: str, known: Iterable[str]) -> str:
    """What to say of a name that no model has."""
    names = sorted(known)
    return f"no model is named {name!r}; {did_you_mean(name, names)}known: {', '.join(names) or 'none'}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the nearest name, however it is capitalized; empty where none is near."""
    plain = {one.lower(): one for one in names}
    near = get_close_matches(name.lower(), plain, n=1)
    return f"did you mean {plain[near[0]]!r}? " if near else ""


def folder_named(name: str) -> Path | None:
    """The folder or file that a name means: one that is written as a path, or is there and no model's name."""
    if not name.strip():
        raise UsageError("the name of a model is empty; name one (asr models), a folder, or auto for the best one here")
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where there is no home
    is_path = os.sep in name or name.startswith((".", "~"))
    if is_known(name) and not (is_path and is_there(path)):
        return None  # an id on a hub looks like a path
    return path if is_path or is_there(path) else None


def named_in(name: str, model_dir: Path | None) -> str:
    """The name, or where a directory of models has a folder or file of a name that no model has, that one."""
    if model_dir is None or not name.strip() or is_known(name):
        return name
    folder = Path(model_dir) / name
    return str(folder.absolute()) if is_there(folder) else name


def is_known(name: str) -> bool:
    return name in known_names() or is_by_id(name)


def known_names() -> set[str]:
    """All that a model, of any kind, answers to."""
    models = (*(card for _, card in cards()), *VAD_CARDS, *PUNC_CARDS)
    return {name for card in models for name in card.names}


def is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a name is too long


def is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - the same


def find_by_folder(folder: Path) -> tuple[Backend, ModelCard]:
    if not is_there(folder):
        name = str(folder)
        no_id = " and no model that is known has that id on a hub" if re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) else ""
        hint = (did_you_mean(name, known_names()) or by_id(name)) if no_id else ""
        raise ModelError(
            f"there is no folder {name!r}{no_id}; {hint}name a folder that holds a model, or a model (asr models)"
        )
    for backend in backends().values():
        card = backend.card_of(folder) if backend.card_of is not None else None
        if card is not None:
            return backend, card
    raise ModelError(f"no installed backend can read a model from {str(folder)!r}; it holds {contents(folder)}")


def by_id(model_id: str) -> str:
    """How a model is named that no backend lists."""
    able = [f"{backend.name}:{model_id}" for backend in backends().values() if backend.card_named is not None]
    return f"{' or '.join(able)} takes it from there; " if able else ""


def contents(folder: Path) -> str:
    if not is_folder(folder):
        return "one file that none of them knows"
    try:
        names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"
    more = f" and {len(names) - N_SHOWN} more" if len(names) > N_SHOWN else ""
    return (", ".join(names[:N_SHOWN]) + more) or "nothing"


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
