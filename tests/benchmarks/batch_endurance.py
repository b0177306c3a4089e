"""Memory and the first result of `asr batch`: a day in one file among thousands of seconds, and 100,000 lines.

usage: batch_endurance.py [day|list] [HOURS] [LINES]
The recogniser is the instant one of tests/fixtures: what is measured is everything around it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from batch_broken import RATE, ffmpeg, write_wav
from batch_corpus import speech

ROOT = Path(__file__).resolve().parents[2]
QUICK = ROOT / "tests" / "fixtures" / "quick"
EVERY = 5.0  # s between two looks at the memory
N_SHORT = 2000
SHORT_SECONDS = 2.0
N_FILES = 200  # that 100,000 lines name in turn


@dataclass(slots=True)
class Look:
    """What is seen of a running batch. rss: (seconds, MB of the main process, MB of its workers together)."""

    ready: float = 0.0  # s from the start until the models are loaded
    first: float = 0.0  # s until the first recording is through
    ends: list[tuple[float, str, float]] = field(default_factory=list)  # seconds, key, audio seconds
    rss: list[tuple[float, float, float]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None


def batch(arguments: Sequence[str], until: Callable[[Look], bool] = lambda look: False) -> Look:
    """Run it, watch it, and kill it once that is so."""
    path = os.pathsep.join((str(QUICK), os.environ.get("PYTHONPATH", "")))
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", "batch", *arguments, "--model", "quick", "--no-punc", "--json"],
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
    )  # fmt: skip
    look, begun, over = Look(), time.monotonic(), threading.Event()
    sampler = threading.Thread(target=sample, args=(process.pid, look, begun, over))
    sampler.start()
    assert process.stderr is not None
    for line in process.stderr:
        note(look, json.loads(line), time.monotonic() - begun)
        if until(look):
            os.killpg(process.pid, signal.SIGKILL)
            break
    look.code = process.wait()
    over.set()
    sampler.join()
    return look


def note(look: Look, event: dict[str, Any], now: float) -> None:
    if event["event"] == "model":
        look.ready = look.ready or now
    elif event["event"] == "file_done":
        look.first = look.first or now
        look.ends.append((now, event["file"], event["audio_s"]))
    else:
        look.events.append(event)


def sample(program: int, look: Look, begun: float, over: threading.Event) -> None:
    process = psutil.Process(program)
    while not over.wait(EVERY if look.rss else 0.5):
        try:
            workers = [child for child in process.children() if "asr_cli.jobs.child" in child.cmdline()]
            sizes = process.memory_info().rss, sum(worker.memory_info().rss for worker in workers)
        except psutil.NoSuchProcess:
            continue
        look.rss.append((time.monotonic() - begun, *(size / 1e6 for size in sizes)))


def show_memory(look: Look) -> None:
    """Tenths of the run: what the main process and the workers held in each."""
    seen = [one for one in look.rss if one[0] >= look.first]
    if not look.ends or not seen:
        return
    parts = [part for part in np.array_split(np.array(seen), min(10, len(seen))) if len(part)]
    for index, name in ((1, "main"), (2, "workers")):
        print(f"  RSS {name:8}", " ".join(f"{np.median(part[:, index]):6.0f}" for part in parts), "MB,"
              f" {max(one[index] for one in seen):.0f} at most", flush=True)  # fmt: skip


def day(folder: Path, hours: float) -> Iterator[tuple[str, Path]]:
    """A long recording, in two formats; made by copying packets."""
    reel = folder / "reel.wav"
    write_wav(reel, speech() * 32767)
    for name, options in (("opus", "-c:a libopus -b:a 24k"), ("wav", "-c:a copy")):
        once, path = folder / f"once.{name}", folder / f"day.{name}"
        ffmpeg("-i", str(reel), *options.split(), str(once))
        ffmpeg("-stream_loop", "-1", "-i", str(once), "-t", str(hours * 3600), "-c", "copy", str(path))
        yield name, path
        path.unlink()


def short_ones(folder: Path, count: int, seconds: float) -> list[Path]:
    material = speech()
    n_samples = round(seconds * RATE)
    made = []
    for number in range(count):
        path = folder / f"{number:05}.wav"
        first = number * 7919 % (len(material) - n_samples)
        write_wav(path, material[first : first + n_samples] * 32767)
        made.append(path)
    return made


def write_scp(path: Path, sources: Sequence[Path]) -> Path:
    path.write_text("".join(f"utt{number:06} {source}\n" for number, source in enumerate(sources)))
    return path


def try_day(folder: Path, hours: float) -> None:
    """The long one first, so that all the short ones have it beside them; then the short ones alone, to compare."""
    short = short_ones(folder, N_SHORT, SHORT_SECONDS)
    alone = batch([str(write_scp(folder / "alone.scp", short)), "-o", str(folder / "alone")])
    rate = N_SHORT / (alone.ends[-1][0] - alone.first)
    print(f"{N_SHORT} recordings of {SHORT_SECONDS:g} s alone: models {alone.ready:.1f} s, first result"
          f" {alone.first - alone.ready:.1f} s later, {rate:.0f} a second, exit {alone.code}", flush=True)  # fmt: skip
    show_memory(alone)
    for name, path in day(folder, hours):
        out = folder / name
        look = batch([str(write_scp(folder / f"{name}.scp", [path, *short])), "-o", str(out), "-f", "srt,json"])
        passed = [end for end, key, _ in look.ends if key != "utt000000"]
        [(ended, _, heard)] = [end for end in look.ends if end[1] == "utt000000"]
        print(f"{hours:g} h of {name} among them: exit {look.code}, {heard / 3600:.2f} h heard in {ended:.0f} s"
              f" ({heard / ended:.0f}x); first result {look.first - look.ready:.1f} s after the models; the short ones"
              f" {N_SHORT / (passed[-1] - passed[0]):.0f} a second, the last of them {ended - passed[-1]:.0f} s before"
              " the long one", flush=True)  # fmt: skip
        show_memory(look)
        shutil.rmtree(out)


def try_list(folder: Path, n_lines: int) -> None:
    """Killed when half of it is done, finished, and begun once more when nothing is left."""
    files = short_ones(folder, N_FILES, 0.3)
    scp = write_scp(folder / "wav.scp", [files[number % N_FILES] for number in range(n_lines)])
    for turn, n_wanted in (("killed half-way", n_lines // 2), ("again", n_lines), ("and again", n_lines)):
        begun = time.monotonic()
        arguments = [str(scp), "-o", str(folder / "out"), "--no-vad"]
        look = batch(arguments, lambda look, n_wanted=n_wanted: len(look.ends) >= n_wanted)  # type: ignore[misc]
        wall = time.monotonic() - begun
        said = next((event["message"] for event in look.events if "recordings" in event.get("message", "")), "")
        print(f"{n_lines:,} lines, {turn} ({said}): exit {look.code} after {wall:.1f} s", flush=True)
        if look.ends:
            last, _, _ = look.ends[-1]
            rate = len(look.ends) / max(1e-9, last - look.first)
            print(f"  models after {look.ready:.1f} s, first result {look.first - look.ready:.2f} s later,"
                  f" {len(look.ends):,} done, {rate:.0f} a second, then {wall - last:.1f} s to the end")  # fmt: skip
        show_memory(look)


def main() -> None:
    which = sys.argv[1] if len(sys.argv) > 1 else ""
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 24.0
    n_lines = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    with tempfile.TemporaryDirectory() as name:
        if which != "list":
            try_day(Path(name), hours)
        if which != "day":
            (Path(name) / "list").mkdir()
            try_list(Path(name) / "list", n_lines)


if __name__ == "__main__":
    main()
