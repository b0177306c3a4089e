"""Small transducers with seeded weights, the same for every interpreter: only the recipe is kept, not the numbers."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tests.tools.small_paraformer import CHARACTERS
from tests.tools.small_uniasr import sounds as sounds

TOKENS = ["<blank>", "<s>", "</s>", *CHARACTERS, "hel@@", "lo", "world", "<unk>"]
WIDTH = 32
ENCODERS = ("conformer", "rwkv")
WEIGHTS_FILE = Path(__file__).resolve().parents[1] / "golden" / "small_bat_weights.npz"
QUIET = -15.0  # of an average feature


def config(encoder: str) -> dict[str, Any]:
    if encoder == "conformer":
        name, conf = "ChunkConformerEncoder", {
            "output_size": WIDTH, "attention_heads": 4, "linear_units": 48, "num_blocks": 2, "cnn_module_kernel": 5,
            "subsampling_factor": 4, "time_reduction_factor": 2, "embed_vgg_like": False,
        }  # fmt: skip
    else:
        name, conf = "RWKVEncoder", {
            "output_size": WIDTH, "num_blocks": 2, "kernel": 3, "subsampling_factor": 4, "time_reduction_factor": 2,
        }  # fmt: skip
    return {
        "model": "BAT" if encoder == "conformer" else "Transducer",
        "model_conf": {"auxiliary_ctc_weight": 0.0},
        "encoder": name,
        "encoder_conf": conf,
        "decoder": "rnnt_decoder",
        "decoder_conf": {"embed_size": 24, "hidden_size": 28},
        "joint_network": "joint_network",
        "joint_network_conf": {"joint_space_size": 20},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": 1, "lfr_n": 1, "dither": 0.0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }  # fmt: skip


def seeded(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """Weights by name: whoever has the names has the same numbers."""
    found = {}
    for name, shape in shapes:
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if "norm" in name:
            values = np.abs(values * 0.1 + float(not name.endswith(("bias", "mean"))))
        elif "time_mix" in name:
            values = 1 / (1 + np.exp(-values))
        elif ".embed.weight" not in name:
            values *= 1.5 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 25.0)
        found[name] = torch.from_numpy(np.asarray(values, np.int64 if name.endswith("tracked") else np.float32))
    return found


def weights(encoder: str, shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """A whole checkpoint: by chance in front, behind it what `small_bat_weights` trained."""
    trained = np.load(WEIGHTS_FILE)
    found = seeded(shapes)
    return found | {
        name: torch.from_numpy(trained[f"{encoder}/{name}"].astype(np.float32))
        for name in found
        if f"{encoder}/{name}" in trained
    }


def write_mvn(path: Path) -> None:
    rng = np.random.default_rng(3)
    shift = " ".join(f"{x - QUIET:.4f}" for x in rng.standard_normal(80))
    scale = " ".join(f"{0.16 + 0.01 * x:.5f}" for x in rng.standard_normal(80))
    path.write_text(
        f"<Nnet>\n<Splice> 80 80\n[ 0 ]\n<AddShift> 80 80\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> 80 80\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )


def write_folder(
    folder: Path, encoder: str, tensors: dict[str, torch.Tensor], conf: dict[str, Any] | None = None
) -> Path:
    """A checkpoint in FunASR's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf or config(encoder), allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(TOKENS, ensure_ascii=False), encoding="utf-8")
    write_mvn(folder / "am.mvn")
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"},
             "frontend_conf": {"cmvn_file": "am.mvn"}}  # fmt: skip
    manifest = {"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}
    (folder / "configuration.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
