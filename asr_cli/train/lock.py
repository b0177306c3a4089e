"""One run at a time in a folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asr_cli.errors import UsageError

NAME = ".lock"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Nobody else trains in this folder meanwhile.

    SQLite's locks end with their process, however it ends, and those that read for it do not inherit them.
    """
    database = sqlite3.connect(out / NAME, timeout=0, isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
        yield
    except sqlite3.OperationalError as error:
        raise UsageError(
            f"another asr train is at work in {str(out)!r}; wait for its end, or name another folder with -o"
        ) from error
    finally:
        database.close()
