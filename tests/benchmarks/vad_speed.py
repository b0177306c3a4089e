"""How fast one core hears, and how much memory a long stream takes: usage: vad_speed.py [HOURS]

The stream is the shared recordings over and over, through our network; the public one, four times as large, beside it.
"""

import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from public_vad import make_folder  # noqa: E402

from asr_cli.audio import SAMPLE_RATE, Audio  # noqa: E402
from asr_cli.audio.ffmpeg import find_ffmpeg  # noqa: E402
from asr_cli.audio.files import read_blocks  # noqa: E402
from asr_cli.models.fsmn_vad import Config, FsmnVadNet  # noqa: E402
from asr_cli.vad.fsmn import FRAMES_PER_SECOND, FsmnVad  # noqa: E402
from asr_cli.vad.weights import read_own  # noqa: E402

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio"
BLOCK = 8000  # samples, as the decoder gives them


def stream(samples: np.ndarray, seconds: float) -> Iterator[Audio]:
    heard = 0
    while heard < seconds * SAMPLE_RATE:
        for first in range(0, len(samples), BLOCK):
            yield Audio(samples[first : first + BLOCK], start=heard / SAMPLE_RATE)
            heard += len(samples[first : first + BLOCK])


def decoded(path: Path) -> Iterator[Audio]:
    yield from read_blocks(path)


def timed(name: str, blocks: Iterable[Audio], vad: FsmnVad) -> None:
    seconds, began, clock = 0.0, time.process_time(), time.perf_counter()

    def counted() -> Iterator[Audio]:
        nonlocal seconds
        for block in blocks:
            seconds += block.duration
            yield block

    n_spans = sum(1 for _ in vad.spans(counted()))
    cpu, wall = time.process_time() - began, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:24} {seconds / 3600:6.2f} h  {seconds / cpu:7.0f}x of one core  {seconds / wall:7.0f}x by the clock"
        f"  peak {peak:5.0f} MB  {n_spans} stretches",
        flush=True,
    )


def peak_product() -> float:
    """GFLOP/s of float32 products of the network's size on this core: the ceiling for everything below."""
    a, b = torch.randn(250, 128), torch.randn(128, 1000)
    began, n_products = time.process_time(), 0
    while time.process_time() - began < 0.5:
        a @ b
        n_products += 1
    return 2 * 250 * 128 * 1000 * n_products / (time.process_time() - began) / 1e9


def ceiling(net: FsmnVadNet, gflops: float) -> str:
    products = sum(parameter.numel() for parameter in net.parameters() if parameter.dim() > 1)
    return f"{gflops / (2e-9 * FRAMES_PER_SECOND * products):.0f}x"


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    torch.set_num_threads(1)
    net, cmvn = read_own()
    gflops = peak_product()
    print(f"float32 products reach {gflops:.0f} GFLOP/s, which allows our network {ceiling(net, gflops)}"
          f" and the public one {ceiling(FsmnVadNet(Config()), gflops)}, features not counted")  # fmt: skip
    recordings = sorted(AUDIO.rglob("*.wav"))
    if not recordings:
        sys.exit("the shared recordings are not beside this checkout")
    heard = [block.samples for path in recordings[:60] for block in read_blocks(path)]
    samples = np.concatenate(heard)
    vad = FsmnVad(net, cmvn)
    for part in (hours / 16, hours):
        timed("samples in memory", stream(samples, part * 3600), vad)
    with tempfile.TemporaryDirectory() as folder:
        public = FsmnVad.from_folder(make_folder(Path(folder)))
    timed("the public network", stream(samples, hours / 8 * 3600), public)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        pcm = (samples * 32767).astype("<i2").tobytes()
        subprocess.run(
            [find_ffmpeg(), "-y", "-v", "error", "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "-", file.name],
            input=pcm * max(1, int(1800 * SAMPLE_RATE / len(samples))), check=True,
        )  # fmt: skip
        timed("decoded by ffmpeg", decoded(Path(file.name)), vad)


if __name__ == "__main__":
    main()
