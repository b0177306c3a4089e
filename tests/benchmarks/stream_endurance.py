"""A stream of hours at an accelerated clock: does memory, or the cost of a second of sound, grow?

usage: stream_endurance.py RECORDING [HOURS [MODEL]]

RECORDING is heard again and again, as one stream. MODEL: a folder of a streaming model; else a small streaming
Paraformer with seeded random weights, whose drafts become final.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.files import read_blocks
from asr_cli.live.events import Final
from asr_cli.live.session import LiveOptions, LiveSession
from asr_cli.options import ModelOptions
from tests.tools.mid_paraformer import write_streaming

HOURS = 12.0
REPORT_EVERY = 1800.0  # s of the stream
BLOCK = SAMPLE_RATE // 10


def main() -> None:
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else HOURS
    samples = np.concatenate([block.samples for block in read_blocks(sys.argv[1])])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[3]) if len(sys.argv) > 3 else write_streaming(Path(name) / "paraformer-streaming-mid")
        with LiveSession(LiveOptions(models=ModelOptions(model=str(folder)))) as session:
            watch(session, samples, hours)


def watch(session: LiveSession, samples: np.ndarray, hours: float) -> None:
    process = psutil.Process()
    n_finals, peak = 0, 0
    begun = reported = time.monotonic()
    position, told = [0.0], 0.0
    for event in session.listen(stream(samples, hours * 3600, position)):
        n_finals += isinstance(event, Final)
        peak = max(peak, process.memory_info().rss)
        if position[0] >= told + REPORT_EVERY:
            now = time.monotonic()
            cost, rss = (now - reported) / (position[0] - told), process.memory_info().rss
            print(
                f"{position[0] / 3600:5.1f} h  RSS {rss / 1e6:6.0f} MB  peak {peak / 1e6:6.0f} MB"
                f"  {1 / cost:5.1f}x realtime  {cost * 600:5.1f} ms for 600 ms of sound  {n_finals} finals", flush=True,
            )  # fmt: skip
            reported, told = now, position[0]
    print(f"{hours:g} h in {time.monotonic() - begun:.0f} s, {n_finals} finals, peak {peak / 1e6:.0f} MB")


def stream(samples: np.ndarray, seconds: float, position: list[float]) -> Iterator[Audio]:
    for index in range(round(seconds * 10)):
        first = index * BLOCK % (len(samples) - BLOCK)
        position[0] = index / 10
        yield Audio(samples[first : first + BLOCK], start=index / 10)


if __name__ == "__main__":
    main()
