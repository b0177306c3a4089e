"""A whole model into our cache: complete and checked, or not there at all.

It grows in a hidden folder beside its place and is renamed when it is complete. What broke off stays there for the next
time. The hubs' own libraries are not asked to do this: Hugging Face's does not check what it downloads, ModelScope's
draws its own bars, and neither makes a model appear as a whole.
"""

import errno
import logging
import os
import shutil
import warnings
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asr_cli.errors import DownloadError, ModelError
from asr_cli.hub.manifest import RECORD, Manifest, RemoteFile, lost, recorded
from asr_cli.hub.places import file_name, models_folder, own_folder, size_of
from asr_cli.hub.source import open_hub
from asr_cli.hub.transfer import download, length, sha256, wrong_hash

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger("asr")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
QUICK_BYTES = 64 * 1024 * 1024  # hashed in less time than anybody notices


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of the whole model; file is the one in hand."""

    file: str
    done: int
    total: int


def pull(name: str, manifest: Manifest) -> Generator[Progress, None, Path]:
    """Download what the manifest lists, and give the model's folder."""
    folder = own_folder(name)
    with writing(models_folder()), alone(name):
        if is_same(recorded(folder), manifest) and not lost(folder, manifest):
            return folder  # another process was faster
        return (yield from complete(name, manifest))


def mend(name: str, manifest: Manifest, present: Path, damaged: Collection[str]) -> Generator[Progress, None, Path]:
    """Download again what is damaged of a model; what is present stays until a whole one takes its place."""
    staging = unfinished(name)
    with writing(models_folder()), alone(name):
        reuse(staging, manifest)
        for file in manifest.files:
            if file.path not in damaged and not (staging / file.path).exists():
                adopt(present / file.path, staging / file.path)
        return (yield from complete(name, manifest))


def complete(name: str, manifest: Manifest) -> Generator[Progress, None, Path]:
    """Download what is missing, and let it take the model's place."""
    folder, staging = own_folder(name), unfinished(name)
    reuse(staging, manifest)
    require_space(staging, manifest)
    files: list[RemoteFile] = []
    for progress, file in fetch_files(staging, manifest):
        if file is not None:
            files.append(file)
        yield progress
    (staging / RECORD).write_text(replace(manifest, files=tuple(files)).as_json(), encoding="utf-8")
    put_in_place(staging, folder)
    return folder


