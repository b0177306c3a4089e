"""A small UniASR with seeded weights, the same for every interpreter: only the recipe is kept, not the numbers."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tests.tools.small_paraformer import CHARACTERS, write_mvn

TOKENS = ["<blank>", "<s>", "</s>", *CHARACTERS, "hel@@", "lo", "world", "<unk>"]
WIDTH = 32
MODES = ("fast", "normal", "offline")
# How much likelier hypotheses come to their ends than by chance: hardly ever before they must, or all the time.
VARIANTS = {"long": 0.0, "short": 16.0}


def config() -> dict[str, Any]:
    encoder = {"output_size": WIDTH, "attention_heads": 4, "linear_units": 48, "num_blocks": 3, "input_layer": "pe",
               "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "sanm_shfit": 0,
               "selfattention_layer_type": "sanm", "encoder_att_look_back_factor": [0, 0],
               "decoder_att_look_back_factor": [0, 0]}  # fmt: skip
    decoder = {"attention_heads": 4, "linear_units": 40, "num_blocks": 4, "att_layer_num": 2, "kernel_size": 11,
               "concat_embeds": True}  # fmt: skip
    predictor = {"idim": WIDTH, "threshold": 1.0, "l_order": 1, "r_order": 1}
    return {
        "model": "UniASR",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 1.0,
                       "decoder_attention_chunk_type": "chunk", "ctc_weight2": 0.0, "predictor_weight2": 1.0,
                       "decoder_attention_chunk_type2": "chunk", "loss_weight_model1": 0.5},
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": encoder | {"kernel_size": 11, "chunk_size": [10, 25], "stride": [5, 15], "pad_left": [2, 5]},
        "decoder": "FsmnDecoderSCAMAOpt",
        "decoder_conf": decoder | {"attention_dim": 24},
        "predictor": "CifPredictorV2",
        "predictor_conf": predictor,
        "encoder2": "SANMEncoderChunkOpt",
        "encoder2_conf": encoder | {"kernel_size": 21, "chunk_size": [12, 30], "stride": [8, 20], "pad_left": [2, 5]},
        "decoder2": "FsmnDecoderSCAMAOpt",
        "decoder2_conf": decoder | {"attention_dim": WIDTH},
        "predictor2": "CifPredictorV2",
        "predictor2_conf": predictor,
        "stride_conv": "stride_conv1d",
        "stride_conv_conf": {"kernel_size": 2, "stride": 2, "pad": [0, 1]},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": 7, "lfr_n": 6, "dither": 0.0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }  # fmt: skip


def seeded(shapes: Iterable[tuple[str, tuple[int, ...]]], variant: str = "long") -> dict[str, torch.Tensor]:
    """Weights by name: whoever has the names has the same numbers."""
    found = {}
    for name, shape in shapes:
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if "norm" in name:
            values = values * 0.1 + float(name.endswith("weight"))
        elif ".embed." not in name:
            values *= 1.5 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 25.0)
        if "cif_output.bias" in name:
            values -= 1.0  # so that not every other frame is a token
        if "output_layer.weight" in name:
            values *= 6.0  # so that some tokens are likelier than others
        if "output_layer.bias" in name:
            values[2] += VARIANTS[variant]
        found[name] = torch.from_numpy(values)
    return found


def sounds() -> list[np.ndarray]:
    """Utterances of different lengths: noise and hum that come and go, silence, and one too short for a token."""
    rng = np.random.default_rng(7)
    found = []
    for seconds in (2.13, 0.9, 7.31, 0.055, 14.2):
        t = np.arange(int(seconds * 16_000)) / 16_000
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * t + seconds)
        wave = swell * (0.1 * rng.standard_normal(len(t)) + 0.2 * np.sin(2 * np.pi * (180 + 90 * swell) * t))
        found.append(np.round(wave * 32767).astype(np.int16).astype(np.float32) / 32768)
    return [*found, np.zeros(24_000, np.float32)]


def write_folder(folder: Path, weights: dict[str, torch.Tensor], conf: dict[str, Any] | None = None) -> Path:
    """A checkpoint in FunASR's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf or config(), allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(TOKENS, ensure_ascii=False), encoding="utf-8")
    write_mvn(folder / "am.mvn")
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"},
             "frontend_conf": {"cmvn_file": "am.mvn"}}  # fmt: skip
    manifest = {"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}
    (folder / "configuration.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
