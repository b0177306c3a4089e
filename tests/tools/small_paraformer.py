"""Small Paraformers with seeded weights, the same for every interpreter: only the recipe is kept, not the numbers."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

VARIANTS = ("paraformer", "bicif", "seaco", "contextual")
STREAMING = "streaming"  # hears in chunks; not among the others, which hear whole utterances
CHARACTERS = (
    "今天的是不了人在有他这中大来上国个到说们为子和你地出道也时年"
    "得就那要下以生会自着去之过家学对可她里后小么心多都而能好"
)
TOKENS = ["<blank>", "<s>", "</s>", *CHARACTERS, "hel@@", "lo", "world", "i", "b", "m", "<unk>"]
WIDTH = 32
LENGTHS = (0, 399, 400, 700, 959, 960, 1500, 9600, 9999, 10300, 10559, 10560, 9520, 19200)  # samples
QUIET, LOUD = 8.0, 16.0  # log energies that count as nothing; the sounds here are about as loud as the second
CLASSES = {
    "paraformer": ("Paraformer", "ParaformerSANMDecoder", "CifPredictorV2"),
    "bicif": ("BiCifParaformer", "ParaformerSANMDecoder", "CifPredictorV3"),
    "seaco": ("SeacoParaformer", "ParaformerSANMDecoder", "CifPredictorV3"),
    "contextual": ("ContextualParaformer", "ContextualParaformerDecoder", "CifPredictorV2"),
    STREAMING: ("ParaformerStreaming", "ParaformerSANMDecoder", "CifPredictorV2"),
}
TIMES = {"smooth_factor2": 0.25, "noise_threshold2": 0.01, "upsample_times": 3, "use_cif1_cnn": False,
         "upsample_type": "cnn_blstm"}  # fmt: skip
NO_BIAS = 20
HOTWORDS = {"none": [], "few": [[5, 6, 7], [9], [30, 31]], "many": [[3 + n, 4 + n, 5 + n % 7] for n in range(45)]
            + [[10 + n, 3 + n] for n in range(15)]}  # fmt: skip


def config(variant: str) -> dict[str, Any]:
    model, decoder, predictor = CLASSES[variant]
    found: dict[str, Any] = {
        "model": model,
        "model_conf": {"predictor_bias": 1},
        "encoder": "SANMEncoder",
        "encoder_conf": {"output_size": WIDTH, "attention_heads": 4, "linear_units": 48, "num_blocks": 3,
                         "input_layer": "pe", "kernel_size": 11, "sanm_shfit": 0, "normalize_before": True},
        "decoder": decoder,
        "decoder_conf": {"attention_heads": 4, "linear_units": 40, "num_blocks": 3, "att_layer_num": 3,
                         "kernel_size": 11, "sanm_shfit": 0},
        "predictor": predictor,
        "predictor_conf": {"idim": WIDTH, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": 7, "lfr_n": 6, "dither": 0.0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }  # fmt: skip
    if predictor == "CifPredictorV3":
        found["predictor_conf"] |= TIMES
    if variant == "seaco":
        found["model_conf"] |= {"inner_dim": WIDTH, "bias_encoder_type": "lstm", "bias_encoder_bid": False,
                                "NO_BIAS": NO_BIAS}  # fmt: skip
        found["seaco_decoder"] = "ParaformerSANMDecoder"
        found["seaco_decoder_conf"] = {"attention_heads": 4, "linear_units": 24, "num_blocks": 4, "kernel_size": 21,
                                       "sanm_shfit": 0, "use_output_layer": False, "wo_input_layer": True}  # fmt: skip
    if variant == "contextual":
        found["model_conf"] |= {"inner_dim": WIDTH}
    if variant == STREAMING:
        found |= {"encoder": "SANMEncoderChunkOpt", "frontend": "WavFrontendOnline"}
        found["encoder_conf"] |= {"input_layer": "pe_online", "chunk_size": [12, 15], "stride": [8, 10],
                                  "pad_left": [0, 0], "encoder_att_look_back_factor": [4, 4],
                                  "decoder_att_look_back_factor": [1, 1]}  # fmt: skip
        found["decoder_conf"] |= {"sanm_shfit": 5}
    return found


def seeded(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """Weights by name: whoever has the names has the same numbers."""
    found = {}
    for name, shape in shapes:
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if "norm" in name:
            values = values * 0.1 + float(name.endswith("weight"))
        elif "embed" not in name:
            values *= 1.5 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 25.0)
        if name == "hotword_output_layer.bias":
            values[NO_BIAS] += 1.5  # so that it abstains now and then
        found[name] = torch.from_numpy(values)
    return found


def talkative(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """Seeded weights that say something: without the tokens that are no text, and fond of no single one."""
    found = seeded(shapes)
    weight, bias = found["decoder.output_layer.weight"], found["decoder.output_layer.bias"]
    bias.zero_()
    bias[:3] = -50.0
    weight -= weight.mean(0)
    # What all hidden states have in common is what the last norm adds, and what the end makes of nothing.
    found["decoder.after_norm.bias"].zero_()
    return found


def sounds() -> list[np.ndarray]:
    """Utterances of different lengths: noise and hum that come and go, and one too short for a frame of 60 ms."""
    rng = np.random.default_rng(7)
    found = []
    for seconds in (2.13, 0.9, 3.31, 0.055):
        t = np.arange(int(seconds * 16_000)) / 16_000
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * t + seconds)
        wave = swell * (0.1 * rng.standard_normal(len(t)) + 0.2 * np.sin(2 * np.pi * (180 + 90 * swell) * t))
        found.append(np.round(wave * 32767).astype(np.int16).astype(np.float32) / 32768)
    return found


def recordings() -> dict[str, np.ndarray]:
    """Recordings that are hard to divide: the sounds, the first of them cut to lengths around which something happens,
    silence, and all of them twice."""
    found = {f"sound {index}": sound for index, sound in enumerate(sounds())}
    found |= {f"{n} samples": sounds()[0][:n] for n in LENGTHS}
    return found | {"silence": np.zeros(30_000, np.float32), "long": np.concatenate([*sounds(), *sounds()])}


def write_folder(folder: Path, variant: str, weights: dict[str, torch.Tensor]) -> Path:
    """A checkpoint in FunASR's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump(config(variant), allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(TOKENS, ensure_ascii=False), encoding="utf-8")
    write_mvn(folder / "am.mvn", LOUD if variant == STREAMING else QUIET)
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"},
             "frontend_conf": {"cmvn_file": "am.mvn"}}  # fmt: skip
    manifest = {"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}
    (folder / "configuration.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def write_mvn(path: Path, mean: float = QUIET) -> None:
    rng = np.random.default_rng(3)
    shift = " ".join(f"{x - mean:.4f}" for x in rng.standard_normal(560))
    scale = " ".join(f"{0.16 + 0.01 * x:.5f}" for x in rng.standard_normal(560))
    path.write_text(
        f"<Nnet>\n<Splice> 560 560\n[ 0 ]\n<AddShift> 560 560\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> 560 560\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )
