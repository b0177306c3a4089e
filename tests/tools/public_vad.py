"""The public FSMN-VAD, from its shared TorchScript file into a folder of FunASR's layout.

usage: public_vad.py OUT_DIR
"""

import shutil
import sys
from pathlib import Path

import torch

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "fsmn-vad"


def make_folder(folder: Path) -> Path:
    """Write model.pt, am.mvn and config.yaml; the TorchScript is opened only for its tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = torch.jit.load(str(SHARED / "model.torchscripts"), map_location="cpu").state_dict()
    torch.save({name: tensor.clone() for name, tensor in tensors.items()}, folder / "model.pt")
    shutil.copy(SHARED / "vad.mvn", folder / "am.mvn")
    shutil.copy(SHARED / "vad.yaml", folder / "config.yaml")
    return folder


if __name__ == "__main__":
    make_folder(Path(sys.argv[1]))
