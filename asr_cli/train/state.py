"""Where a run stands, on disk: one file that is always whole, and a log that says no more than it."""

import errno
import json
import math
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from asr_cli.errors import ModelError, OutputError

NAME = "state.pt"
INNER = ("best", "tensorboard")  # folders within a run's
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """What a run writes on its way: where that cannot be done, a sentence says what is left of it."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r} ({error.strerror}); {outlook(path, error)}") from error


def outlook(path: Path, error: OSError) -> str:
    """How the run goes on to which the file belongs."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name in INNER else [])]
    what = "make room" if error.errno in NO_ROOM else "see to that"
    if any((folder / NAME).is_file() for folder in folders):
        return f"the state saved before is whole: {what}, and the same command goes on from it"
    return f"no state was saved before: {what}, and the same command begins again"


@contextmanager
def renewed(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of what was there when it is complete; whatever goes wrong, what was there stays."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def append(file: IO[bytes], data: bytes) -> None:
    """To a file without a buffer, which would only try again later what cannot be written now."""
    while data:
        data = data[file.write(data) :]


def save(path: Path, state: Mapping[str, Any]) -> None:
    with kept(path), renewed(path) as file:
        try:
            torch.save(dict(state), file)
        except RuntimeError as error:  # torch's writer hides why it could not write
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def load(path: Path) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is broken; --overwrite begins anew") from error
    assert isinstance(found, dict)
    return found


class Log:
    """train.jsonl: a record a step, and one a validation."""

    def __init__(self, path: Path, step: int) -> None:
        """step: what comes after it was never saved, and will be done again."""
        self.path = path
        with kept(path):
            lines = [line for line in read_lines(path) if step_of(line) <= step]
            with renewed(path) as file:
                file.write("".join(lines).encode())
            self._file: IO[bytes] = path.open("ab", buffering=0)

    def write(self, record: Mapping[str, Any]) -> None:
        with kept(self.path):
            append(self._file, (json.dumps(known(record)) + "\n").encode())

    def close(self) -> None:
        self._file.close()


def known(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is no number as nothing at all: JSON has none of those."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in record.items()
    }


def read_lines(path: Path) -> list[str]:
    """The complete lines of a log."""
    if not path.is_file():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def step_of(line: str) -> int:
    return int(json.loads(line)["step"])
