"""One file of a model: continued where it broke off, and checked."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import RemoteFile
from asr_cli.hub.patience import BUSY, BusyError, Patience, retry_after
from asr_cli.hub.source import TIMEOUT_SECONDS, Request, reason

if TYPE_CHECKING:
    from requests import Response, Session

CHUNK_BYTES = 16 * 1024  # where a line breaks off, the chunk in hand is lost


class DamagedError(DownloadError):
    """What a hub sent is not what its list says."""


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
    while (before := length(part)) < file.size:
        try:
            yield from stream(session, request, file, part, hub=hub)
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
                        raise DamagedError(f"{hub} sends more of {file.path} than the {file.size} bytes of its list")
                    out.write(chunk)
                    yield position
    except RequestException as error:
        raise BusyError(f"{hub} broke off in {file.path} ({reason(error)})") from error
    if position < file.size:
        raise BusyError(f"{hub} broke off in {file.path} at byte {position} of {file.size}")


def begin(response: "Response", file: RemoteFile, part: Path, *, hub: str) -> int:
    """The byte that a response begins with; a response that is none is told."""
    status = response.status_code
    if status == 206:
        span = response.headers.get("Content-Range", "")
        if span.startswith(f"bytes {length(part)}-"):
            return length(part)
        os.truncate(part, 0)
        raise BusyError(f"{hub} does not continue {file.path} where it broke off ({span!r})")
    if status == 200:  # it may not know how to continue, and sends all of it again
        return 0
    if status == 416:
        os.truncate(part, 0)
        raise BusyError(f"{hub} has less of {file.path} than the {file.size} bytes of its list")
    if status in BUSY:
        raise BusyError(f"{hub} is busy ({status})", retry_after(response.headers.get("Retry-After")))
    if status in (404, 410):
        raise DownloadError(f"{hub} lists {file.path} but does not have it ({status})")
    raise DownloadError(f"{hub} refuses {file.path} ({status})")


def check(part: Path, file: RemoteFile, *, hub: str) -> None:
    if length(part) != file.size:
        raise DamagedError(f"{file.path} from {hub} has {length(part)} bytes and should have {file.size}; try again")
    if file.sha256 is not None and (found := sha256(part)) != file.sha256:
        raise DamagedError(
            f"{file.path} from {hub} is damaged: its SHA-256 is {found} and should be {file.sha256};"
            " try again, or another --hub"
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
