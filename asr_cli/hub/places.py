"""Where models lie on this machine: our cache and the ones other programs filled before us. Nothing is ever copied."""

import os
from collections.abc import Iterator
from pathlib import Path

from asr_cli.hub.manifest import WEIGHTS, is_whole, recorded


def cache_folder() -> Path:
    """Our own cache: $ASR_CACHE, else asr/ in the user's cache directory."""
    return folder_in("ASR_CACHE") or user_cache() / "asr"


def models_folder() -> Path:
    """What we download, a folder for each model, named as the model."""
    return cache_folder() / "models"


def own_folder(name: str) -> Path:
    """Where a model lies that we download.

    >>> own_folder("whisper:openai/whisper-small").name
    'whisper--openai--whisper-small'
    """
    return models_folder() / file_name(name)


def file_name(name: str) -> str:
    """A model's name as no file system refuses it."""
    return name.replace(":", "--").replace("/", "--")


def find(
    name: str, *, modelscope: str | None = None, huggingface: str | None = None, model_dir: Path | None = None
) -> Path | None:
    """The folder of a model that is already here, or None."""
    return next(find_all(name, modelscope=modelscope, huggingface=huggingface, model_dir=model_dir), None)


def find_all(
    name: str, *, modelscope: str | None = None, huggingface: str | None = None, model_dir: Path | None = None
) -> Iterator[Path]:
    """Each folder that holds a model, the one that is used first."""
    yield from (folder for folder in places(name, modelscope, huggingface, model_dir) if is_model(folder))


def places(name: str, modelscope: str | None, huggingface: str | None, model_dir: Path | None) -> Iterator[Path]:
    if model_dir is not None:
        names = [file_name(name), *(model_id.rpartition("/")[2] for model_id in (modelscope, huggingface) if model_id)]
        if model_dir.absolute().name in names:  # any other name could be any other model
            yield model_dir
        yield from (model_dir / one for one in names)
    yield own_folder(name)
    if modelscope is not None:
        yield from modelscope_places(modelscope)
    if huggingface is not None:
        yield from huggingface_places(huggingface)


def modelscope_places(model_id: str) -> Iterator[Path]:
    root = modelscope_cache()
    owner, name = model_id.split("/")
    escaped = name.replace(".", "___")
    # One owner's models moved from damo/ to iic/; the folders that were downloaded before did not.
    for known in dict.fromkeys((owner, "iic", "damo")):
        for one in dict.fromkeys((name, escaped)):
            yield root / "hub" / "models" / known / one
            yield root / "models" / known / one
            yield root / "hub" / known / one
            yield root / known / one
        snapshots = root / "models" / f"{known}--{name}" / "snapshots"
        yield snapshots / "master"
        yield from entries(snapshots)


def huggingface_places(model_id: str) -> Iterator[Path]:
    repository = huggingface_cache() / f"models--{model_id.replace('/', '--')}"
    main = first_line(repository / "refs" / "main")
    if main:
        yield repository / "snapshots" / main
    yield from entries(repository / "snapshots")


def first_line(path: Path) -> str:
    """What a small file of another program's says; nothing where it is not there, not ours to read, or broken."""
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError):
        return ""


def entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # not there, or somebody else's
        return []


def modelscope_cache() -> Path:
    # ModelScope's own programs do not know $XDG_CACHE_HOME.
    return folder_in("MODELSCOPE_CACHE") or from_home("~/.cache/modelscope")


def huggingface_cache() -> Path:
    """Where Hugging Face's own programs look; the second variable is the older name of the first."""
    named = folder_in("HF_HUB_CACHE") or folder_in("HUGGINGFACE_HUB_CACHE")
    return named or (folder_in("HF_HOME") or user_cache() / "huggingface") / "hub"


def owner(folder: Path) -> str:
    """Whose cache a folder lies in: "asr", "ModelScope", "Hugging Face", or "" for anywhere else."""
    caches = {"asr": models_folder(), "ModelScope": modelscope_cache(), "Hugging Face": huggingface_cache()}
    inside = (name for name, cache in caches.items() if folder.absolute().is_relative_to(cache.absolute()))
    return next(inside, "")


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder, or of a file; a link counts as the file it leads to."""
    if folder.is_file():
        return folder.stat().st_size
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def is_model(folder: Path) -> bool:
    """Whether there are weights: a file of a name that we know, or the largest of what we downloaded."""
    try:
        if any((folder / name).is_file() for name in WEIGHTS) or is_whole(folder):
            return True
        manifest = recorded(folder)
        if manifest is None or not manifest.files:
            return False
        return (folder / max(manifest.files, key=lambda file: file.size).path).is_file()
    except OSError:  # somebody else's cache
        return False


def user_cache() -> Path:
    return folder_in("XDG_CACHE_HOME") or from_home("~/.cache")


def folder_in(variable: str) -> Path | None:
    """The folder that an environment variable names; the hubs' own programs know ~ and $HOME in it, too."""
    named = os.environ.get(variable)
    return from_home(os.path.expandvars(named)) if named else None


def from_home(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises where there is no home
