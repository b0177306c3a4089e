"""Words that are tones, for training runs that take seconds: each word a pitch, each utterance a few of them."""

import json
import random
import wave
from pathlib import Path

import numpy as np
import yaml

RATE = 16_000
WORDS = ("ba", "bo", "bu", "da", "do", "du", "ka", "ko")
WIDTH = 48


def sound(words: list[str], seed: int) -> np.ndarray:
    """Samples in int16."""
    tone = 3200
    time = np.arange(tone) / RATE
    pieces = [0.3 * np.sin(2 * np.pi * 300 * 1.3 ** WORDS.index(word) * time) * np.hanning(tone) for word in words]
    samples = np.concatenate([np.append(piece, np.zeros(1600)) for piece in pieces])
    noise = 0.003 * np.random.default_rng(seed).standard_normal(len(samples))
    return ((samples + noise) * 32767).astype("<i2")


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def write_corpus(folder: Path, n_utterances: int = 8) -> Path:
    """A Kaldi folder, and the same as a JSON list beside it."""
    folder.mkdir(parents=True)
    chance = random.Random(0)
    paths, texts, records = [], [], []
    for n in range(n_utterances):
        words = [chance.choice(WORDS) for _ in range(chance.randint(2, 6))]
        write_wav(folder / f"u{n}.wav", sound(words, n))
        paths.append(f"u{n} u{n}.wav\n")
        texts.append(f"u{n} {' '.join(words)}\n")
        records.append(json.dumps({"key": f"u{n}", "source": f"u{n}.wav", "target": " ".join(words)}) + "\n")
    (folder / "wav.scp").write_text("".join(paths))
    (folder / "text").write_text("".join(texts))
    (folder / "list.jsonl").write_text("".join(records))
    return folder


def recipe() -> dict:
    """A Paraformer that learns them, without anything that chance decides."""
    still = {"dropout_rate": 0.0, "attention_heads": 4, "linear_units": 96, "kernel_size": 11, "sanm_shfit": 0}
    return {
        "model": "Paraformer",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.05, "length_normalized_loss": True, "predictor_weight": 1.0,
                       "predictor_bias": 1, "sampling_ratio": 0.0},
        "encoder": "SANMEncoder",
        "encoder_conf": {**still, "output_size": WIDTH, "num_blocks": 2, "attention_dropout_rate": 0.0},
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {**still, "num_blocks": 1, "att_layer_num": 1},
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": WIDTH, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": RATE, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10,
                          "lfr_m": 7, "lfr_n": 6, "dither": 0.0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "train": {
            "max_steps": 20, "batch_seconds": 4, "lr": 0.004, "warmup_steps": 10, "validate_every": 10, "save_every": 4,
            "workers": 0, "average": 2, "vocabulary": {"kind": "word"}, "augment": {"speed": [1.0], "spec": None},
        },
    }  # fmt: skip


def write_recipe(path: Path, **train: object) -> Path:
    found = recipe()
    found["train"] |= train
    path.write_text(yaml.safe_dump(found, sort_keys=False))
    return path
