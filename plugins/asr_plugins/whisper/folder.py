"""Whisper checkpoints on disk: folders of transformers, and OpenAI's .pt files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.whisper.configuration_whisper import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

from asr_cli import checkpoint
from asr_cli.checkpoint import WeightMap
from asr_cli.errors import ModelError
from asr_plugins.whisper.look import openai_file
from asr_plugins.whisper.mel import HOP, N_FFT, SAMPLE_RATE
from asr_plugins.whisper.tokens import Tokens, read_tokenizer

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
SIZES = (
    "vocab_size", "d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads",
    "encoder_ffn_dim", "decoder_ffn_dim", "num_mel_bins", "max_source_positions", "max_target_positions",
)  # fmt: skip
SHAPING = (*SIZES, "activation_function", "scale_embedding", "tie_word_embeddings")
TOKEN_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
SOUND = {"sampling_rate": SAMPLE_RATE, "hop_length": HOP, "n_fft": N_FFT}
OUTPUT, TABLE = "proj_out.weight", "model.decoder.embed_tokens.weight"
# The one published model with a short decoder that heard whole windows when it was trained: encoder, decoder layers.
TURBO = (32, 4)
MEDIAN_WIDTH = 7  # frames, as released

OPENAI: WeightMap = (
    ("decoder.mask", None),
    ("alignment_heads", None),
    ("encoder.positional_embedding", "model.encoder.embed_positions.weight"),
    ("decoder.positional_embedding", "model.decoder.embed_positions.weight"),
    ("decoder.token_embedding", "model.decoder.embed_tokens"),
    ("encoder.ln_post", "model.encoder.layer_norm"),
    ("decoder.ln", "model.decoder.layer_norm"),
    ("encoder.conv1", "model.encoder.conv1"),
    ("encoder.conv2", "model.encoder.conv2"),
    *(
        (f"{side}.blocks.{{}}.{theirs}{part}", f"model.{side}.layers.{{}}.{ours}{our_part}")
        for side in ("encoder", "decoder")
        for theirs, ours in (("attn", "self_attn"), ("cross_attn", "encoder_attn"))
        for part, our_part in (
            (".query", ".q_proj"), (".key", ".k_proj"), (".value", ".v_proj"), (".out", ".out_proj"),
            ("_ln", "_layer_norm"),
        )
    ),
    *(
        (f"{side}.blocks.{{}}.{theirs}", f"model.{side}.layers.{{}}.{ours}")
        for side in ("encoder", "decoder")
        for theirs, ours in (("mlp.0", "fc1"), ("mlp.2", "fc2"), ("mlp_ln", "final_layer_norm"))
    ),
)  # fmt: skip
DIMS = {
    "n_vocab": "vocab_size", "n_mels": "num_mel_bins", "n_audio_ctx": "max_source_positions",
    "n_text_ctx": "max_target_positions", "n_audio_state": "d_model", "n_audio_head": "encoder_attention_heads",
    "n_text_head": "decoder_attention_heads", "n_audio_layer": "encoder_layers", "n_text_layer": "decoder_layers",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint: the network with its weights as they are stored, and what goes in and comes out of it.

    window: seconds it hears at once. n_text: its longest text in tokens, with all that stands before.
    alignment_heads: (layer, head) of the decoder that look where they listen.
    """

    model: WhisperForConditionalGeneration
    tokens: Tokens
    window: float
    n_mels: int
    n_text: int
    alignment_heads: tuple[tuple[int, int], ...]
    is_distilled: bool
    median_width: int


def read_folder(folder: Path) -> Folder:
    """folder: of a checkpoint, or one of OpenAI's .pt files with a tokenizer beside it."""
    file = openai_file(folder)
    return read_openai(file) if file is not None else read_transformers(folder)


def read_transformers(folder: Path) -> Folder:
    path = folder / "config.json"
    config = read_json(path)
    if config.get("model_type") != "whisper":
        raise ModelError(f"{str(path)!r} describes no Whisper (model_type: {config.get('model_type')!r})")
    generation = read_json(folder / "generation_config.json", optional=True)
    check_sizes(config, path)
    check_sound(folder / "preprocessor_config.json", config["num_mel_bins"])
    tokens = read_tokens(folder, config, generation)
    at, tensors = read_weights(folder)
    return complete(tokens, config, generation, tensors, at)


def read_openai(path: Path) -> Folder:
    """OpenAI's files know the sizes, and nothing of how their models decode."""
    tensors = dict(checkpoint.renamed(checkpoint.read(path), OPENAI))
    config = {"model_type": "whisper"} | read_dims(path)
    check_sizes(config, path)
    generation = read_json(path.parent / "generation_config.json", optional=True)
    tokens = read_tokens(path.parent, config, generation)
    return complete(tokens, config, generation, tensors, path)


def read_dims(path: Path) -> dict[str, Any]:
    found = torch.load(path, map_location="cpu", weights_only=True, mmap=checkpoint.is_zip(path))
    dims = found.get("dims")
    if not isinstance(dims, dict) or not DIMS.keys() <= dims.keys():
        raise ModelError(f"{str(path)!r} does not say what sizes its Whisper has (dims); is it one of OpenAI's files?")
    sizes = {ours: dims[theirs] for theirs, ours in DIMS.items()}
    width = sizes["d_model"]
    hidden = 4 * width if type(width) is int else width
    return sizes | {"encoder_ffn_dim": hidden, "decoder_ffn_dim": hidden}


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ModelError(f"{str(path.parent)!r} is no complete model: it has no {path.name}; pull it again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is broken or cut short; pull the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{str(path)!r} is no table of settings; pull the model again")
    return found


