"""The tables of BAT and of RWKV-BAT in small: python tests/benchmarks/transducer_tables.py CORPUS OUT [--set N=V]

On speech synthesised by `python -m asr_cli.synthesis` (CORPUS has train, valid, test-seen-clean), the same network
and the same steps for each row, all from the small models that come with the program: the whole lattice, with
FastEmit, BAT in bands of several widths (An et al. 2023, arXiv:2305.11571, table 2); then RWKV against a Conformer
that hears in chunks (arXiv:2309.14758). Error rate with the greedy search, how long after their end words are said on
average, PR50 and PR90 of the last one against the true end of speech. A row whose model is in OUT already is
measured, not trained again.
"""

import argparse
import dataclasses
import subprocess
import sys
from pathlib import Path

import torch
from asr_plugins.bat import BACKEND
from asr_plugins.bat.look import look

from asr_cli.models.bat_folder import read_folder
from asr_cli.registry import LoadOptions

sys.path.insert(0, str(Path(__file__).parent))
from tiny_models import measure, share

SAME = ("max_epochs=3", "batch_seconds=40", "lr=0.001", "warmup_steps=300", "validate_every=586", "average=1",
        "workers=1")  # fmt: skip
LOSSES = {
    "RNN-T": ("model=Transducer",),
    "RNN-T, FastEmit 0.005": ("model=Transducer", "model_conf.fastemit_lambda=0.005"),
    "RNN-T, FastEmit 0.02": ("model=Transducer", "model_conf.fastemit_lambda=0.02"),
    "BAT, 1 back, 2 ahead": ("model_conf.r_d=1", "model_conf.r_u=2"),
    "BAT, 3 back, 5 ahead": ("model_conf.r_d=3", "model_conf.r_u=5"),
    "BAT, 5 back, 5 ahead": ("model_conf.r_d=5", "model_conf.r_u=5"),
}


def train(recipe: str, changes: tuple[str, ...], corpus: Path, out: Path) -> Path:
    model = out / "model"
    if not model.is_dir():
        command = [sys.executable, "-m", "asr", "train", recipe, "--init-from", recipe,
                   "--data", str(corpus / "train"), "--valid", str(corpus / "valid"), "-o", str(out),
                   "--precision", "bfloat16",
                   *(word for change in changes for word in ("--set", change))]  # fmt: skip
        subprocess.run(command, check=True)
    return model


def row(name: str, model: Path, corpus: Path) -> str:
    card = look(model)
    assert card is not None
    recognizer = BACKEND.load(card, model, LoadOptions(mode="greedy"))
    found = measure(recognizer, corpus / "test-seen-clean")
    getattr(recognizer, "close", lambda: None)()
    return (f"| {name} | {100 * found.rate:.1f} % | {sum(found.ends) / max(len(found.ends), 1):+.2f} s"
            f" | {share(found.last, 50):+.2f} s | {share(found.last, 90):+.2f} s |")  # fmt: skip


def state_bytes(model: Path) -> tuple[int, int]:
    """What is remembered of a stream after 4 s and after 40 s."""
    folder = read_folder(model)
    sizes = []
    for n_chunks in (10, 100):
        states = [None]
        with torch.inference_mode():
            for _ in range(n_chunks):
                features = torch.zeros(40, folder.net.config.n_features)
                _, states = folder.net.encoder.hear([features], states, [False])
        sizes.append(sum(map(size, dataclasses.astuple(states[0]))))
    return sizes[0], sizes[1]


def size(part: object) -> int:
    if isinstance(part, torch.Tensor):
        return part.nbytes
    return sum(map(size, part)) if isinstance(part, tuple | list) else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", action="append", default=[], help="of every row's recipe: max_epochs=2")
    given = parser.parse_args()
    head = "| | WER | words late, mean | PR50 | PR90 |\n|---|---|---|---|---|"
    print(f"RWKV, losses\n\n{head}")
    for name, changes in LOSSES.items():
        out = given.out / name.replace(" ", "-").replace(",", "")
        model = train("rwkv-bat-tiny", (*SAME, *changes, *given.set), given.corpus, out)
        print(row(name, model, given.corpus), flush=True)
    print(f"\nBAT, encoders\n\n{head}")
    rwkv = given.out / "BAT-3-back-5-ahead" / "model"
    conformer = train("bat-tiny", (*SAME, *given.set), given.corpus, given.out / "conformer")
    for name, model in (("RWKV", rwkv), ("Conformer, chunks of 640 ms", conformer)):
        print(row(name, model, given.corpus), flush=True)
    for name, model in (("RWKV", rwkv), ("Conformer", conformer)):
        first, later = state_bytes(model)
        n_weights = sum(one.numel() for one in read_folder(model).net.parameters())
        kilobytes = f"state {first / 1e3:.0f} kB after 4 s, {later / 1e3:.0f} kB after 40 s"
        print(f"{name}: {n_weights / 1e6:.2f} M weights; {kilobytes}")


if __name__ == "__main__":
    main()
