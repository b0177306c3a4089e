"""How fast the streaming Paraformer hears chunks of 600 ms on two cores, beside FunASR's own.

usage: streaming_speed.py MODEL_DIR FUNASR_PYTHON RECORDING [ROUNDS]

First one stream: FunASR and each compute type take turns, so that whatever else the machine does falls on all of them.
Then many streams at once, and what a chunk costs at the end of a long stream. Medians; times real time.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

TYPES = ("float32", "bfloat16", "int8")
STREAMS = (1, 4, 16, 32)
STRIDE, SECONDS, THREADS = 9600, 0.6, 2
TURN = 20  # chunks
LONG = 500  # chunks: five minutes


class Worker:
    """A process that hears chunks when it is told to."""

    def __init__(self, python: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [python, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask("0 1")

    def ask(self, order: str) -> list[float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return list(map(float, self.process.stdout.readline().split()))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def serve(hear) -> None:  # type: ignore[no-untyped-def]
    """Answer "CHUNKS STREAMS" with how long each chunk took."""
    for line in sys.stdin:
        n_chunks, n_streams = map(int, line.split())
        print(*hear(n_chunks, n_streams), flush=True)


def samples_of(path: str) -> np.ndarray:
    import soundfile  # type: ignore[import-untyped]

    return np.asarray(soundfile.read(path, dtype="float32")[0])


def piece(sound: np.ndarray, at: int) -> np.ndarray:
    begin = at * STRIDE % (len(sound) - STRIDE)
    return sound[begin : begin + STRIDE]


def ours(model: str, recording: str, compute_type: str) -> None:
    from pathlib import Path

    from asr_plugins.paraformer import BACKEND
    from asr_plugins.paraformer.look import look

    from asr_cli.audio import Audio
    from asr_cli.protocols import Chunk
    from asr_cli.registry import LoadOptions

    card = look(Path(model))
    assert card is not None
    options = LoadOptions(device="cpu", threads=THREADS, compute_type=compute_type)
    recognizer = BACKEND.load(card, Path(model), options)
    sound = samples_of(recording)

    def hear(n_chunks: int, n_streams: int) -> list[float]:
        states, took = [None] * n_streams, []
        for at in range(n_chunks):
            chunks = [Chunk(Audio(piece(sound, 97 * i + at)), state) for i, state in enumerate(states)]
            begin = time.perf_counter()
            heard = recognizer.hear(chunks)
            took.append(time.perf_counter() - begin)
            states = [state for _, state in heard]
        return took

    serve(hear)


def theirs(model: str, recording: str) -> None:
    """The half that runs in FunASR's interpreter."""
    sys.path.insert(0, str(Path(__file__).parent))
    import torch
    from streaming_parity import funasr

    net, given = funasr(Path(model))
    torch.set_num_threads(THREADS)
    sound = samples_of(recording)

    def hear(n_chunks: int, n_streams: int) -> list[float]:
        cache: dict[str, object] = {}
        took = []
        for at in range(n_chunks):
            begin = time.perf_counter()
            with torch.inference_mode():
                net.inference([torch.from_numpy(piece(sound, at).copy())], cache=cache, is_final=False, **given)
            took.append(time.perf_counter() - begin)
        return took

    serve(hear)


def show(name: str, took: list[float], n_streams: int = 1) -> None:
    middle = median(took)
    print(f"{name:24} {n_streams:2} streams: {middle * 1000:7.1f} ms a chunk, {n_streams * SECONDS / middle:5.1f}"
          " x real time", flush=True)  # fmt: skip


def main() -> None:
    model, python, recording = sys.argv[1:4]
    n_rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    workers = {"FunASR 1.4.16, float32": Worker(python, "--funasr", model, recording)}
    workers |= {name: Worker(sys.executable, "--ours", model, recording, name) for name in TYPES}
    took: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(n_rounds):
        for name, worker in workers.items():
            took[name] += worker.ask(f"{TURN} 1")[5:]  # as long as there is less to remember
    for name, times in took.items():
        show(name, times)
    for name in TYPES:
        for n_streams in STREAMS[1:]:
            show(name, workers[name].ask(f"12 {n_streams}")[5:], n_streams)
    long = workers["bfloat16"].ask(f"{LONG} 1")
    show("bfloat16, first minute", long[5:100])
    show(f"bfloat16, after {(LONG - 100) * SECONDS / 60:.0f} min", long[-100:])
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    if sys.argv[1] == "--funasr":
        theirs(*sys.argv[2:4])
    elif sys.argv[1] == "--ours":
        ours(*sys.argv[2:5])
    else:
        main()
