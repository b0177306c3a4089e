"""How fast a batch is: against the recogniser alone on long recordings, against a shell loop on short ones.

    python tests/benchmarks/batch_speed.py AUDIO [MODEL] [--copies 4] [--engines local,ray]

AUDIO: a long recording, heard so many times. MODEL: sphinx unless said. Turns alternate, figures are medians of three.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asr_cli import ModelOptions, Session
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.audio.files import read_blocks
from asr_cli.longform.batch import recognize
from asr_cli.longform.cut import cut

N_SHORT = 10
SHORT_SECONDS = 2.0
TURNS = 3
AT_ONCE = 600.0  # s for the recogniser alone: nothing waits for the end of a batch


def alone(audio: Path, model: str, threads: int, n_copies: int) -> float:
    """Seconds of a recording that the recogniser does in a second when it has nothing else to do."""
    with Session(ModelOptions(model=model, language="en" if model == "sphinx" else None, threads=threads)) as session:
        blocks = list(read_blocks(str(audio)))
        speech = session.vad(blocks)
        utterances = list(cut(speech, session.recognizer.max_duration)) * n_copies
        seconds = blocks[-1].end * n_copies
        list(recognize(utterances[:20], session.recognizer, batch_seconds=session._batch_seconds))
        begun = time.monotonic()
        list(recognize(utterances, session.recognizer, batch_seconds=max(AT_ONCE, session._batch_seconds)))
        return seconds / (time.monotonic() - begun)


def batch(scp: Path, model: str, engine: str) -> tuple[float, float]:
    """Wall seconds of the command, and of it after the models are loaded."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "asr", "batch", str(scp), "-o", out, "--model", model, "--engine", engine,
                   "--json", "-f", "srt"]  # fmt: skip
        begun = loaded = time.monotonic()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                event = json.loads(line)
                if event["event"] == "model" and loaded == begun:
                    loaded = time.monotonic()
                if event["event"] == "error" or event.get("status") == "failed":
                    sys.exit(line)
        end = time.monotonic()
        return end - begun, end - loaded


def loop(paths: list[Path], model: str) -> float:
    with tempfile.TemporaryDirectory() as out:
        begun = time.monotonic()
        for path in paths:
            subprocess.run(
                [sys.executable, "-m", "asr", "transcribe", str(path), "-o", out, "-f", "srt", "-q", "--model", model],
                check=True,
            )
        return time.monotonic() - begun


def listed(paths: list[Path], folder: Path, name: str) -> Path:
    scp = folder / f"{name}.scp"
    scp.write_text("".join(f"{name}{number} {path}\n" for number, path in enumerate(paths)), encoding="utf-8")
    return scp


def shorts(audio: Path, folder: Path) -> list[Path]:
    """Stretches of the recording, as a corpus has them: 16 kHz WAV."""
    paths = [folder / f"short{number}.wav" for number in range(N_SHORT)]
    for number, path in enumerate(paths):
        subprocess.run(
            [find_ffmpeg(), "-v", "error", "-y", "-ss", str(20 + 3 * number), "-t", str(SHORT_SECONDS), "-i",
             str(audio), "-ac", "1", "-ar", "16000", str(path)], check=True,
        )  # fmt: skip
    return paths


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("audio", type=Path)
    parser.add_argument("model", nargs="?", default="sphinx")
    parser.add_argument("--engines", default="local")
    parser.add_argument("--copies", type=int, default=4)
    given = parser.parse_args()
    engines = given.engines.split(",")
    threads = os.cpu_count() or 1
    found: dict[str, list[float]] = {}
    folder = Path(tempfile.mkdtemp())
    try:
        long_scp = listed([given.audio] * given.copies, folder, "long")
        paths = shorts(given.audio, folder)
        short_scp = listed(paths, folder, "short")
        seconds = sum(len(block.samples) for block in read_blocks(str(given.audio))) / 16_000 * given.copies
        for _ in range(TURNS):
            found.setdefault("alone", []).append(alone(given.audio, given.model, threads, given.copies))
            for engine in engines:
                whole, net = batch(long_scp, given.model, engine)
                found.setdefault(f"{engine} whole", []).append(seconds / whole)
                found.setdefault(f"{engine} loaded", []).append(seconds / net)
                found.setdefault(f"{engine} short", []).append(batch(short_scp, given.model, engine)[0])
            found.setdefault("loop short", []).append(loop(paths, given.model))
    finally:
        shutil.rmtree(folder)
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"{given.model}, {threads} cores; {given.copies} recordings of {seconds / given.copies / 60:.0f} min")
    print(f"  recogniser alone        {middle['alone']:7.1f}x realtime")
    for engine in engines:
        for part in ("loaded", "whole"):
            rate = middle[f"{engine} {part}"]
            print(f"  {engine:6} {part:7}          {rate:7.1f}x   {rate / middle['alone']:.3f} of it")
    print(f"{N_SHORT} recordings of {SHORT_SECONDS:g} s")
    print(f"  shell loop              {middle['loop short']:7.1f} s")
    for engine in engines:
        wall = middle[f"{engine} short"]
        print(f"  {engine:6} whole            {wall:7.1f} s   {middle['loop short'] / wall:.1f}x faster")


if __name__ == "__main__":
    main()
