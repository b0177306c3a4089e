"""What a run has recognised so far, on disk, so that an interrupted one loses nothing.

One line of JSON for the run, then one for each utterance, forced to the disk as it is written. Everything before
recognition is cheap and everything after it is pure, so continuing means walking the recording again and asking the
journal before the recogniser: the result is the same to the last byte as that of a run nobody interrupted.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, TextIO

from asr_cli.audio import Audio
from asr_cli.errors import OutputError
from asr_cli.transcript import Segment, Word

fcntl: ModuleType | None = None
with suppress(ImportError):  # Windows has none; two runs at once are not noticed there
    import fcntl

VERSION = 2
KNOWN = ("speaker", "language", "suspect", "heard")  # of a segment beside its words; kept where there is something


class Journal:
    """An append-only file of recognised utterances; keeps the `Memory` role of longform.batch.

    run: what must be equal for earlier work to count: the recording and every option that changes words or times.
    n_records: how many utterances it holds now.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self._header = {"version": VERSION, **run}
        self._file = opened_alone(path)
        self.is_others = False  # whether it held work that does not count, and is given up
        self._known = self._read() if resume else {}
        self.n_records = len(self._known)
        if not self._known:
            self._file.truncate(0)
            self._append(self._header)

    @property
    def n_recalled(self) -> int:
        """How many utterances an earlier run left here."""
        return len(self._known)

    def channel(self, channel: int) -> "Channel":
        return Channel(self, channel)

    def recall(self, key: str) -> Segment | None:
        return self._known.get(key)

    def remember(self, key: str, segment: Segment) -> None:
        self.n_records += 1
        self._append({"utterance": key, **record_of(segment)})

    def discard(self) -> None:
        """The recording is complete: the journal has done its work."""
        if fcntl is None:  # such systems do not remove what is open
            self._file.close()
        self.path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        # All in ASCII: a file name need not be UTF-8.
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> dict[str, Segment]:
        """Earlier work of the same run; nothing when there is none or it was another run's."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        if not lines or parse(lines[0]) != self._header:
            self.is_others = len(lines) > 1
            return {}
        known: dict[str, Segment] = {}
        n_bytes = len(lines[0])
        for line in lines[1:]:
            record = parse(line)
            if record is None:  # the write that the power cut off; what follows it cannot be trusted either
                break
            known[record["utterance"]] = read_record(record)
            n_bytes += len(line)
        self._file.truncate(n_bytes)
        return known


class Channel:
    """One channel's share of a journal."""

    def __init__(self, journal: Journal, channel: int) -> None:
        self._journal = journal
        self._channel = channel

    def recall(self, utterance: Audio) -> Segment | None:
        return self._journal.recall(place_of(self._channel, utterance))

    def remember(self, utterance: Audio, segment: Segment) -> None:
        self._journal.remember(place_of(self._channel, utterance), segment)


def place_of(channel: int, utterance: Audio) -> str:
    """Which utterance of a recording it is: the same stretch of the same channel, to the sample."""
    first = round(utterance.start * utterance.sample_rate)
    return f"{channel}:{first}:{len(utterance.samples)}"


def record_of(segment: Segment) -> dict[str, Any]:
    """What a recogniser has made of an utterance, as JSON has it."""
    known = {name: value for name in KNOWN if (value := getattr(segment, name)) is not None}
    return {"words": [[word.text, word.start, word.end, word.confidence] for word in segment.words], **known}


def read_record(record: Mapping[str, Any]) -> Segment:
    return Segment(tuple(Word(*one) for one in record["words"]), **{name: record.get(name) for name in KNOWN})


def opened_alone(path: Path) -> TextIO:
    """The file, opened to append, ours alone until it is closed."""
    while True:
        file = path.open("a", encoding="utf-8")
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run that held it may have removed it between our opening and our locking.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError as error:
            file.close()
            raise OutputError(
                f"another asr is at work on this recording's results (it holds {str(path)!r}); wait for it, or choose"
                " another place with -o"
            ) from error
        except OSError:  # a file system without locks
            return file
        file.close()


def parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
