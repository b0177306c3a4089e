"""The fuzz: `python -m tests.fuzz.run`, 20,000 cases and more in shards under strace; exit 1 if anything was found."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz import corpus, trace
from tests.fuzz.worker import BOUNDS, Shard

COUNTS = {"media": 8500, "session": 1500, "http": 300, "lists": 12_000, "program": 200}
SHARD_CASES = {"media": 500, "session": 250, "http": 100, "lists": 2000, "program": 50}
N_PROCESSES = 2


def main() -> int:
    options = parsed()
    work = Path(options.work or tempfile.mkdtemp(prefix="fuzz-")).resolve()
    (work / "findings").mkdir(parents=True, exist_ok=True)
    corpus.build(work / "corpus")
    begun = time.monotonic()
    with ThreadPoolExecutor(options.processes) as pool:
        records = [
            record for part in pool.map(partial(play, traced=options.trace), shards(options, work)) for record in part
        ]
    return report(records, time.monotonic() - begun, work, traced=options.trace)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count, metavar="N", help=f"cases of this kind ({count})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="KIND:N", help="one case again, its input kept")
    parser.add_argument("--processes", type=int, default=N_PROCESSES)
    parser.add_argument("--work", help="a folder for corpus, results and findings (a temporary one)")
    parser.add_argument("--trace", action=argparse.BooleanOptionalAction, default=shutil.which("strace") is not None)
    return parser.parse_args()


def shards(options: argparse.Namespace, work: Path) -> Iterator[Shard]:
    spans = (
        (kind, n, min(n + SHARD_CASES[kind], count))
        for kind, count in counts(options)
        for n in range(0, count, SHARD_CASES[kind])
    )
    if options.only:
        kind, _, number = options.only.partition(":")
        spans = ((kind, n, n + 1) for n in (int(number),))
    for kind, first, last in spans:
        root = work / f"{kind}-{first}"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        yield Shard(
            kind,
            options.seed,
            first,
            last,
            str(root),
            str(work / "corpus"),
            str(root / "results.jsonl"),
            str(work / "findings"),
        )


def counts(options: argparse.Namespace) -> list[tuple[str, int]]:
    return [(kind, getattr(options, kind)) for kind in BOUNDS if getattr(options, kind)]


def play(shard: Shard, *, traced: bool) -> list[dict[str, Any]]:
    """Run a shard in a process of its own; its records, with what the trace adds."""
    root = Path(shard.root)
    log = root / "strace.log"
    command = [sys.executable, "-m", "tests.fuzz.worker", shard.dumps()]
    environment = {
        **os.environ,
        "TMPDIR": str(root / "tmp"),
        "HOME": str(root / "home"),
        "XDG_CACHE_HOME": str(root / "home"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(trace.REPO),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in ("tmp", "home", "cwd"):
        (root / name).mkdir(exist_ok=True)
    done = subprocess.run(
        [*trace.COMMAND, str(log), *command] if traced else command,
        cwd=root / "cwd",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
    )
    records = [json.loads(line) for line in Path(shard.results).read_text(encoding="utf-8").splitlines()]
    if done.returncode or len(records) < shard.last - shard.first:
        said = f"the shard ended with {done.returncode} after {len(records)} cases: {done.stderr[-1500:]}"
        records.append({"key": f"{shard.kind}:{shard.first + len(records)}", "how": "crash", "findings": [said]})
    elif done.stdout or done.stderr:
        records[-1]["findings"].append(f"the library printed: {done.stdout[-300:]} {done.stderr[-300:]}")
    if traced:
        add_trace(log, root, records)
        log.unlink()
    print(
        f"{shard.kind} {shard.first}-{shard.last}: {sum(bool(record['findings']) for record in records)} with findings",
        flush=True,
    )
    return records


def add_trace(log: Path, root: Path, records: list[dict[str, Any]]) -> None:
    known = {record["key"]: record for record in records}
    scopes = {key: scope(record) for key, record in known.items()}
    for key, wrong in trace.violations(log, root, scopes):
        if wrong not in known[key]["findings"] and len(known[key]["findings"]) < 10:
            known[key]["findings"].append(wrong)


def scope(record: dict[str, Any]) -> trace.Scope:
    ports = frozenset(record[name] for name in ("port", "allowed_port") if name in record)
    return trace.Scope(frozenset(record.get("named", ())), ports)


def report(records: list[dict[str, Any]], elapsed: float, work: Path, *, traced: bool) -> int:
    """Counts by kind and ending, the slowest, and everything found."""
    with (work / "records.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    endings = Counter((record["key"].partition(":")[0], record["how"]) for record in records)
    for (kind, how), count in sorted(endings.items()):
        print(f"{kind:8} {how:16} {count:6}")
    for record in sorted(records, key=lambda record: -record.get("elapsed", 0))[:5]:
        print(f"slow: {record['key']} {record.get('elapsed')} s, {record.get('made')}")
    found = [record for record in records if record["findings"]]
    for record in found:
        made = ", ".join(str(record.get(name)) for name in ("made", "form", "options"))
        print(f"FOUND {record['key']} ({made}): {record['findings']}")
    rate = f"{len(records)} cases{' traced' if traced else ''}, {len(records) / elapsed:.1f} a second"
    print(f"{rate}; {len(found)} with findings, in {work}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
