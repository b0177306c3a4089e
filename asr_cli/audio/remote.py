"""Recordings and lists in stores that fsspec opens (s3://, gs://, sftp://, memory://), read as they come."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import IO, Any

from asr_cli.audio.address import MAX_SAID, without_password
from asr_cli.audio.inputs import is_media, natural
from asr_cli.errors import AsrError, DependencyError, InputError, NotFoundError


@contextmanager
def open_remote(address: str) -> Iterator[io.RawIOBase]:
    """The bytes at an address; what a store has against that, now or later, is an InputError in one sentence."""
    insist_on_store(address)
    with explained(address):
        store, path = store_of(address)
        file = store.open(path, "rb")
    # Without a buffer of ours, whose lock a thread that waits for the network would hold.
    with Stored(file, address) as stored:
        yield stored


class Stored(io.RawIOBase):
    """A file of a store, whose errors are ours."""

    def __init__(self, file: IO[bytes], address: str) -> None:
        self._file = file
        self._address = address
        self.name = without_password(address)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with explained(self._address):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            with explained(self._address):
                self._file.close()


def listed(address: str, *, recursive: bool) -> list[tuple[str, str]]:
    """The recordings in a folder of a store (its address ends with "/"), or those that a pattern matches.

    Each by its address, and by its path in the folder.
    """
    insist_on_store(address)
    with explained(address):
        store, path = store_of(address)
        if address.endswith("/"):
            found = [name for name in store.find(path, maxdepth=None if recursive else 1) if is_media(name)]
        else:
            found = [name for name in store.glob(path) if not store.isdir(name)]
    if not found:
        deeper = "" if recursive or not address.endswith("/") else "; --recursive looks into the folders inside it"
        raise InputError(f"{shown(address)} holds no audio or video file{deeper}")
    folder = path.rstrip("/") + "/"
    return [(store.unstrip_protocol(name), name.removeprefix(folder)) for name in sorted(found, key=natural)]


def store_of(address: str) -> tuple[Any, str]:
    store, path = fsspec().core.url_to_fs(address)
    return store, path


def insist_on_store(address: str) -> None:
    """Refuse an address that nothing installed opens."""
    for part in address.split("::"):  # zip://talk.wav::s3://bucket/talks.zip
        scheme, mark, _ = part.partition("://")
        if why := unsupported(scheme.lower()) if mark else None:
            raise DependencyError(f"{shown(address)} cannot be opened: {why}")


@cache
def unsupported(scheme: str) -> str | None:
    try:
        fsspec().get_filesystem_class(scheme)
    except ImportError as error:
        return f"a package for {scheme}:// addresses is not installed ({one_line(error)})"
    except ValueError:
        return f"nothing installed knows {scheme}:// addresses; install the fsspec package for them, or get the file"
    return None


def fsspec() -> ModuleType:
    try:
        return import_module("fsspec")
    except ImportError as error:
        raise DependencyError("addresses of stores need a package that is not here: pip install fsspec") from error


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Whatever a store's library raises, and there are many, in one sentence without a secret."""
    try:
        yield
    except (AsrError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"{shown(address)} not found; check the address") from error
    except IsADirectoryError as error:
        raise InputError(f"{shown(address)} is a directory; an address of one ends with /") from error
    except Exception as error:
        raise InputError(
            f"cannot read {shown(address)}: {one_line(error)}; check the address and your access to it"
        ) from error


def shown(address: str) -> str:
    return repr(without_password(address))


def one_line(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = next((line.strip() for line in str(said).splitlines() if line.strip()), type(error).__name__)
    return without_password(line)[:MAX_SAID].rstrip(".")
