"""Thousands of recordings, one in twenty broken: is every good one transcribed, and every bad one told with its cause?

usage: batch_trial.py [DIR]
DIR: where the corpus is made, and what comes of it is left; by default a folder that is removed afterwards.
First all of it with a recogniser that costs nothing, twice; then the built-in one on a part, against `asr transcribe`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from batch_broken import Recording
from batch_corpus import build

ROOT = Path(__file__).resolve().parents[2]
QUICK = ROOT / "tests" / "fixtures" / "quick"
LISTS = ("text", "token", "score", "time_stamp", "rtf")
COMPLETE = ("done", "no_speech")
N_BUILT_IN = 60  # recordings for the recogniser that takes its time
TOLERANCE = 0.3  # s; where a codec's packets end
N_LINTED = 200


class Failures(list[str]):
    """What was found wrong; said at once."""

    def expect(self, is_so: object, what: str) -> None:
        if not is_so:
            self.append(what)
            print(f"  WRONG: {what}", flush=True)


def asr(*arguments: str, **env: str) -> "subprocess.Popen[str]":
    path = os.pathsep.join((str(QUICK), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [sys.executable, "-m", "asr", *arguments], stderr=subprocess.PIPE, text=True, errors="replace",
        env={**os.environ, "PYTHONPATH": path, **env},
    )  # fmt: skip


def quick_batch(folder: Path, out: Path) -> "subprocess.Popen[str]":
    return asr("batch", str(folder / "wav.scp"), "-o", str(out), "-f", "srt,json", "--model", "quick", "--no-punc",
               "--allow-scp-pipes", "--json")  # fmt: skip


class Meddler:
    """Changes files while they are read, and removes others before their turn."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._early = [Path(one.source) for one in recordings if one.kind == "vanishes"]
        self._waiting = {one.source: one.kind for one in recordings if "in hand" in one.kind}
        self.n_early = 0

    def begun(self) -> None:
        """The list was looked through, and work has begun."""
        for path in self._early:
            path.unlink(missing_ok=True)
            self.n_early += 1

    def watch(self, program: int) -> None:
        process = psutil.Process(program)
        while self._waiting and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            for source in list(self._being_read(process)):
                self._meddle(Path(source), self._waiting.pop(source))
            time.sleep(0.02)

    def _being_read(self, process: psutil.Process) -> Iterator[str]:
        held = "\n".join(names_held(process))
        yield from (source for source in self._waiting if source in held)

    def _meddle(self, path: Path, kind: str) -> None:
        if kind == "vanishes in hand":
            path.unlink()
            return
        other = path.with_suffix(".new")
        shutil.copyfile(path.parent.parent / "one sample.wav", other)
        other.replace(path)

    @property
    def missed(self) -> int:
        return len(self._waiting)


def names_held(process: psutil.Process) -> Iterator[str]:
    """What a program's children have open, or were told to open."""
    try:
        children = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in children:
        try:
            yield from child.cmdline()
            yield from (file.path for file in child.open_files())
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue


def follow(process: "subprocess.Popen[str]", meddler: Meddler) -> list[dict[str, Any]]:
    """All events; the first recording that is through sets the meddler going."""
    assert process.stderr is not None
    events = []
    threading.Thread(target=meddler.watch, args=(process.pid,), daemon=True).start()
    n_heard = 0
    for line in process.stderr:
        event = json.loads(line)
        events.append(event)
        n_heard += event.get("event") == "file_done" and event.get("status") in COMPLETE
        if n_heard == 1 and not meddler.n_early:
            meddler.begun()
    return events


def report_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "asr-report.jsonl").read_text().splitlines()]


def check_causes(recordings: Sequence[Recording], report: Sequence[dict[str, Any]], found: Failures) -> None:
    """Everything that is as expected, and a table of what came of each kind."""
    kinds: dict[str, Counter[str]] = {}
    expected = {one.kind: " or ".join(one.codes) or "transcribed" for one in recordings}
    for one, record in zip(recordings, report, strict=True):
        came = record.get("code") or ("transcribed" if record["status"] in COMPLETE else record["status"])
        kinds.setdefault(one.kind, Counter())[came] += 1
        fits = came in one.codes if one.codes else came == "transcribed"
        found.expect(fits, f"{one.kind}: {one.source!r} was {came}: {record.get('error')}")
        if one.codes and not record.get("error"):
            found.append(f"{one.key} failed without a word")
    print(f"  {'kind':26} {'expected':26} reported")
    for kind, came in sorted(kinds.items()):
        print(f"  {kind:26} {expected[kind]:26} {', '.join(f'{n} {code}' for code, n in came.items())}")


