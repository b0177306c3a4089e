"""Models that are here: whether they are whole, and how they go."""

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from asr_cli.hub.manifest import Manifest, RemoteFile
from asr_cli.hub.places import first_line, huggingface_cache, modelscope_cache, owner
from asr_cli.hub.pull import alone, erase, writing
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


def remove(folder: Path) -> None:
    """Delete a model where it lies, or the link to it; what it shares with others stays with them."""
    whose = owner(folder)
    with writing(folder.parent), alone(folder.name, wait=False) if whose == "asr" else nullcontext():
        if folder.is_symlink():
            folder.unlink()
        elif whose == "Hugging Face":
            remove_snapshot(folder)
        else:
            hidden = folder.with_name(f".{folder.name}.old")  # so that half a model is never seen
            erase(hidden)
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
