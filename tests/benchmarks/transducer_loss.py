"""What a transducer's loss costs, joiner included: python tests/benchmarks/transducer_loss.py [--device cuda]

Forward and backward: time (a median) and peak memory beyond the inputs, each kind in a process of its own. The whole
lattice with its logits in memory (torchaudio's loss where that imports), ours over the whole lattice, pruned RNN-T, BAT
at two widths, and for scale the joiner alone in bands of 5 and 10, without a loss.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.nn.transducer_lattice import around, whole
from asr_cli.nn.transducer_loss import transducer_loss
from asr_cli.nn.transducer_pruned import LatticeLoss, pruned, simple_loss

GPU_SHAPES = (8, 250, 40), (32, 250, 40), (8, 500, 80)
CPU_SHAPES = (1, 125, 20), (2, 125, 20), (2, 250, 40)
V, D = 4234, 512
WARM = 1
KINDS = (
    "full, logits in memory",
    "full, ours",
    "pruned 5",
    "pruned 10",
    "BAT 3+5",
    "BAT 5+5",
    "joiner alone, 5",
    "joiner alone, 10",
)
try:
    from torchaudio.functional import rnnt_loss
except (ImportError, OSError, AttributeError):
    rnnt_loss = None


class Setting:
    """An utterance's encodings and what is joined to them, of a model that has begun to learn."""

    def __init__(self, shape: tuple[int, int, int], device: str) -> None:
        torch.manual_seed(0)
        batch, n_frames, n_tokens = shape
        self.encoded = torch.randn(batch, n_frames, D, device=device, requires_grad=True)
        self.predicted = torch.randn(batch, n_tokens + 1, D, device=device, requires_grad=True)
        self.output = nn.Linear(D, V).to(device)
        self.simple = nn.ModuleList((nn.Linear(D, V), nn.Linear(D, V))).to(device)
        self.targets = torch.randint(1, V, (batch, n_tokens), device=device)
        self.n_frames = torch.full((batch,), n_frames, device=device)
        self.n_tokens = torch.full((batch,), n_tokens, device=device)
        self.said = (torch.rand(batch, n_frames, device=device) * 2 * n_tokens / n_frames).cumsum(1).clamp(max=n_tokens)

    def run(self, kind: str) -> None:
        loss = self.loss(kind)
        loss.sum().backward()

    def loss(self, kind: str) -> Tensor:
        name, _, size = kind.rpartition(" ")
        if kind == "full, logits in memory":
            return self.in_memory()
        if kind == "full, ours":
            return self.banded(whole(self.n_frames, self.n_tokens))
        if name == "pruned":
            rough, occupied = simple_loss(
                self.simple[0](self.encoded), self.simple[1](self.predicted), self.targets, self.n_frames, self.n_tokens
            )
            return rough + self.banded(pruned(occupied, int(size), self.n_frames, self.n_tokens))
        if name == "BAT":
            back, ahead = map(int, size.split("+"))
            return self.banded(around(self.said, self.n_frames, self.n_tokens, back=back, ahead=ahead))
        rows = (self.said.long().unsqueeze(2) + torch.arange(int(size), device=self.said.device)).clamp(
            max=self.predicted.shape[1] - 1
        )
        taken = self.predicted.unsqueeze(1).expand(-1, rows.shape[1], -1, -1)
        joined = torch.tanh(self.encoded.unsqueeze(2) + taken.gather(2, rows.unsqueeze(3).expand(-1, -1, -1, D)))
        return -F.log_softmax(self.output(joined), -1)[..., 0]

    def banded(self, band: object) -> Tensor:
        return transducer_loss(self.encoded, self.predicted, self.output, self.targets, band)  # type: ignore[arg-type]

    def in_memory(self) -> Tensor:
        logits = self.output(torch.tanh(self.encoded.unsqueeze(2) + self.predicted.unsqueeze(1)))
        if rnnt_loss is not None:
            return rnnt_loss(
                logits, self.targets.int(), self.n_frames.int(), self.n_tokens.int(), blank=0, reduction="none"
            )
        logs = logits.log_softmax(-1)
        following = F.pad(self.targets, (0, 1)).unsqueeze(1).unsqueeze(3).expand(-1, logs.shape[1], -1, -1)
        loss: Tensor
        loss, _ = LatticeLoss.apply(
            logs[..., 0], logs.gather(3, following).squeeze(3), whole(self.n_frames, self.n_tokens)
        )
        return loss


def measure(kind: str, shape: tuple[int, int, int], device: str, repeats: int) -> dict[str, float]:
    setting = Setting(shape, device)
    before = resident(device)
    times = [timed(lambda: setting.run(kind), device) for _ in range(WARM + repeats)][WARM:]
    return {"seconds": statistics.median(times), "bytes": resident(device) - before}


def resident(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(call: Callable[[], None], device: str) -> float:
    begin = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=4, help="kind and shape, measured in this process")
    given = parser.parse_args()
    if given.one:
        kind, *shape = given.one
        print(json.dumps(measure(kind, tuple(map(int, shape)), given.device, given.repeats)))  # type: ignore[arg-type]
        return
    whose = "torchaudio" if rnnt_loss is not None else "log_softmax and our lattice"
    print(f"V={V}, D={D}, {given.device}; full loss by {whose}\n")
    print("| (B, T, U) | " + " | ".join(KINDS) + " |\n|---|" + "---|" * len(KINDS))
    for shape in CPU_SHAPES if given.device == "cpu" else GPU_SHAPES:
        cells = []
        for kind in KINDS:
            command = [sys.executable, __file__, "--device", given.device, "--repeats", str(given.repeats),
                       "--one", kind, *map(str, shape)]  # fmt: skip
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            if found.returncode:
                cells.append(found.stderr.strip().splitlines()[-1][:40])
                continue
            one = json.loads(found.stdout)
            cells.append(f"{one['seconds'] * 1000:.1f} ms, {one['bytes'] / 2**20:.0f} MiB")
        print(f"| {shape} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
