"""Everything that can be used: recognisers of every backend, VAD and punctuation models. Nothing is loaded."""

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr_cli import registry
from asr_cli.cards import PUNC_CARDS as PUNC_CARDS
from asr_cli.cards import VAD_CARDS as VAD_CARDS
from asr_cli.errors import DownloadError, ModelError, UsageError
from asr_cli.hub import places
from asr_cli.hub.ask import Address, Answer, ask
from asr_cli.hub.care import revision_of
from asr_cli.hub.manifest import AUTO as AUTO
from asr_cli.hub.manifest import HUBS, TRANSFORMERS, WEIGHTS, Manifest, check_hub, is_one_of, lost, recorded
from asr_cli.hub.memory import remember, remembered
from asr_cli.hub.pull import pull, resumable
from asr_cli.hub.transfer import length
from asr_cli.models.bundled import bundled_folder
from asr_cli.options import ModelOptions
from asr_cli.registry import ModelCard

log = logging.getLogger("asr")

OFFLINE_VARIABLES = ("ASR_OFFLINE", "HF_HUB_OFFLINE")


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

    @property
    def size_bytes(self) -> int | None:
        """What it takes on this disk, else what a hub said when somebody last asked."""
        if self.folder is not None:
            return places.size_of(self.folder)
        manifest = remembered(self.card.name)
        return manifest.size if manifest else None

    def as_dict(self) -> dict[str, Any]:
        folder = str(self.folder) if self.folder else None
        here = {"backend": self.backend, "here": self.is_here, "folder": folder, "size_bytes": self.size_bytes}
        return {**asdict(self.card), "prompt": self.card.prompt, "translate": self.card.translate, **here}


def entries(model_dir: Path | None = None) -> Iterator[Entry]:
    for backend, card in registry.cards():
        yield Entry(card, backend.name, find_folder(card, model_dir))
    for backend, card in pulled_by_id():
        yield Entry(card, backend.name, find_folder(card, model_dir))
    for card in (*VAD_CARDS, *PUNC_CARDS):
        yield Entry(card, None, find_folder(card, model_dir))


def pulled_by_id() -> Iterator[tuple[registry.Backend, ModelCard]]:
    """Models of hubs that no backend lists, and that were downloaded all the same."""
    for folder in places.entries(places.models_folder()):
        manifest = recorded(folder)
        if manifest is None:
            continue
        name = f"{folder.name.partition('--')[0]}:{manifest.model_id}"
        if places.file_name(name) != folder.name or not registry.is_by_id(name):
            continue
        try:
            yield registry.find_by_id(name)
        except ModelError:  # its backend is gone
            continue


def find(name: str, model_dir: Path | None = None) -> Entry:
    """A model of any kind by its name or its id on a hub, or a recogniser by its backend and id, or its folder."""
    folder = registry.folder_named(name)
    if folder is not None:
        backend, card = registry.find_by_folder(folder)
        return Entry(card, backend.name, folder)
    known = list(entries(model_dir))
    for entry in known:
        if name in entry.card.names:
            return entry
    if registry.is_by_id(name):
        backend, card = registry.find_by_id(name)
        return Entry(card, backend.name, find_folder(card, model_dir))
    raise ModelError(registry.unknown(name, (entry.card.name for entry in known)))


def find_folder(card: ModelCard, model_dir: Path | None = None) -> Path | None:
    if card.bundled:
        folder = bundled_folder(card.name)
        return folder if folder.is_dir() else None
    return places.find(card.name, modelscope=card.modelscope, huggingface=card.huggingface, model_dir=model_dir)


def here_or_fetched(card: ModelCard, options: ModelOptions) -> Path:
    """Where the model lies; one that was named and is not here is downloaded."""
    folder = find_folder(card, options.model_dir)
    return require_whole(card, folder) if folder else fetch(card, hub=options.hub, offline=options.offline)


def require_whole(card: ModelCard, folder: Path) -> Path:
    """The folder, unless what we downloaded has lost a file or changed a size; checksums would take too long here."""
    manifest = recorded(folder)
    for file in lost(folder, manifest) if manifest else ():
        raise ModelError(
            f"model {card.name!r} is damaged: {file.path} in {folder} has {length(folder / file.path)} bytes instead of"
            f" {file.size}; asr models verify {card.name} --fix downloads it again"
        )
    return folder


def is_damaged(folder: Path) -> bool:
    """Whether what we downloaded has lost a file or changed a size."""
    manifest = recorded(folder)
    return manifest is not None and bool(lost(folder, manifest))


