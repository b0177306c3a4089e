"""Many streams at once with a small streaming Paraformer: how soon captions come, and how many more there could be.

usage: stream_many.py RECORDING [N_STREAMS [SECONDS]]

The model has seeded random weights, so it is to be judged by its cost alone: its width and depth are those of a model
of about 7 million parameters. First all streams at the pace of speech, each begun at another place of the
recording; then as fast as it goes.
"""

import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.files import read_blocks
from asr_cli.live.captioner import Captioner
from asr_cli.live.events import Event, Over, Partial
from asr_cli.live.session import LiveOptions, LiveSession
from asr_cli.live.stats import Lag, Stats
from asr_cli.options import ModelOptions
from tests.tools.mid_paraformer import write_streaming

N_STREAMS, SECONDS = 32, 120.0
BLOCK = SAMPLE_RATE // 10


def main() -> None:
    recording = sys.argv[1]
    n_streams = int(sys.argv[2]) if len(sys.argv) > 2 else N_STREAMS
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else SECONDS
    samples = np.concatenate([block.samples for block in read_blocks(recording)])
    with tempfile.TemporaryDirectory() as name:
        folder = write_streaming(Path(name) / "paraformer-streaming-mid")
        with LiveSession(LiveOptions(models=ModelOptions(model=str(folder)))) as session:
            for paced in (True, False):
                run(session, samples, n_streams, seconds, paced=paced)


def run(session: LiveSession, samples: np.ndarray, n_streams: int, seconds: float, *, paced: bool) -> None:
    n_over, n_partials, lock = 0, 0, threading.Lock()

    def emit(event: Event) -> None:
        nonlocal n_over, n_partials
        with lock:
            n_over += isinstance(event, Over)
            n_partials += isinstance(event, Partial)

    stats = [Stats() for _ in range(n_streams)]
    streams = [session.caption(emit, stats=one, ahead=None if paced else 30.0) for one in stats]
    begun = time.monotonic()
    for block in ticks(samples, n_streams, seconds, begun, paced):
        for stream, audio in zip(streams, block, strict=True):
            stream.feed(audio)
    for stream in streams:
        stream.finish()
    wait(streams, session, lambda: n_over)
    took = time.monotonic() - begun
    rate = n_streams * seconds / took
    print(f"{n_streams} streams of {seconds:.0f} s {'at the pace of speech' if paced else 'at once'}: {took:.1f} s,"
          f" {rate:.1f}x realtime in all; {n_partials} drafts")  # fmt: skip
    if paced:
        for kind in ("first_word", "draft", "final", "after_speech"):
            lag = Lag.of([delay for one in stats for delay in one.delays(kind)])
            print(f"  {kind:12} median {lag.median:.2f} s   p90 {lag.p90:.2f} s   n {lag.n}")
        print(f"  late chunks {sum(one.report().n_late for one in stats)}", flush=True)


def ticks(samples: np.ndarray, n_streams: int, seconds: float, begun: float, paced: bool) -> Iterator[list[Audio]]:
    """A block for each stream, one tenth of a second after the other."""
    for index in range(round(seconds * 10)):
        if paced:
            time.sleep(max(0.0, begun + (index + 1) / 10 - time.monotonic()))
        start = index / 10
        firsts = ((stream * 7 * SAMPLE_RATE + index * BLOCK) % (len(samples) - BLOCK) for stream in range(n_streams))
        yield [Audio(samples[first : first + BLOCK], start=start) for first in firsts]


def wait(streams: list[Captioner], session: LiveSession, n_over) -> None:  # type: ignore[no-untyped-def]
    for _ in itertools.count():
        if session.failure is not None:
            raise session.failure
        if n_over() >= sum(stream.n_utterances for stream in streams):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    main()
