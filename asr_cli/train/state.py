"""Where a run stands, on disk: one file that is always whole, and a log that says no more than it."""

import json
import math
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from asr_cli.errors import ModelError, OutputError


def save(path: Path, state: Mapping[str, Any]) -> None:
    """In the place of what was there, when it is complete; whatever goes wrong, what was there stays."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer hides why it could not write
        part.unlink(missing_ok=True)
        cause = error.strerror if isinstance(error, OSError) else "is the disk full?"
        before = "; the state saved before is whole, and the same command goes on from it" if path.exists() else ""
        raise OutputError(f"cannot save {str(path)!r} ({cause}){before}; make room") from error


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
        kept = [line for line in read_lines(path) if step_of(line) <= step]
        part = path.with_name(path.name + ".part")
        part.write_text("".join(kept), encoding="utf-8")
        part.replace(path)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(known(record)) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"cannot write {str(self.path)!r}: {error.strerror}; make room") from error

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
