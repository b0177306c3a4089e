"""Small Whispers with seeded weights, in the files of transformers: the same numbers everywhere, for any shape.

Random weights say nothing, and yet what they say has to be worth comparing: the tokens of greedy decoding vary with the
sound and the place, hardly two are equally likely, and texts end.
"""

import json
import math
import shutil
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

REAL = Path(__file__).resolve().parents[3] / "shared/data/configs/whisper-hf/whisper-tiny"
LANGUAGES = ("en", "zh", "de", "ja")
SENTENCES = (
    "the quick brown fox jumps over the lazy dog and runs away from all of them",
    " It was the best of times, it was the worst of times; and I don't know why.",
    ' She said: "There\'s nothing here that you would call a house" - and left.',
    " 今天的天气很好，我们去公园走走吧。你说什么？我不知道他在哪里。",
    " 今日はいい天気ですね。東京へ行きます。ありがとうございます。",
    " Wir gehen heute über die Brücke, weil das Wetter schön ist.",
)
END = {"small": 1.5, "real": 2.2}  # standard deviations of a logit by which the end is likelier than another token


def make_whisper(
    folder: Path,
    *,
    width: int = 32,
    layers: tuple[int, int] = (2, 2),
    heads: int = 2,
    window: float = 30.0,
    n_mels: int = 80,
    n_text: int = 448,
    tokenizer: str = "small",
    multilingual: bool = True,
    languages: tuple[str, ...] = LANGUAGES,
    seed: int = 0,
    scale: float = 1.0,
    end: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """A folder that transformers and this program load.

    layers: of the encoder and of the decoder. window: seconds. n_text: the longest text in tokens. tokenizer: "small",
    or "real" for that of whisper-tiny. scale: of the logits. end: how much likelier texts end than by chance, None for
    after some tokens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_frames = round(window * 50)
    if tokenizer == "real":
        ids = copy_real_tokenizer(folder)
    else:
        ids = write_small_tokenizer(folder, window, multilingual, languages)
    n_tokens = max(ids.values()) + 1
    config = configuration(ids, n_tokens, width, layers, heads, n_frames, n_mels, n_text, multilingual)
    generation = generation_configuration(ids, config, multilingual)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", generation)
    write_json(folder / "preprocessor_config.json", preprocessor(window, n_mels))
    weights = dict(seeded(config, seed, scale, END[tokenizer] if end is None else end))
    save_file(
        {name: tensor.to(dtype) for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def copy_real_tokenizer(folder: Path) -> dict[str, int]:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
                 "special_tokens_map.json", "normalizer.json"):  # fmt: skip
        shutil.copyfile(REAL / name, folder / name)
    return dict(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab())


def write_small_tokenizer(
    folder: Path, window: float, multilingual: bool, languages: tuple[str, ...] = LANGUAGES
) -> dict[str, int]:
    """Byte-level BPE of a few hundred tokens, with Whisper's special tokens behind."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=480, initial_alphabet=alphabet, show_progress=False)
    )
    spoken = languages if multilingual else ("en",)  # the released English-only vocabularies have languages, too
    special = [
        "<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in spoken), "<|translate|>",
        "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]  # fmt: skip
    made.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    times = [f"<|{0.02 * i:.2f}|>" for i in range(round(window * 50) + 1)]
    made.add_tokens([AddedToken(text, normalized=False, special=False) for text in times])
    ids = dict(made.get_vocab())
    made.post_processor = processors.TemplateProcessing(
        single="<|startoftranscript|> <|notimestamps|> $A <|endoftext|>",
        special_tokens=[(text, ids[text]) for text in ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>")],
    )
    made.save(str(folder / "tokenizer.json"))
    written = {"tokenizer_class": "WhisperTokenizer", "unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>",
               "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
               "additional_special_tokens": special[1:]}  # fmt: skip
    write_json(folder / "tokenizer_config.json", written)
    return ids


def configuration(
    ids: dict[str, int],
    n_tokens: int,
    width: int,
    layers: tuple[int, int],
    heads: int,
    n_frames: int,
    n_mels: int,
    n_text: int,
    multilingual: bool,
) -> dict[str, Any]:
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    forced = ["<|en|>", "<|transcribe|>", "<|notimestamps|>"] if multilingual else ["<|notimestamps|>"]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "activation_function": "gelu",
        "activation_dropout": 0.0, "attention_dropout": 0.0, "dropout": 0.0,
        "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0,
        "d_model": width,
        "encoder_layers": layers[0], "decoder_layers": layers[1], "num_hidden_layers": layers[0],
        "encoder_attention_heads": heads, "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width, "decoder_ffn_dim": 4 * width,
        "num_mel_bins": n_mels,
        "max_source_positions": n_frames, "max_target_positions": n_text, "max_length": n_text,
        "vocab_size": n_tokens,
        "bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start,
        "forced_decoder_ids": [[i + 1, ids[text]] for i, text in enumerate(forced)],
        "begin_suppress_tokens": [ids["Ġ"], end],
        "suppress_tokens": suppressed(ids),
        "is_encoder_decoder": True, "scale_embedding": False, "use_cache": True, "median_filter_width": 7,
        "torch_dtype": "float32",
    }  # fmt: skip


def suppressed(ids: dict[str, int]) -> list[int]:
    """Marks that nobody speaks, and special tokens without a place in a text."""
    marks = [ids[text] for text in ("#", "(", ")", "*", "<", ">", "@", "[", "]", "_", "{", "}", "~")]
    special = ("<|startoftranscript|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
               "<|nospeech|>", "<|nocaptions|>")  # fmt: skip
    return sorted([*marks, *(ids[text] for text in special if text in ids)])


def generation_configuration(ids: dict[str, int], config: dict[str, Any], multilingual: bool) -> dict[str, Any]:
    n_layers, n_heads = config["decoder_layers"], config["decoder_attention_heads"]
    found: dict[str, Any] = {
        "alignment_heads": [[n_layers - 1, head] for head in range(n_heads)],
        "begin_suppress_tokens": config["begin_suppress_tokens"],
        "bos_token_id": config["bos_token_id"],
        "decoder_start_token_id": config["decoder_start_token_id"],
        "eos_token_id": config["eos_token_id"],
        "is_multilingual": multilingual,
        "max_initial_timestamp_index": 50,
        "max_length": config["max_length"],
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "pad_token_id": config["pad_token_id"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "return_timestamps": False,
        "suppress_tokens": config["suppress_tokens"],
    }
    if multilingual:
        first, last = ids["<|startoftranscript|>"], ids["<|translate|>"]
        languages = {text: id for text, id in ids.items() if first < id < last and text.startswith("<|")}
        found["lang_to_id"] = dict(sorted(languages.items(), key=lambda item: item[1]))
        found["task_to_id"] = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
    return found


def preprocessor(window: float, n_mels: int) -> dict[str, Any]:
    return {
        "chunk_length": round(window) if window == round(window) else window,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": n_mels,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": round(window * 16_000),
        "nb_max_frames": round(window * 100),
        "padding_side": "right",
        "padding_value": 0.0,
        "processor_class": "WhisperProcessor",
        "return_attention_mask": False,
        "sampling_rate": 16_000,
    }


def shapes(config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a checkpoint, as transformers names them."""
    width = config["d_model"]
    yield "model.encoder.conv1.weight", (width, config["num_mel_bins"], 3)
    yield "model.encoder.conv1.bias", (width,)
    yield "model.encoder.conv2.weight", (width, width, 3)
    yield "model.encoder.conv2.bias", (width,)
    yield "model.encoder.embed_positions.weight", (config["max_source_positions"], width)
    yield "model.decoder.embed_tokens.weight", (config["vocab_size"], width)
    yield "model.decoder.embed_positions.weight", (config["max_target_positions"], width)
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        for i in range(config[f"{side}_layers"]):
            layer = f"model.{side}.layers.{i}"
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    yield f"{layer}.{attention}.{part}.weight", (width, width)
                    if part != "k_proj":  # a bias of the keys would change nothing
                        yield f"{layer}.{attention}.{part}.bias", (width,)
                yield from norm(f"{layer}.{attention}_layer_norm", width)
            n_hidden = config[f"{side}_ffn_dim"]
            yield f"{layer}.fc1.weight", (n_hidden, width)
            yield f"{layer}.fc1.bias", (n_hidden,)
            yield f"{layer}.fc2.weight", (width, n_hidden)
            yield f"{layer}.fc2.bias", (width,)
            yield from norm(f"{layer}.final_layer_norm", width)
        yield from norm(f"model.{side}.layer_norm", width)


def norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def seeded(config: dict[str, Any], seed: int, scale: float, end: float) -> Iterator[tuple[str, torch.Tensor]]:
    table = np.zeros(0)
    for name, shape in shapes(config):
        values = np.random.default_rng([zlib.crc32(name.encode()), seed]).standard_normal(shape).astype(np.float32)
        if name.endswith("encoder.embed_positions.weight"):
            values = sinusoids(*shape)
        elif name.endswith("embed_tokens.weight"):
            # None is longer than the others, which would win all the time.
            values = table = values * (scale * math.sqrt(shape[1]) / np.linalg.norm(values, axis=1, keepdims=True))
        elif name == "model.decoder.layer_norm.weight":
            pass  # of either sign, or every token would ask for itself again: it is the input, and the output's table
        elif name == "model.decoder.layer_norm.bias":
            toward = table[config["eos_token_id"]]
            values = (end * toward / np.linalg.norm(toward)).astype(np.float32)
        elif "norm" in name:
            values = values * 0.1 + float(name.endswith("weight"))
        elif name.endswith("bias"):
            values *= 0.1
        elif not name.endswith("embed_positions.weight"):
            if name == "model.encoder.conv1.weight":
                values -= values.mean(axis=(1, 2), keepdims=True)  # deaf to loudness, to hear the rest the better
            # Attention that hears more of one frame than of another.
            gain = 3.0 if "q_proj" in name or "conv" in name else 1.0
            values *= gain / math.sqrt(np.prod(shape[1:]))
        yield name, torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def sinusoids(n_frames: int, width: int) -> np.ndarray:
    """Positions as in the released encoders: sines, then cosines, of wavelengths up to 10,000 frames."""
    rates = np.exp(-math.log(10_000) / (width // 2 - 1) * np.arange(width // 2))
    angles = np.arange(n_frames)[:, None] * rates[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")


OPENAI = (
    ("model.", ""), ("layers.", "blocks."), ("embed_positions.weight", "positional_embedding"),
    ("embed_tokens", "token_embedding"), ("self_attn_layer_norm", "attn_ln"), ("encoder_attn_layer_norm",
    "cross_attn_ln"), ("self_attn", "attn"), ("encoder_attn", "cross_attn"), ("q_proj", "query"), ("k_proj", "key"),
    ("v_proj", "value"), ("out_proj", "out"), ("final_layer_norm", "mlp_ln"), ("fc1", "mlp.0"), ("fc2", "mlp.2"),
    ("encoder.layer_norm", "encoder.ln_post"), ("decoder.layer_norm", "decoder.ln"),
)  # fmt: skip


def save_openai(folder: Path, path: Path) -> Path:
    """The same model in a file like OpenAI's."""
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for theirs, ours in OPENAI:
            name = name.replace(theirs, ours)
        tensors[name] = tensor
    dims = {
        "n_mels": config["num_mel_bins"], "n_audio_ctx": config["max_source_positions"],
        "n_audio_state": config["d_model"], "n_audio_head": config["encoder_attention_heads"],
        "n_audio_layer": config["encoder_layers"], "n_vocab": config["vocab_size"],
        "n_text_ctx": config["max_target_positions"], "n_text_state": config["d_model"],
        "n_text_head": config["decoder_attention_heads"], "n_text_layer": config["decoder_layers"],
    }  # fmt: skip
    torch.save({"dims": dims, "model_state_dict": tensors}, path)
    return path


# Of published models: width, layers, heads, mel bands.
SHAPES: dict[str, tuple[int, tuple[int, int], int, int]] = {
    "tiny": (384, (4, 4), 6, 80), "base": (512, (6, 6), 8, 80), "small": (768, (12, 12), 12, 80),
    "distil-small": (768, (12, 4), 12, 80), "medium": (1024, (24, 24), 16, 80),
    "large-v2": (1280, (32, 32), 20, 80), "distil-large-v2": (1280, (32, 2), 20, 80),
}  # fmt: skip

if __name__ == "__main__":  # SHAPE FOLDER: a random Whisper of a published one's size, with the real tokenizer
    width, layers, heads, n_mels = SHAPES[sys.argv[1]]
    make_whisper(Path(sys.argv[2]), width=width, layers=layers, heads=heads, n_mels=n_mels, tokenizer="real")
