"""Where models lie on this machine: our cache and the ones other programs filled before us. Nothing is ever copied."""

import os
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """Our own cache: $ASR_CACHE, else asr/ in the user's cache directory."""
    own = os.environ.get("ASR_CACHE")
    return Path(own) if own else user_cache() / "asr"


def find(
    name: str, *, modelscope: str | None = None, huggingface: str | None = None, model_dir: Path | None = None
) -> Path | None:
    """The folder of a model that is already here, or None."""
    return next((folder for folder in places(name, modelscope, huggingface, model_dir) if is_model(folder)), None)


def places(name: str, modelscope: str | None, huggingface: str | None, model_dir: Path | None) -> Iterator[Path]:
    if model_dir is not None:
        names = [name, *(model_id.rpartition("/")[2] for model_id in (modelscope, huggingface) if model_id)]
        if model_dir.absolute().name in names:  # any other name could be any other model
            yield model_dir
        yield from (model_dir / one for one in names)
    yield cache_folder() / "models" / name
    if modelscope is not None:
        yield from modelscope_places(modelscope)
    if huggingface is not None:
        yield from huggingface_places(huggingface)


def modelscope_places(model_id: str) -> Iterator[Path]:
    root = Path(os.environ.get("MODELSCOPE_CACHE") or user_cache() / "modelscope")
    owner, name = model_id.split("/")
    # One owner's models moved from damo/ to iic/; the folders that were downloaded before did not.
    for known in dict.fromkeys((owner, "iic", "damo")):
        yield root / "hub" / "models" / known / name
        yield root / "models" / known / name
        yield root / "hub" / known / name
        yield root / known / name


def huggingface_places(model_id: str) -> Iterator[Path]:
    home = Path(os.environ.get("HF_HOME") or user_cache() / "huggingface")
    root = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repository = root / f"models--{model_id.replace('/', '--')}"
    main = repository / "refs" / "main"
    if main.is_file():
        yield repository / "snapshots" / main.read_text().strip()
    if repository.is_dir():
        yield from sorted((repository / "snapshots").glob("*"))


def is_model(folder: Path) -> bool:
    """Whether a folder holds weights; a download that broke off leaves one without."""
    try:
        return any((folder / name).is_file() for name in ("model.pt", "model.safetensors", "model.pb", "vad.pb"))
    except OSError:  # somebody else's cache
        return False


def user_cache() -> Path:
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.expanduser raises where there is no home
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(home) / ".cache")