def fetch(card: ModelCard, *, hub: str = AUTO, offline: bool = False) -> Path:
    """Download a model, with one line in the log; give its folder."""
    answer = question(card, hub=hub, offline=offline)
    manifest = answer.manifest
    log.info("downloading %s (%s bytes) from %s", card.name, f"{manifest.size:,}", manifest.hub_name)
    steps = pull(card.name, manifest)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return Path(end.value)


def question(card: ModelCard, *, hub: str = AUTO, revision: str | None = None, offline: bool = False) -> Answer:
    """What a hub says the model consists of. hub: "ms", "hf", or "auto" for whichever answers first."""
    whom = turns(card, hub, revision)
    if is_offline(offline):
        raise ModelError(
            f"model {card.name!r} is not on this machine, and offline nothing is downloaded: pull it where there is a"
            f" network (asr models pull {card.name}), or name its folder; looked in {', '.join(map(str, searched()))}"
        )
    try:
        answer = ask(*whom)
    except DownloadError as error:
        raise DownloadError(f"model {card.name!r} cannot be downloaded: {error}") from error
    manifest = answer.manifest.only(card.files)
    require_weights(card, manifest)
    remember(card.name, manifest)
    return Answer(manifest, answer.seconds, answer.raced)


def require_weights(card: ModelCard, manifest: Manifest) -> None:
    """Whether there is anything to load; a card that lists its files knows best what that is."""
    wanted = [pattern for pattern in card.files if pattern in TRANSFORMERS] or card.files or WEIGHTS
    if not any(is_one_of(file.path, wanted) for file in manifest.files):
        is_own = wanted is card.files
        what = f"none of {', '.join(card.files)}" if is_own else "no weights that this program can read"
        raise DownloadError(f"{manifest.model_id} on {manifest.hub_name} has {what}")


def manifest_of(card: ModelCard, folder: Path, *, offline: bool = False) -> Manifest:
    """What a model that is here should consist of: what we noted when we downloaded it, else what its hub says."""
    ours = recorded(folder)
    if ours is not None:
        return ours
    if not (card.modelscope or card.huggingface):
        raise ModelError(
            f"there is nothing to compare {folder} with: it was not downloaded by this program, and what belongs to it"
            " is on no hub that this program knows"
        )
    if is_offline(offline):
        raise ModelError(f"another program downloaded {card.name!r}; offline no hub can be asked what belongs to it")
    hub = {"ModelScope": "ms", "Hugging Face": "hf"}.get(places.owner(folder), AUTO)
    return question(card, hub=hub, revision=revision_of(folder), offline=offline).manifest


def renewed(card: ModelCard, manifest: Manifest) -> Manifest:
    """What a hub has now in the place of what was downloaded; a revision that somebody chose stays chosen."""
    if manifest.revision in (card.modelscope_revision, card.huggingface_revision):
        return question(card).manifest
    return question(card, hub=manifest.hub, revision=manifest.revision).manifest


def turns(card: ModelCard, hub: str, revision: str | None) -> list[list[Address]]:
    """Whom to ask, one after the other: half a download is worth more than the faster answer."""
    found = addresses(card, hub, revision)
    begun = resumable(card.name)
    first = [address for address in found if begun is not None and address.hub == begun.hub]
    return [turn for turn in (first, [address for address in found if address not in first]) if turn]


def addresses(card: ModelCard, hub: str, revision: str | None) -> list[Address]:
    check_hub(hub)
    if card.bundled:
        raise ModelError(f"model {card.name!r} comes with the program; there is nothing to download")
    known = {
        "ms": (card.modelscope, card.modelscope_revision),
        "hf": (card.huggingface, card.huggingface_revision),
    }
    found = [Address(key, model_id, revision or usual) for key, (model_id, usual) in known.items() if model_id]
    if not found:
        raise ModelError(f"model {card.name!r} is on no hub; put it in a folder and name that")
    if hub == AUTO:
        return found
    chosen = [address for address in found if address.hub == hub]
    if not chosen:
        raise UsageError(f"model {card.name!r} is not on {HUBS[hub]}; it is on {HUBS[found[0].hub]}")
    return chosen


def is_offline(asked: bool) -> bool:
    return asked or any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in OFFLINE_VARIABLES)


def searched() -> list[Path]:
    return [places.models_folder(), places.modelscope_cache(), places.huggingface_cache()]
