"""Models that are here: whether they are whole, and how they go."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from asr_cli.errors import ModelError
from asr_cli.hub.manifest import Manifest, RemoteFile
from asr_cli.hub.places import first_line, huggingface_cache, modelscope_cache, owner
from asr_cli.hub.pull import alone, erase, writing
from asr_cli.hub.transfer import length, wrong_hash


@dataclass(frozen=True, slots=True)
class Verdict:
    """problem: what is wrong with the file, or None. hashed: whether there was a checksum to compare with."""

    path: str
    problem: str | None
    hashed: bool


def verify(folder: Path, manifest: Manifest) -> Iterator[Verdict]:
    """Read every file, and compare it with what it should be."""
    for file in manifest.files:
        yield Verdict(file.path, problem(folder / file.path, file), file.is_hashed)


def problem(path: Path, file: RemoteFile) -> str | None:
    if not path.is_file():
        return "missing"
    if length(path) != file.size:
        return f"{length(path)} bytes, should be {file.size}"
    wrong = wrong_hash(path, file)
    return f"{wrong.kind} is {wrong.found}, should be {wrong.wanted}" if wrong else None


def outdated(folder: Path, manifest: Manifest) -> list[str]:
    """The files that differ from a newer manifest's, or may: without a hash, equal sizes say little."""
    return [verdict.path for verdict in verify(folder, manifest) if verdict.problem or not verdict.hashed]


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
    """A snapshot, and what no other one shares with it; the library passes over what it cannot make out."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.utils.logging import set_verbosity

    set_verbosity(logging.ERROR)  # it would print warnings of its own
    scan_cache_dir(huggingface_cache()).delete_revisions(folder.name).execute()
    if os.path.lexists(folder):
        raise ModelError(
            f"{folder} was not deleted: something is missing or broken in {folder.parents[1]}, so that Hugging Face's"
            " library does not touch it; delete that folder yourself"
        )


def revision_of(folder: Path) -> str | None:
    """Which revision another program downloaded, where its cache tells."""
    if folder.parent.name == "snapshots":
        return folder.name
    note = folder / ".mv"
    if folder.absolute().is_relative_to(modelscope_cache().absolute()):
        fields = dict(part.partition(":")[::2] for part in first_line(note).split(","))
        return fields.get("Revision")
    return None
