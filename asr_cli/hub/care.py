"""Models that are here: whether they are whole, made whole again, and taken away."""

import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from asr_cli.hub.manifest import RECORD, Manifest, RemoteFile, recorded
from asr_cli.hub.places import first_line, huggingface_cache, models_folder, modelscope_cache, owner
from asr_cli.hub.pull import Progress, alone, pull, unfinished, writing
from asr_cli.hub.transfer import length, sha256


@dataclass(frozen=True, slots=True)
class Verdict:
    """problem: what is wrong with the file, or None. hashed: whether there was a checksum to compare with."""

    path: str
    problem: str | None
    hashed: bool


def verify(folder: Path, manifest: Manifest) -> Iterator[Verdict]:
    """Read every file, and compare it with what it should be."""
    for file in manifest.files:
        yield Verdict(file.path, problem(folder / file.path, file), file.sha256 is not None)


def problem(path: Path, file: RemoteFile) -> str | None:
    if not path.is_file():
        return "missing"
    if length(path) != file.size:
        return f"{length(path)} bytes, should be {file.size}"
    if file.sha256 is not None and (found := sha256(path)) != file.sha256:
        return f"SHA-256 is {found}, should be {file.sha256}"
    return None


def mend(name: str, manifest: Manifest, damaged: list[str]) -> Generator[Progress, None, Path]:
    """Download again what is damaged of a model in our cache; until it is whole the model is not there."""
    folder, staging = models_folder() / name, unfinished(name)
    if recorded(folder) is not None:
        with writing(models_folder()), alone(name):
            shutil.rmtree(staging, ignore_errors=True)
            for path in damaged:
                (folder / path).unlink(missing_ok=True)
            folder.rename(staging)
            (staging / RECORD).write_text(manifest.as_json(), encoding="utf-8")
    return (yield from pull(name, manifest))


def remove(folder: Path) -> None:
    """Delete a model where it lies; what it shares with others stays with them."""
    with writing(folder.parent):
        if owner(folder) == "Hugging Face":
            remove_snapshot(folder)
            return
        hidden = folder.with_name(f".{folder.name}.old")  # so that half a model is never seen
        shutil.rmtree(hidden, ignore_errors=True)
        folder.rename(hidden)
        shutil.rmtree(hidden)


def remove_snapshot(folder: Path) -> None:
    from huggingface_hub import scan_cache_dir

    scan_cache_dir(huggingface_cache()).delete_revisions(folder.name).execute()


def revision_of(folder: Path) -> str | None:
    """Which revision another program downloaded, where its cache tells."""
    if folder.parent.name == "snapshots":
        return folder.name
    note = folder / ".mv"
    if folder.absolute().is_relative_to(modelscope_cache().absolute()):
        fields = dict(part.partition(":")[::2] for part in first_line(note).split(","))
        return fields.get("Revision")
    return None
