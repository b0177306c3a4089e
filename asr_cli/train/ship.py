"""A trained model, made small enough to ship: python -m asr_cli.train.ship RUN/model asr_cli/weights/NAME

Weights in half precision, under FunASR's names or transformers', and nothing that only a trainer reads but for the
heads with which training can go on.
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.models.folder import CONFIGS, NORMS, WEIGHTS, file_of
from asr_cli.train.tasks.whisper_folder import GENERATION, save_weights

SMALL = ("tokens.json", "seg_dict")


def ship(model: Path, folder: Path) -> int:
    """Write the folder; the bytes it has."""
    tensors = checkpoint.read(file_of(model, WEIGHTS))
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    beyond = [name for name, tensor in halves.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if beyond:
        raise ModelError(f"{str(model)!r} has weights that half precision cannot hold: {', '.join(beyond[:5])}")
    folder.mkdir(parents=True, exist_ok=True)
    for path in beside(model):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    if is_transformers(model):
        save_weights(folder / "model.safetensors", halves)
    else:
        checkpoint.save_safetensors(folder / "model.safetensors", halves, {})
    return sum(path.stat().st_size for path in folder.iterdir())


def beside(model: Path) -> list[Path]:
    """What goes along with the weights."""
    if is_transformers(model):
        return sorted(model.glob("*.json"))
    return [file_of(model, CONFIGS), file_of(model, NORMS), *(model / name for name in SMALL)]


def is_transformers(model: Path) -> bool:
    return (model / GENERATION).is_file()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m asr_cli.train.ship", description=__doc__)
    parser.add_argument("model", type=Path, help="what asr train left in its folder")
    parser.add_argument("folder", type=Path, help="where to put it")
    given = parser.parse_args()
    with torch.no_grad():
        size = ship(given.model, given.folder)
    print(f"wrote {given.folder}, {size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
