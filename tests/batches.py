"""`asr batch` as a user runs it, with the quick recogniser of tests/fixtures/quick."""

import json
import os
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np

QUICK = Path(__file__).parent / "fixtures" / "quick"
POISON = 32767  # the quick recogniser dies of it
PATIENCE = 120.0  # s; whoever takes longer hangs


def write_wav(path, seconds=0.5, seed=0, *, poisoned=False, channels=1):
    samples = (np.random.default_rng(seed).standard_normal((round(16000 * seconds), channels)) * 3000).astype("<i2")
    if poisoned:
        samples[len(samples) // 2] = POISON
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(os.fsencode(path) if isinstance(path, bytes) else str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def write_scp(path, entries):
    """entries: (id, path or command)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(os.fsencode(f"{key} {source}\n") for key, source in entries))
    return path


class Runs:
    """Runs of one command in one directory; the last one's exit code, what it said, and what it had recognised."""

    def __init__(self, folder, *inputs, out="out", log=None, options=()):
        self.folder, self.out, self.log = folder, folder / out, folder / (log or f"{out}.log")
        self.arguments = [*map(str, inputs), "-o", str(self.out), "--model", "quick", "--no-vad", "--no-punc", *options]
        self.code, self.said, self.heard = 0, "", []

    def begin(self, *options, cost=0.0, under=(), **environment):
        """Start, and leave it at work. cost: seconds of work for a second of speech."""
        self.log.write_text("")
        variables = {"PYTHONPATH": str(QUICK), "QUICK_COST": str(cost), "QUICK_LOG": str(self.log), **environment}
        return subprocess.Popen(
            [*under, sys.executable, "-P", "-m", "asr", "batch", *self.arguments, *options],
            env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd=self.folder,
        )  # fmt: skip

    def end(self, process, patience=PATIENCE):
        out, said = process.communicate(timeout=patience)
        assert out == b""  # a batch has nothing to say there
        self.code, self.said, self.heard = process.returncode, said.decode(), self.log.read_text().split()
        assert "Traceback" not in self.said and "bug" not in self.said, self.said
        return self

    def run(self, *options, **how):
        return self.end(self.begin(*options, **how))

    def wait_for(self, n_heard, process):
        """Until so many utterances are recognised."""
        deadline = time.monotonic() + PATIENCE
        while len(self.log.read_text().split()) < n_heard:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)

    @property
    def complaint(self):
        """The one sentence it ended with."""
        (line,) = [line for line in self.said.splitlines() if line.startswith("asr: ")]
        return line

    @property
    def events(self):
        return [json.loads(line) for line in self.said.splitlines()]

    def report(self):
        """Each recording's record, by its id."""
        lines = (self.out / "asr-report.jsonl").read_text("utf-8").splitlines()
        return {record["key"]: record for record in map(json.loads, lines)}

    def statuses(self):
        return {key: record["status"] for key, record in self.report().items()}

    def best(self, name="text"):
        """A list's lines as (id, the rest), as bytes where they are no text."""
        lines = (self.out / "1best_recog" / name).read_bytes().decode("utf-8", "surrogateescape").splitlines()
        return [tuple(line.partition(" ")[::2]) for line in lines]

    def files(self):
        """All results without what tells the time: path -> bytes."""
        found = {}
        for path in sorted(self.out.rglob("*")):
            name = str(path.relative_to(self.out))
            if path.is_dir() or name.startswith(".asr") or name == "1best_recog/rtf":
                continue
            found[name] = untimed(path.read_bytes()) if name == "asr-report.jsonl" else path.read_bytes()
        return found


def untimed(report):
    records = [json.loads(line) for line in report.splitlines()]
    return [{key: value for key, value in record.items() if key not in ("rtfx", "outputs")} for record in records]
