"""One file of a model: continued where it broke off, and checked."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import RemoteFile
from asr_cli.hub.patience import BUSY, BusyError, Patience, retry_after
from asr_cli.hub.source import TIMEOUT_SECONDS, Request, reason

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK_BYTES = 16 * 1024  # where a line breaks off, the chunk in hand is lost
N_STRANGERS = 3  # answers that are something else than the file, until that is believed


class OutdatedError(DownloadError):
    """A hub has not, or no longer, what its list says."""


class DamagedError(OutdatedError):
    """What came whole is not what the hub's list says."""


class StrangerError(BusyError):
    """An answer that is not the file: somebody in between, who may let us through the next time, or another file."""


class WrongHash(NamedTuple):
    kind: str
    found: str
    wanted: str


def download(session: "Session", request: Request, file: RemoteFile, path: Path, *, hub: str) -> Iterator[int]:
    """Yield how many bytes of the file are there, until it lies whole under its path."""
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = length(part) > 0
    while True:
        try:
            yield from receive(session, request, file, part, hub=hub)
            check(part, file, hub=hub)
            break
        except DamagedError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            resumed = False  # what an earlier run left may be to blame: once more, from the start
    part.replace(path)


def receive(session: "Session", request: Request, file: RemoteFile, part: Path, *, hub: str) -> Iterator[int]:
    patience = Patience()
    part.touch()  # a file may be empty
    # ModelScope's library calls a file empty, too, of which it was not told the size.
    is_sure, n_strangers = file.size > 0 or file.is_hashed, 0
    while (before := length(part)) < file.size or not is_sure:
        try:
            yield from stream(session, request, file, part, hub=hub)
            is_sure = True
        except StrangerError as trouble:
            n_strangers += 1
            if n_strangers == N_STRANGERS:
                raise OutdatedError(f"{trouble}; try again later") from trouble
            patience.wait(trouble)
        except BusyError as trouble:
            if length(part) > before:
                patience.renew()
            patience.wait(trouble)
    yield length(part)


def stream(session: "Session", request: Request, file: RemoteFile, part: Path, *, hub: str) -> Iterator[int]:
    """One request for what is missing."""
    from requests import RequestException

    headers = {**request.headers, "Accept-Encoding": "identity"}  # a compressed part could not be continued
    if length(part):
        headers["Range"] = f"bytes={length(part)}-"
    try:
        with session.get(request.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
            position = begin(response, file, part, hub=hub)
            with part.open("r+b") as out:
                out.truncate(position)
                out.seek(position)
                for chunk in response.iter_content(CHUNK_BYTES):
                    position += len(chunk)
                    if position > file.size:
                        out.truncate(0)
                        raise StrangerError(f"{hub} sends more of {file.path} than the {file.size} bytes of its list")
                    out.write(chunk)
                    yield position
    except RequestException as error:
        raise BusyError(f"{hub} broke off in {file.path} ({reason(error)})") from error
    if position < file.size and response.status_code == 200 and told_length(response) is None:
        os.truncate(part, 0)  # it may have come to its end: nothing may be put behind it
        raise StrangerError(f"{hub} sends {position} bytes for {file.path}, which has {file.size}")
    if position < file.size:
        raise BusyError(f"{hub} broke off in {file.path} at byte {position} of {file.size}")


def begin(response: "Response", file: RemoteFile, part: Path, *, hub: str) -> int:
    """The byte that a response begins with; a response that is none is told."""
    status = response.status_code
    if status == 206:
        span = response.headers.get("Content-Range", "")
        if span.startswith(f"bytes {length(part)}-"):
            total = span.partition("/")[2]
            if total not in ("", "*", str(file.size)):
                raise StrangerError(f"{hub} sends a part of {total} bytes for {file.path}, which has {file.size}")
            return length(part)
        os.truncate(part, 0)
        raise BusyError(f"{hub} does not continue {file.path} where it broke off ({span!r})")
    if status == 200:  # it may not know how to continue, and sends all of it again
        require_file(response, file, hub=hub)
        return 0
    if status == 416:
        os.truncate(part, 0)
        raise BusyError(f"{hub} has less of {file.path} than the {file.size} bytes of its list")
    if status in BUSY:
        raise BusyError(f"{hub} is busy ({status})", retry_after(response.headers.get("Retry-After")))
    if status in (404, 410):
        raise OutdatedError(f"{hub} lists {file.path} but does not have it ({status})")
    raise DownloadError(f"{hub} refuses {file.path} ({status})")


def require_file(response: "Response", file: RemoteFile, *, hub: str) -> None:
    """Before anything is written: the page of a network that wants a login is not the file."""
    told = told_length(response)
    if told not in (None, file.size):
        raise StrangerError(f"{hub} sends {told} bytes for {file.path}, which has {file.size}")
    if told is None and response.headers.get("Content-Type", "").startswith("text/html"):
        raise StrangerError(f"{hub} sends a web page for {file.path}, as a network does that wants a login first")


def told_length(response: "Response") -> int | None:
    """The bytes of the body as it will be written, where the header tells them."""
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdecimal() and "Content-Encoding" not in response.headers else None


def check(part: Path, file: RemoteFile, *, hub: str) -> None:
    if length(part) != file.size:
        raise DamagedError(f"{file.path} from {hub} has {length(part)} bytes and should have {file.size}; try again")
    if (wrong := wrong_hash(part, file)) is not None:
        raise DamagedError(
            f"{file.path} from {hub} is damaged: its {wrong.kind} is {wrong.found} and should be {wrong.wanted};"
            " try again later, or from another hub (asr models pull NAME --hub HUB, after asr models rm NAME if it is"
            " here)"
        )


def wrong_hash(path: Path, file: RemoteFile) -> WrongHash | None:
    """How a file differs from what its hub says, by the best hash that it tells; None where it does not."""
    if file.sha256 is not None:
        wrong = WrongHash("SHA-256", sha256(path), file.sha256)
    elif file.git_sha1 is not None:
        wrong = WrongHash("SHA-1 in Git", git_sha1(path), file.git_sha1)
    else:
        return None
    return None if wrong.found == wrong.wanted else wrong


def git_sha1(path: Path) -> str:
    """The name that Git gives to a file's content."""
    with path.open("rb") as file:
        begun = hashlib.sha1(b"blob %d\0" % length(path), usedforsecurity=False)
        return hashlib.file_digest(file, lambda: begun).hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
