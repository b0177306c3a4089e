"""`kill -9` at thirty moments of `asr batch`, each followed by the same command: is everything there, and done once?

usage: batch_kill.py [KILLS]
Half of the moments are random, half are picked by what can be seen on the disk (the ledger begins, a result is being
written, the lists are). Then one batch is killed every few seconds until nothing is left to do.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from batch_broken import RATE, write_wav
from batch_corpus import speech

ROOT = Path(__file__).resolve().parents[2]
QUICK = ROOT / "tests" / "fixtures" / "quick"
N_RECORDINGS = 60
JOBS = 2
COST = "0.08"  # s of work for a second of speech; the whole takes about half a minute
TIMINGS = ("rtfx", "outputs")  # of a record; outputs say where they are, which differs here
POLL = 0.001  # s


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch is killed. it: whom; "group" is everybody."""

    name: str
    has_come: Callable[[Path, float], bool]
    it: str


def write_corpus(folder: Path) -> Path:
    """Short ones and some of two minutes, cut out of real speech; each is another stretch."""
    folder.mkdir()
    material = speech()
    rng = random.Random(5)
    lengths = [rng.uniform(1, 8) if number % 15 else rng.uniform(60, 120) for number in range(N_RECORDINGS)]
    at = 0
    with (folder / "wav.scp").open("w") as scp:
        for number, seconds in enumerate(lengths):
            n_samples = round(seconds * RATE)
            samples = np.take(material, range(at, at + n_samples), mode="wrap")
            at += n_samples
            write_wav(folder / f"{number}.wav", samples * 32767)
            scp.write(f"utt{number:03} {folder / f'{number}.wav'}\n")
    print(f"{N_RECORDINGS} recordings, {sum(lengths):.0f} s", flush=True)
    return folder / "wav.scp"


