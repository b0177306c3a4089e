"""A shard of cases in one process: `python -m tests.fuzz.worker '{"kind": ...}'`, one line of JSON a case."""

import json
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, TextIO

from tests.fuzz import endings, watch
from tests.fuzz.yard import Yard, open_yard

BOUNDS = {"media": 20.0, "session": 20.0, "http": 60.0, "lists": 10.0, "program": 90.0}  # seconds a case
MARK = "/asr-fuzz/"  # opened in vain around each case, so that a trace knows where it is


@dataclass(frozen=True, slots=True)
class Shard:
    """kind: see BOUNDS. Cases first..last-1 of the seed; root: where it may write; results: a file of JSON lines."""

    kind: str
    seed: int
    first: int
    last: int
    root: str
    corpus: str
    results: str
    findings: str  # a folder for the inputs of cases with findings

    def dumps(self) -> str:
        return json.dumps(asdict(self))


def run(shard: Shard) -> None:
    root = Path(shard.root)
    yard = open_yard(root, sorted(Path(shard.corpus).iterdir()))
    watch.watch_children()
    play = player(shard.kind, yard)
    warnings.simplefilter("error")  # Python's own would be printed
    mark("ready")
    with Path(shard.results).open("a", encoding="utf-8") as results:
        for number in range(shard.first, shard.last):
            one(shard, yard, play, number, results)
    yard.trap.close()


def player(kind: str, yard: Yard) -> Any:
    """The function that makes and plays one case of this kind."""
    endings.listen_to_warnings()
    if kind == "lists":
        from tests.fuzz import lists

        return lists.play
    from tests.fuzz import plays

    plays.prepare(kind, yard)
    return plays.PLAYS[kind]


def one(shard: Shard, yard: Yard, play: Any, number: int, results: TextIO) -> None:
    key = f"{shard.kind}:{number}"
    rng = Random(f"{shard.seed}:{key}")
    folder = yard.folder(key)
    record: dict[str, Any] = {"key": key, "how": "", "findings": []}
    begun = time.monotonic()
    before = watch.state()
    try:
        with watch.bounded(BOUNDS[shard.kind]):
            play(rng, yard, folder, record, lambda: mark(key))
    except watch.HangError:
        record["findings"].append(f"hung for {BOUNDS[shard.kind]:g} s")
        record["where"] = traceback.format_exc()[-1500:]
    except Exception as error:
        record["findings"].append(f"{type(error).__name__}: {error}"[:500])
        record["where"] = traceback.format_exc()[-3000:]
    mark("-")
    record["elapsed"] = round(time.monotonic() - begun, 3)
    record["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    record["findings"] += watch.remains(before) + yard.sprung() + yard.litter()
    record["crashes"] = watch.crashes()
    if record["crashes"] and not reported(record):
        record["findings"] += record["crashes"]
    if record["findings"]:
        kept = Path(shard.findings) / folder.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, symlinks=True, ignore=shutil.ignore_patterns("*canary*", "001.wav", "fifo"))
    shutil.rmtree(folder)
    results.write(json.dumps(record) + "\n")
    results.flush()


def reported(record: dict[str, Any]) -> bool:
    return record["how"] not in ("blocks", "long") or bool(record.get("warnings"))


def mark(key: str) -> None:
    with suppress(OSError):
        os.close(os.open(MARK + key, os.O_RDONLY))


if __name__ == "__main__":
    run(Shard(**json.loads(sys.argv[1])))