def check_sizes(config: Mapping[str, Any], path: Path) -> None:
    for name in SIZES:
        if type(config.get(name)) is not int or config[name] < 1:
            raise ModelError(f"{str(path)!r} has {name} {config.get(name)!r}, where a positive whole number should be")
    for side in ("encoder", "decoder"):
        n_heads = config[f"{side}_attention_heads"]
        if config["d_model"] % n_heads:
            raise ModelError(f"{str(path)!r}: width {config['d_model']} for {n_heads} heads")


def check_sound(path: Path, n_mels: int) -> None:
    """Refuse a model that was trained on other spectrograms."""
    for name, expected in (SOUND | {"feature_size": n_mels}).items():
        found = read_json(path, optional=True).get(name, expected)
        if found != expected:
            raise ModelError(f"{str(path)!r} wants {name} {found!r}; only {expected} is known here")


def read_tokens(folder: Path, config: Mapping[str, Any], generation: Mapping[str, Any]) -> Tokens:
    tokenizer = read_tokenizer(folder)
    n_named, n_tokens = 1 + max(tokenizer.get_vocab().values(), default=-1), config["vocab_size"]
    if n_named > n_tokens:
        raise ModelError(
            f"the tokenizer in {str(folder)!r} has {n_named} tokens and the model {n_tokens}; they do not belong"
            " together: pull the model again"
        )
    return Tokens(tokenizer, n_tokens, config, generation)


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The tensors of a folder, in one file or in several, and what to call them where they do not fit."""
    for name in WEIGHT_FILES:
        path, index = folder / name, folder / f"{name}.index.json"
        if path.is_file():
            return path, checkpoint.read(path)
        if index.is_file():
            return index, read_shards(index)
    raise ModelError(
        f"{str(folder)!r} has no weights; put {' or '.join(WEIGHT_FILES)} of the model there, or pull it again"
    )


def read_shards(index: Path) -> dict[str, Tensor]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ModelError(f"{str(index)!r} does not say which files hold the weights; pull the model again")
    found: dict[str, Tensor] = {}
    for name in sorted(set(names.values())):
        if Path(name).name != name:
            raise ModelError(f"{str(index)!r} names {name!r}, which is not in its folder; pull the model again")
        found |= checkpoint.read(index.parent / name)
    return found


def complete(
    tokens: Tokens, config: Mapping[str, Any], generation: Mapping[str, Any], tensors: dict[str, Tensor], path: Path
) -> Folder:
    return Folder(
        model=load(config, tokens.eot, tensors, path),
        tokens=tokens,
        window=config["max_source_positions"] * 2 * HOP / SAMPLE_RATE,
        n_mels=config["num_mel_bins"],
        n_text=config["max_target_positions"],
        alignment_heads=alignment_heads(generation.get("alignment_heads"), config),
        is_distilled=is_distilled(config["encoder_layers"], config["decoder_layers"]),
        median_width=median_width(config.get("median_filter_width"), path),
    )


def median_width(named: Any, path: Path) -> int:
    """Frames, an odd number."""
    if named is None:
        return MEDIAN_WIDTH
    if type(named) is not int or named < 1 or not named % 2:
        raise ModelError(f"{str(path)!r} is said to have a median_filter_width of {named!r}, which is no odd number")
    return named


def load(
    config: Mapping[str, Any], end: int, tensors: dict[str, Tensor], path: Path
) -> WhisperForConditionalGeneration:
    """The network with the checkpoint's own memory as its weights, in the type they were stored in.

    end: a token of the vocabulary; what transformers takes to be there by default need not be.
    """
    shape = {name: config[name] for name in SHAPING if name in config} | dict.fromkeys(TOKEN_IDS, end)
    try:
        with torch.device("meta"):
            model = WhisperForConditionalGeneration(WhisperConfig(**shape))
    except Exception as error:  # whatever transformers, or what it asks, says to a setting
        raise ModelError(f"transformers builds no Whisper as {str(path)!r} is said to be ({error})") from error
    if TABLE in tensors:
        nn.Module.to(model, dtype=tensors[TABLE].dtype)
        if config.get("tie_word_embeddings", True):
            tensors[OUTPUT] = tensors[TABLE]
    checkpoint.fill(model, tensors, (), path)
    model.tie_weights()
    return model.requires_grad_(False).train(False)


def alignment_heads(named: Any, config: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """As the checkpoint says, if it has them all; else all in the last half of the decoder's layers (as released)."""
    n_layers, n_heads = config["decoder_layers"], config["decoder_attention_heads"]
    every = [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
    if isinstance(named, list) and named and all(isinstance(pair, list) and tuple(pair) in every for pair in named):
        return tuple((layer, head) for layer, head in named)
    return tuple(pair for pair in every if pair[0] >= n_layers // 2)


def is_distilled(n_encoder: int, n_decoder: int) -> bool:
    """A student keeps its teacher's encoder, and few layers of the decoder."""
    return n_decoder < n_encoder and (n_encoder, n_decoder) != TURBO
