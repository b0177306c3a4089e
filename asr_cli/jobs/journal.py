"""What a run has recognised so far, on disk, so that an interrupted one loses nothing.

One line of JSON for the run, then one for each utterance, forced to the disk as it is written. Everything before
recognition is cheap and everything after it is pure, so continuing means walking the recording again and asking the
journal before the recogniser: the result is the same to the last byte as that of a run nobody interrupted.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asr_cli.audio import Audio
from asr_cli.transcript import Segment, Word

VERSION = 1


class Journal:
    """An append-only file of recognised utterances; keeps the `Memory` role of longform.batch.

    run: what must be equal for earlier work to count: the recording and every option that changes words or times.
    n_records: how many utterances it holds now.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self._header = {"version": VERSION, **run}
        self._known = self._read() if resume else {}
        self.n_records = len(self._known)
        self._file = path.open("a" if self._known else "w", encoding="utf-8")
        if not self._known:
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
        words = [[word.text, word.start, word.end, word.confidence] for word in segment.words]
        self.n_records += 1
        self._append({"utterance": key, "words": words, "speaker": segment.speaker})

    def discard(self) -> None:
        """The recording is complete: the journal has done its work."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> dict[str, Segment]:
        """Earlier work of the same run; nothing when there is none or it was another run's."""
        if not self.path.is_file():
            return {}
        lines = self.path.read_bytes().splitlines(keepends=True)
        if not lines or parse(lines[0]) != self._header:
            return {}
        known: dict[str, Segment] = {}
        n_bytes = len(lines[0])
        for line in lines[1:]:
            record = parse(line)
            if record is None:  # the write that the power cut off; what follows it cannot be trusted either
                break
            words = tuple(Word(*fields) for fields in record["words"])
            known[record["utterance"]] = Segment(words, speaker=record["speaker"])
            n_bytes += len(line)
        os.truncate(self.path, n_bytes)
        return known


class Channel:
    """One channel's share of a journal."""

    def __init__(self, journal: Journal, channel: int) -> None:
        self._journal = journal
        self._channel = channel

    def recall(self, utterance: Audio) -> Segment | None:
        return self._journal.recall(self._key(utterance))

    def remember(self, utterance: Audio, segment: Segment) -> None:
        self._journal.remember(self._key(utterance), segment)

    def _key(self, utterance: Audio) -> str:
        first = round(utterance.start * utterance.sample_rate)
        return f"{self._channel}:{first}:{len(utterance.samples)}"


def parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
