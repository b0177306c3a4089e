"""An output directory in a store that fsspec knows (s3://, gs://, hdfs://).

Results are written on the machine that has them, copied when they are complete, and removed there. What a batch knows
of itself stays on the machine that runs it, in our cache.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from asr_cli.audio.address import without_password
from asr_cli.audio.remote import insist_on_store, one_line, store_of
from asr_cli.errors import AsrError, OutputError
from asr_cli.hub.places import cache_folder


class StoreError(OutputError):
    """The store is away, or does not let us write: no other recording would fare better."""


class Store:
    """A directory at an address."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    @property
    def work_directory(self) -> Path:
        """Where on this machine its batches keep what they know."""
        name = hashlib.sha256(self.address.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return cache_folder() / "batches" / name

    @cached_property
    def names(self) -> frozenset[str]:
        """What is in it, by path within it."""
        store, path = self._opened()
        try:
            found = store.find(path)
        except FileNotFoundError:
            return frozenset()
        except Exception as error:  # whatever a store's library raises
            raise self._unwritable(error) from error
        folder = path.strip("/") + "/"
        return frozenset(name.strip("/").removeprefix(folder) for name in found)

    def put(self, file: Path, name: str) -> None:
        """Copy a file to where it is called `name`."""
        store, path = self._opened()
        try:
            place = f"{path.rstrip('/')}/{name}"
            store.makedirs(place.rpartition("/")[0], exist_ok=True)
            store.put_file(str(file), place)
        except Exception as error:
            raise self._unwritable(error) from error

    def place_of(self, name: str) -> str:
        return f"{without_password(self.address)}/{name}"

    def _opened(self) -> tuple[Any, str]:
        try:
            insist_on_store(self.address)
            return store_of(self.address)
        except AsrError:
            raise
        except Exception as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> StoreError:
        return StoreError(
            f"cannot write to {without_password(self.address)!r}: {one_line(error)}; check the address and your access"
        )


def put_all(address: str, files: Iterable[tuple[Path, str]], *, keep: bool) -> None:
    """Copy files to a store's directory under their names there; keep: leave them here, too."""
    store = Store(address)
    for file, name in files:
        store.put(file, name)
        if not keep:
            file.unlink()
