"""Memory of `asr vad` and `asr transcribe` over 15 hours of real speech, joined end to end and fed through a pipe.

usage: endurance.py [HOURS]
The recogniser is the instant one of tests/fixtures: what is measured is everything around it.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from asr_cli.audio.files import read_blocks

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT.parent / "shared" / "data" / "audio"
SETTLED_SECONDS = 600.0  # of audio; from here on memory should not grow
RATE = 16_000


def speech() -> bytes:
    """Every Mandarin and English WAV there is, as raw samples."""
    paths = [path for language in ("zh", "en") for path in sorted((AUDIO / language).rglob("*.wav"))]
    blocks = [block.samples for path in paths for block in read_blocks(path)]
    return (np.concatenate(blocks) * 32767).astype("<i2").tobytes()


def endless(hours: float) -> Iterator[bytes]:
    material = speech()
    left = int(hours * 3600 * RATE * 2)
    while left > 0:
        for start in range(0, min(len(material), left), 1 << 16):
            yield material[start : start + (1 << 16)]
        left -= len(material)


def watch(name: str, arguments: list[str], hours: float, env: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", *arguments, "-", "--pcm", f"{RATE}:1:s16le", "-q"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={**os.environ, **env},
    )  # fmt: skip
    assert process.stdin is not None
    fed, seen, begun, over = [0], [], time.monotonic(), threading.Event()

    def sample() -> None:
        program = psutil.Process(process.pid)
        while not over.wait(0.2):
            seen.append((fed[0] / RATE / 2, program.memory_info().rss / 1e6))

    sampler = threading.Thread(target=sample)
    sampler.start()
    for piece in endless(hours):
        process.stdin.write(piece)
        fed[0] += len(piece)
    over.set()
    sampler.join()
    process.stdin.close()
    code = process.wait()
    elapsed = time.monotonic() - begun
    early = [rss for position, rss in seen if SETTLED_SECONDS <= position < 2 * SETTLED_SECONDS]
    late = [rss for position, rss in seen if position >= SETTLED_SECONDS]
    last = [rss for position, rss in seen if position >= (hours - 1) * 3600]
    growth = float(np.median(last) / np.median(early) - 1)
    peak = max(late) / np.median(early) - 1
    print(
        f"{name}: exit {code}, {hours:g} h in {elapsed:.0f} s ({hours * 3600 / elapsed:.0f}x); RSS after 10 minutes"
        f" {np.median(early):.0f} MB, in the last hour {np.median(last):.0f} MB ({growth:+.1%}), never less than"
        f" {min(late):.0f} nor more than {max(late):.0f} MB ({peak:+.1%})"
    )
    tenths = np.array_split(np.array([rss for _, rss in seen]), 10)
    print("  by tenths of the time: " + ", ".join(f"{np.median(tenth):.0f}" for tenth in tenths) + " MB")


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", folder,
             str(ROOT / "tests" / "fixtures" / "asr_backend_echo")],
            check=True,
        )  # fmt: skip
        watch("asr vad", ["vad"], hours, {})
        transcribe = ["transcribe", "--model", "echo", "-o", str(Path(folder) / "out.srt")]
        watch("asr transcribe", transcribe, hours, {"PYTHONPATH": folder})


if __name__ == "__main__":
    main()
