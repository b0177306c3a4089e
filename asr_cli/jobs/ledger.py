"""What a batch has done so far, on disk, so that no end of it loses anything.

SQLite with a write-ahead log that is forced to the disk with every commit: a process or a machine may end at any
moment, and what was committed is there. The file is ours alone as long as it is open, so that two runs notice each
other; that also spares the shared memory that network file systems do not have.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from asr_cli.errors import OutputError
from asr_cli.jobs.messages import COMPLETE, Result

NAME = ".asr-batch.sqlite"
VERSION = 3
SCHEMA = """
CREATE TABLE IF NOT EXISTS recording (
    key BLOB PRIMARY KEY, source TEXT, heard_with TEXT, written_with TEXT, formats TEXT, status TEXT, code TEXT,
    error TEXT, warnings TEXT, duration REAL, work REAL, n_segments INTEGER, n_suspect INTEGER, text TEXT, tokens TEXT,
    times TEXT, score TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS utterance (
    key BLOB, place TEXT, segment TEXT, work REAL, PRIMARY KEY (key, place)
) WITHOUT ROWID;
"""
BEGUN = "begun"
RESULT = "status, code, error, warnings, duration, work, n_segments, n_suspect, text, tokens, times, score"


@dataclass(frozen=True, slots=True)
class Print:
    """What must be equal for earlier work to count.

    source: which recording, and after a colon its state. heard_with: all that changes words. written_with: all else
    that changes results. formats: which files are written, with commas between.
    """

    source: str
    heard_with: str
    written_with: str
    formats: str

    def suffices(self, wanted: "Print") -> bool:
        """Whether what was made so is what is wanted now: more files than that do no harm."""
        return self.source == wanted.source and self.suffices_but_for_state(wanted)

    def suffices_but_for_state(self, wanted: "Print") -> bool:
        place, others = (one.source.partition(":")[0] for one in (self, wanted))
        has_all = set(wanted.formats.split(",")) <= {*self.formats.split(","), ""}
        has_same = (self.heard_with, self.written_with) == (wanted.heard_with, wanted.written_with)
        return has_all and has_same and place == others


class Standing(NamedTuple):
    """How a recording stands: what it was done with, and what became of it."""

    made: Print
    status: str
    code: str | None


class Ledger:
    """The file of one output directory. Nothing is durable before `commit`. Keys are bytes there, as in their lists."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path):
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN IMMEDIATE")
            self._check_version()
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("COMMIT")
        self._file = os.stat(path)  # noqa: PTH116

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What went wrong is on its way to whoever asked; that it is still wrong is no news.
        try:
            with suppress(OutputError) if error is not None else nullcontext():
                self.commit()
        finally:
            with suppress(sqlite3.Error):
                self._db.close()

    def standings(self) -> dict[str, Standing]:
        """Each recording that is known."""
        rows = self._rows("SELECT key, source, heard_with, written_with, formats, status, code FROM recording")
        return {os.fsdecode(key): Standing(Print(*made), status, code) for key, *made, status, code in rows}

    def known(self, key: str, made: Print) -> dict[str, str]:
        """The segment of each utterance that an earlier run recognised and that still counts, by place."""
        rows = self._rows("SELECT source, heard_with FROM recording WHERE key = ?", os.fsencode(key))
        if rows != [(made.source, made.heard_with)]:
            return {}
        return dict(self._rows("SELECT place, segment FROM utterance WHERE key = ?", os.fsencode(key)))

    def spent(self, key: str) -> float:
        """Seconds of work on the utterances that are known."""
        [(seconds,)] = self._rows("SELECT total(work) FROM utterance WHERE key = ?", os.fsencode(key))
        return float(seconds)

    def begin(self, key: str, made: Print) -> None:
        """The recording is in hand; earlier work on it that does not count is forgotten."""
        if not self.known(key, made):
            self._change("DELETE FROM utterance WHERE key = ?", os.fsencode(key))
        self._change(
            "INSERT OR REPLACE INTO recording (key, source, heard_with, written_with, formats, status)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            os.fsencode(key), made.source, made.heard_with, made.written_with, made.formats, BEGUN,
        )  # fmt: skip

    def forget(self, key: str) -> None:
        self._change("DELETE FROM utterance WHERE key = ?", os.fsencode(key))
        self._change("DELETE FROM recording WHERE key = ?", os.fsencode(key))

    def heard(self, key: str, place: str, segment: str, work: float) -> None:
        self._change("INSERT OR REPLACE INTO utterance VALUES (?, ?, ?, ?)", os.fsencode(key), place, segment, work)

    def ended(self, key: str, result: Result) -> None:
        """The recording is through; once it is complete, its utterances have done their work."""
        self._change(
            f"UPDATE recording SET ({RESULT}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE key = ?",
            result.status, result.code, plain(result.error), plain("\n".join(result.warnings)), result.duration,
            result.work, result.n_segments, result.n_suspect, plain(result.text), plain(result.tokens),
            plain(result.times), result.score, os.fsencode(key),
        )  # fmt: skip
        if result.status in COMPLETE:
            self._change("DELETE FROM utterance WHERE key = ?", os.fsencode(key))

    def result(self, key: str) -> Result | None:
        """How the recording ended; None if it never did."""
        rows = self._rows(f"SELECT {RESULT} FROM recording WHERE key = ?", os.fsencode(key))
        if not rows or rows[0][0] == BEGUN:
            return None
        names = ("status", "code", "error", "warnings", *(name.strip() for name in RESULT.split(",")[4:]))
        fields: dict[str, Any] = dict(zip(names, rows[0], strict=True))
        return Result(**{**fields, "warnings": tuple((fields["warnings"] or "").splitlines())})

    def commit(self) -> None:
        """On the disk, whatever happens next."""
        if not self._db.in_transaction:  # nothing new, or SQLite has taken it back and said so
            return
        with told(self.path):
            # An unmounted or deleted directory would take what we write, and nobody would ever see it.
            if not os.path.samestat(self._file, os.stat(self.path)):  # noqa: PTH116
                raise OutputError(f"{str(self.path)!r} is not the file it was: the output directory was replaced")
            self._db.execute("COMMIT")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with told(self.path):
            return self._db.execute(statement, values).fetchall()

    def _change(self, statement: str, *values: object) -> None:
        with told(self.path):
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(statement, values)

    def _check_version(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise OutputError(
                f"{str(self.path)!r} was written by another version of this program; finish with that one, or choose"
                " another directory with -o"
            )
        self._db.execute(f"PRAGMA user_version = {VERSION}")


def plain(text: str | None) -> str | None:
    """Text that names a file whose name is no UTF-8 is text all the same."""
    return text and text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Whatever SQLite or the disk has to say, in one sentence."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise OutputError(
                f"another asr batch is at work in {str(path.parent)!r}; wait for it, or choose another directory"
                " with -o"
            ) from error
        raise OutputError(
            f"cannot write {str(path)!r}: {error}; what was recognised before is kept, and the same command continues"
        ) from error
    except sqlite3.DatabaseError as error:
        raise OutputError(
            f"{str(path)!r} is damaged ({error}); remove it and the batch starts again: what it finds complete in the"
            " output directory is done once more"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r}: {error.strerror}; is the output directory still there?"
        ) from error