def start(scp: Path, out: Path, log: Path) -> "subprocess.Popen[bytes]":
    """batch_seconds: an utterance at a time, so that the one in hand is all that may be done twice."""
    path = os.pathsep.join((str(QUICK), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [sys.executable, "-m", "asr", "batch", str(scp), "-o", str(out), "-f", "srt,json", "--model", "quick",
         "--no-punc", "--jobs", str(JOBS), "--batch-seconds", "1", "-q"],
        env={**os.environ, "PYTHONPATH": path, "QUICK_LOG": str(log), "QUICK_COST": COST},
        start_new_session=True,
    )  # fmt: skip


def workers(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        return [child for child in psutil.Process(process.pid).children() if "asr_cli.jobs.child" in child.cmdline()]
    except psutil.NoSuchProcess:
        return []


def kill(process: "subprocess.Popen[bytes]", it: str, rng: random.Random) -> list[psutil.Process]:
    """Everybody who may outlive it."""
    known = workers(process)
    if it == "worker":
        if known:
            rng.choice(known).kill()
        return []
    process.kill()
    if it == "group":
        for one in known:
            if one.is_running():
                one.kill()
    process.wait()
    return known


def outlived(known: list[psutil.Process]) -> float:
    """How many seconds workers lived on after the main process."""
    begun = time.monotonic()
    psutil.wait_procs(known, timeout=20)
    return time.monotonic() - begun if known else 0.0


def contents(out: Path) -> dict[str, object]:
    """All files, without what says how long it took."""
    found: dict[str, object] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = str(path.relative_to(out))
        if name.startswith(".asr-batch.sqlite") or path.name == "rtf":
            continue
        if name == "asr-report.jsonl":
            records = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{key: record[key] for key in record if key not in TIMINGS} for record in records]
        else:
            found[name] = path.read_bytes()
    return found


def heard(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


def seen(pattern: str) -> Callable[[Path, float], bool]:
    return lambda out, _: any(True for _ in out.glob(pattern))


def after(seconds: float) -> Callable[[Path, float], bool]:
    return lambda _, elapsed: elapsed >= seconds


def moments(count: int, wall: float, rng: random.Random) -> Iterator[Moment]:
    """wall: seconds that it takes undisturbed."""
    picked = (
        ".asr-batch.sqlite", ".asr-batch.sqlite-wal", ".asr-parts", ".asr-parts/*.srt", ".asr-parts/7.json",
        "*.srt", "utt030.json", "utt059.srt", "utt059.json", "1best_recog", "*.part*", "1best_recog/*.part*",
        "1best_recog/rtf*", "1best_recog/text", "1best_recog/rtf",
    )  # fmt: skip
    whom = ("main", "group", "worker")
    for number in range(count):
        if number % 2:
            pattern = picked[number // 2 % len(picked)]
            yield Moment(f"sight of {pattern}", seen(pattern), whom[number // 2 % 2])
        else:
            # Spread evenly, then at random within each stretch: all phases are met.
            at = (number + rng.random() * 2) * (wall + 1) / count
            yield Moment(f"{at:.2f} s", after(at), whom[number // 2 % 3])


def one_kill(scp: Path, folder: Path, moment: Moment, rng: random.Random) -> tuple[bool, list[float], Path, Path]:
    """Whether it was met, and how long workers lived on; then the batch is finished."""
    out, log = folder / "out", folder / "log"
    shutil.rmtree(out, ignore_errors=True)
    log.unlink(missing_ok=True)
    process, begun = start(scp, out, log), time.monotonic()
    met = False
    while process.poll() is None:
        if moment.has_come(out, time.monotonic() - begun):
            met = True
            break
        time.sleep(POLL)
    lives = [outlived(kill(process, moment.it, rng))] if met else []
    if process.wait() not in (0, -signal.SIGKILL):
        print(f"  WRONG: exit {process.returncode}")
    last = start(scp, out, log)
    if last.wait():
        print(f"  WRONG: the same command ended with {last.returncode}")
    return met, lives, out, log


def compare(name: str, ours: dict[str, object], expected: dict[str, object]) -> bool:
    different = [path for path in {*ours, *expected} if ours.get(path) != expected.get(path)]
    if different:
        print(f"  WRONG: {name}: {sorted(different)[:6]}")
    return not different


def each_by_itself(scp: Path, folder: Path, count: int, expected: dict[str, object], wall: float) -> bool:
    rng = random.Random(count)
    twice, lives, n_met, fine = [], [0.0], 0, True
    for number, moment in enumerate(moments(count, wall, rng), 1):
        met, lived, out, log = one_kill(scp, folder, moment, rng)
        again = sum(heard(log).values()) - len(heard(log))
        n_met += met
        lives += lived
        twice.append(again)
        is_same = compare(moment.name, contents(out), expected)
        fine &= is_same and again <= JOBS
        print(f"  {number:2}  {moment.it:6} at {moment.name:28} {'' if met else '(not met)':10}"
              f"{'identical' if is_same else 'DIFFERENT'}, {again} recognised twice", flush=True)  # fmt: skip
    print(f"{count} kills, {n_met} of them met: recognised twice at most {max(twice)} a kill (in hand: {JOBS}),"
          f" {sum(twice)} in all; workers outlived the main process by at most {max(lives):.2f} s")  # fmt: skip
    return fine


def one_after_the_other(scp: Path, folder: Path, expected: dict[str, object], wall: float) -> bool:
    """The same batch killed again and again, until it gets through."""
    out, log, rng = folder / "chain", folder / "chain.log", random.Random(8)
    n_kills = 0
    while True:
        process = start(scp, out, log)
        try:
            code = process.wait(rng.uniform(0.2, wall / 4))
        except subprocess.TimeoutExpired:
            kill(process, rng.choice(("main", "group")), rng)  # its workers may be there still when the next one comes
            n_kills += 1
            continue
        break
    again = sum(heard(log).values()) - len(heard(log))
    is_same = compare("chain", contents(out), expected)
    print(f"one batch killed {n_kills} times: exit {code}, {'identical' if is_same else 'DIFFERENT'},"
          f" {again} of {len(heard(log))} utterances recognised twice")  # fmt: skip
    return is_same and not code and again <= n_kills * JOBS


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scp = write_corpus(folder / "corpus")
        begun = time.monotonic()
        if start(scp, folder / "whole", folder / "whole.log").wait():
            sys.exit("the undisturbed run failed")
        wall, once = time.monotonic() - begun, heard(folder / "whole.log")
        print(f"undisturbed: {wall:.1f} s, {len(once)} utterances, {sum(once.values()) - len(once)} twice", flush=True)
        expected = contents(folder / "whole")
        fine = each_by_itself(scp, folder, count, expected, wall)
        fine &= one_after_the_other(scp, folder, expected, wall)
    sys.exit(not fine)


if __name__ == "__main__":
    main()