def adopt(file: Path, target: Path) -> None:
    """The same file in another place; copied only where a disk cannot have it in two.

    A copy that breaks off leaves what a download that breaks off leaves.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError:
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(file, part)
        part.replace(target)


def fetch_files(staging: Path, manifest: Manifest) -> Iterator[tuple[Progress, RemoteFile | None]]:
    """Progress, and each file when it is whole, with its checksum."""
    from requests import Session

    hub = open_hub(manifest.hub)
    done = 0
    with Session() as session:
        for file in manifest.files:
            path = staging / file.path
            if not is_sound(path, file):
                request = hub.request(manifest, file.path)
                for n_bytes in download(session, request, file, path, hub=manifest.hub_name):
                    yield Progress(file.path, done + n_bytes, manifest.size), None
            done += file.size
            yield Progress(file.path, done, manifest.size), replace(file, sha256=file.sha256 or sha256(path))


def is_sound(path: Path, file: RemoteFile) -> bool:
    """Whether a file of an earlier run is whole; what is long to read was checked when it came."""
    if not path.is_file() or length(path) != file.size:
        return False
    return file.size > QUICK_BYTES or wrong_hash(path, file) is None


def unfinished(name: str) -> Path:
    """Where a download grows, and stays when it breaks off."""
    return models_folder() / f".{file_name(name)}.part"


def resumable(name: str) -> Manifest | None:
    """What was being downloaded when it broke off."""
    return recorded(unfinished(name))


def discard(name: str) -> int:
    """Forget a download that broke off; give the bytes that it took."""
    with writing(models_folder()), alone(name, wait=False):
        size = size_of(unfinished(name))
        erase(unfinished(name))
    return size


def reuse(staging: Path, manifest: Manifest) -> None:
    """Keep of an earlier download what belongs to this one."""
    earlier = recorded(staging)
    if earlier is None:
        shutil.rmtree(staging, ignore_errors=True)
    else:
        is_known = origin(earlier) == origin(manifest)
        wanted = set(manifest.files)
        for file in earlier.files:
            if file not in wanted or not (file.is_hashed or is_known):
                (staging / file.path).unlink(missing_ok=True)
                (staging / f"{file.path}.part").unlink(missing_ok=True)
    staging.mkdir(parents=True, exist_ok=True)
    (staging / RECORD).write_text(manifest.as_json(), encoding="utf-8")


def require_space(staging: Path, manifest: Manifest) -> None:
    here = sum(max(length(staging / file.path), length(staging / f"{file.path}.part")) for file in manifest.files)
    needed, free = manifest.size - here, shutil.disk_usage(staging).free
    if needed > free:
        raise DownloadError(
            f"{needed:,} bytes are needed in {models_folder()} and {free:,} are free;"
            " make room, or set ASR_CACHE to a folder on another disk"
        )


def put_in_place(staging: Path, folder: Path) -> None:
    """A folder cannot be exchanged for another in one step; what was there before goes last."""
    keep_others(folder, staging)
    old = folder.with_name(f".{folder.name}.old")
    erase(old)
    if os.path.lexists(folder):
        folder.rename(old)
    staging.rename(folder)
    erase(old)


def keep_others(folder: Path, staging: Path) -> None:
    """What somebody else put into the folder goes along: we delete only what we downloaded."""
    known = recorded(folder)
    ours = {RECORD, *(file.path for file in known.files)} if known else set()
    others = [] if folder.is_symlink() else [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    for path in others:
        target = staging / path.relative_to(folder)
        if path.relative_to(folder).as_posix() in ours or (target.exists() and path.exists() and path.samefile(target)):
            continue
        while os.path.lexists(target):
            target = target.with_name(f"{target.name}.old")
        log.info("%s was not downloaded by this program; it is kept as %s", path, target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def erase(folder: Path) -> None:
    """A folder with all that is in it; of a link, the link only."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def is_same(here: Manifest | None, wanted: Manifest) -> bool:
    """Whether what is here is what is wanted; here, every file has a checksum."""
    if here is None or origin(here) != origin(wanted):
        return False
    sums = {file.path: (file.size, file.sha256) for file in here.files}
    return all(
        file.path in sums and file.size == sums[file.path][0] and file.sha256 in (None, sums[file.path][1])
        for file in wanted.files
    )


def origin(manifest: Manifest) -> tuple[str, str, str]:
    return manifest.hub, manifest.model_id, manifest.commit or manifest.revision


@contextmanager
def alone(name: str, *, wait: bool = True) -> Iterator[None]:
    """Two processes never download the same model at once: the second waits, and finds it here."""
    from filelock import FileLock

    models_folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(models_folder() / f".{file_name(name)}.lock", thread_local=False)
    try:
        acquire(lock, name, wait=wait)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        log.warning(
            "the disk with %s knows no locks: see to it that nobody else downloads %s now", models_folder(), name,
            extra={"code": "W-NO-LOCK"},
        )  # fmt: skip
    try:
        yield
    finally:
        lock.release()


def acquire(lock: "BaseFileLock", name: str, *, wait: bool) -> None:
    from filelock import Timeout

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a disk knows no locks, the library says so, and does with a file
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise ModelError(
                    f"another process is downloading model {name!r}; wait until it is done, or stop it first"
                ) from None
            log.info("another process is downloading %s; waiting for it", name)
            lock.acquire()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A cache that cannot be written, in a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DownloadError(
                f"the disk with {folder} is full; what was downloaded is kept there: make room, and the same command"
                " continues, or set ASR_CACHE to a folder on another disk"
            ) from error
        raise DownloadError(
            f"cannot write in {folder}: {error.strerror or error}; set ASR_CACHE to a folder of yours"
        ) from error
