"""One run at a time in a folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from asr_cli.errors import OutputError, UsageError

NAME = ".lock"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Nobody else trains in this folder meanwhile.

    SQLite's locks end with their process, however it ends, and those that read for it do not inherit them.
    """
    with ExitStack() as stack:
        try:
            database = sqlite3.connect(out / NAME, timeout=0, isolation_level=None)
            stack.callback(database.close)
            database.execute("PRAGMA journal_mode = MEMORY")  # no second file beside it
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise UsageError(
                    f"another asr train is at work in {str(out)!r}; wait for its end, or name another folder with -o"
                ) from error
            raise OutputError(
                f"cannot write {str(out / NAME)!r} ({error}); make room or name another folder with -o"
            ) from error
        yield