def check_report(recordings: Sequence[Recording], report: Sequence[dict[str, Any]], found: Failures) -> None:
    found.expect([record["key"] for record in report] == [one.key for one in recordings], "the report's order")
    n_measured = 0
    for one, record in zip(recordings, report, strict=True):
        if record["status"] in COMPLETE and one.seconds is not None:
            n_measured += 1
            off = record["audio_s"] - one.seconds
            found.expect(abs(off) < TOLERANCE, f"{one.source!r} is {one.seconds:.2f} s long, heard {off:+.2f} s")
        if one.kind == "half a wav":
            found.expect(record.get("warnings"), f"{one.source!r} was cut short, and nobody was warned")
    print(f"  {n_measured} lengths checked to {TOLERANCE} s")


def check_outputs(report: Sequence[dict[str, Any]], out: Path, found: Failures) -> None:
    complete = [record for record in report if record["status"] in COMPLETE]
    expected = {out / ".asr-batch.sqlite", out / "asr-report.jsonl", *(out / "1best_recog" / name for name in LISTS)}
    for record in complete:
        files = {path.rsplit(".", 1)[1]: Path(path) for path in record["outputs"]}
        expected |= set(files.values())
        transcript = json.loads(files["json"].read_text())
        times = [word[time] for segment in transcript["segments"] for word in segment.get("words", ())
                 for time in ("start", "end")]  # fmt: skip
        # Within the recording, and in order.
        is_sound = times == sorted(times) and all(0 <= at <= record["audio_s"] + 0.01 for at in times)
        found.expect(is_sound, f"{record['key']}: words that are out of order or outside of the recording")
        found.expect(len(transcript["segments"]) == record["segments"], f"{record['key']}: segments and report differ")
    left = {path for path in out.rglob("*") if path.is_file()} ^ expected
    found.expect(not left, f"files that nobody asked for, or that are missing: {sorted(left)[:5]}")
    cues = [path for record in complete for path in record["outputs"] if path.endswith(".srt")][:: max(
        1, len(complete) // N_LINTED)]  # fmt: skip
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as log:
        linted = subprocess.run([sys.executable, "-m", "asr", "lint", *cues], stdout=log, stderr=log, check=False)
        log.seek(0)
        found.expect(linted.returncode == 0, f"asr lint: exit {linted.returncode}: {log.read()[-500:]}")
    print(f"  {len(complete)} results are whole, {len(cues)} subtitles linted")


def check_lists(report: Sequence[dict[str, Any]], out: Path, found: Failures) -> None:
    keys = [record["key"] for record in report if record["status"] in COMPLETE]
    for name in LISTS:
        lines = (out / "1best_recog" / name).read_text(errors="surrogateescape").splitlines()
        listed = [line.split(" ", 1)[0] for line in lines]
        if name == "text":
            found.expect(listed == keys, "1best_recog/text is not one line for each transcribed recording, in order")
        chosen = set(listed)
        found.expect(listed == [key for key in keys if key in chosen], f"1best_recog/{name} is out of order")


def try_all(folder: Path, recordings: Sequence[Recording], found: Failures) -> None:
    out = folder / "out"
    n_bad = sum(bool(one.codes) for one in recordings)
    print(f"{len(recordings)} recordings, {n_bad} of them broken ({n_bad / len(recordings):.1%})", flush=True)
    begun = time.monotonic()
    process, meddler = quick_batch(folder, out), Meddler(recordings)
    events = follow(process, meddler)
    found.expect(process.wait() == 3, f"exit {process.returncode}, not 3")
    found.expect(not meddler.missed, f"{meddler.missed} files were to be changed while read, and were not")
    wall, report = time.monotonic() - begun, report_of(out)
    seconds = sum(record.get("audio_s", 0) for record in report)
    print(f"  {seconds / 3600:.1f} h in {wall:.0f} s ({seconds / wall:.0f}x), exit {process.returncode}")
    found.expect(len(report) == len(recordings), "the report has one line for each recording")
    found.expect(events[-1]["event"] == "summary", "the last event is the summary")
    found.expect(events[-1].get("failed", 0) == n_bad, f"{events[-1].get('failed')} failed, not {n_bad}")
    check_causes(recordings, report, found)
    check_report(recordings, report, found)
    check_outputs(report, out, found)
    check_lists(report, out, found)
    again(folder, out, recordings, report, found)


def again(folder: Path, out: Path, recordings: Sequence[Recording], first: Sequence[dict[str, Any]],
          found: Failures) -> None:  # fmt: skip
    """The same command does what changed, and nothing else."""
    begun = time.monotonic()
    process = quick_batch(folder, out)
    events = [json.loads(line) for line in process.stderr or ()]
    found.expect(process.wait() == 3, f"again: exit {process.returncode}, not 3")
    report = report_of(out)
    changed = {one.key for one in recordings if one.kind == "replaced in hand"}
    # What is not there is looked for again, and what was changed is another recording; the rest stays.
    moved = changed | {one.key for one in recordings if one.kind.startswith("vanishes")}
    same = all(a == b for a, b in zip(first, report, strict=True) if a["key"] not in moved)
    found.expect(same, "again: records of recordings that nobody touched have changed")
    heard = {event["file"] for event in events if event["event"] == "file_done" and event["status"] in COMPLETE}
    found.expect(heard == changed, f"again: {len(heard)} recordings were heard, {len(changed)} were changed")
    print(f"  the same command again: {len(heard)} changed recordings heard, exit {process.returncode},"
          f" {time.monotonic() - begun:.1f} s", flush=True)  # fmt: skip


def try_built_in(folder: Path, recordings: Sequence[Recording], found: Failures) -> None:
    """Short ones of all formats, each twice: in a batch, and by itself."""
    short = [one for one in recordings if one.kind == "good" and 1.0 < (one.seconds or 0) < 6.0]
    chosen = short[:: max(1, len(short) // N_BUILT_IN)][:N_BUILT_IN]
    scp, out, single = folder / "part.scp", folder / "sphinx", folder / "single"
    scp.write_bytes(b"".join(os.fsencode(f"{one.key} {one.source}\n") for one in chosen))
    begun = time.monotonic()
    together = asr("batch", str(scp), "-o", str(out), "-f", "json", "--model", "sphinx", "-q")
    _, said = together.communicate()
    wall = time.monotonic() - begun
    found.expect(together.returncode == 0, f"built-in: exit {together.returncode}: {said[-500:]}")
    n_words = n_same = 0
    for one, record in zip(chosen, report_of(out), strict=True):
        alone = single / f"{len(list(single.glob('*')))}" if single.exists() else single / "0"
        asr("transcribe", one.source, "-o", f"{alone}.json", "--model", "sphinx", "-q").communicate()
        ours, theirs = json.loads(Path(record["outputs"][0]).read_text()), json.loads(Path(f"{alone}.json").read_text())
        n_same += ours == theirs
        found.expect(ours == theirs, f"built-in: {one.source!r} differs from what asr transcribe makes of it")
        n_words += sum(len(segment.get("words", ())) for segment in ours["segments"])
    print(f"built-in recogniser: {n_same} of {len(chosen)} as asr transcribe has them, {n_words} words;"
          f" the batch took {wall:.0f} s", flush=True)  # fmt: skip


def main() -> None:
    found = Failures()
    with tempfile.TemporaryDirectory() as kept_nowhere:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else kept_nowhere) / "corpus"
        shutil.rmtree(folder, ignore_errors=True)
        begun = time.monotonic()
        recordings = build(folder)
        print(f"corpus built in {time.monotonic() - begun:.0f} s", flush=True)
        try_all(folder, recordings, found)
        try_built_in(folder, recordings, found)
    print(f"{len(found)} wrong" if found else "all as expected")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
