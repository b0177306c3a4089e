"""A Whisper as a folder in transformers' layout: what is read of it to train on, and what is written."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from asr_cli.audio import SAMPLE_RATE
from asr_cli.checkpoint import known_fields
from asr_cli.errors import ModelError, OutputError
from asr_cli.models.folder import section
from asr_cli.models.write_folder import flush, reason, replace
from asr_cli.train.tasks.whisper_tokens import (
    BEFORE,
    BEGIN,
    END,
    LANGUAGE_MODEL,
    NO_SPEECH,
    NO_TIMES,
    TIME_STEP,
    TOKENIZER,
    TRANSCRIBE,
    TRANSLATE,
    Ids,
    named,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

CONFIG, GENERATION, WEIGHTS = "config.json", "generation_config.json", "model.safetensors"
HOP = 160
BOUGHT = "proj_out.weight"  # the embedding once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """`model_conf`: sizes as transformers names them, and how to train.

    max_source_positions: frames of 20 ms that the encoder gives of a window. hearing_weight: of the encoder's own loss,
    beside the decoder's (whoever recognises does without that head). language: of the transcripts.
    """

    d_model: int = 384
    encoder_layers: int = 4
    decoder_layers: int = 4
    encoder_attention_heads: int = 6
    decoder_attention_heads: int = 6
    encoder_ffn_dim: int = 1536
    decoder_ffn_dim: int = 1536
    num_mel_bins: int = 80
    max_source_positions: int = 1500
    max_target_positions: int = 448
    init_std: float = 0.02
    dropout: float = 0.0
    attention_dropout: float = 0.0
    hearing_weight: float = 0.0
    language: str = "en"

    @property
    def window(self) -> float:
        return self.max_source_positions * TIME_STEP


OURS = ("hearing_weight", "language")  # which transformers does not know
FREE = ("dropout", "attention_dropout", "init_std")  # what may differ from a checkpoint's


def sizes(conf: Conf) -> list[str]:
    """The names of what makes the network."""
    return [field.name for field in fields(conf) if field.name not in (*OURS, *FREE)]


def read_conf(settings: Mapping[str, Any], path: Path) -> Conf:
    conf: Conf = known_fields(Conf, section(settings, "model_conf", path), path)
    for field in fields(Conf):
        value = getattr(conf, field.name)
        if field.name in ("dropout", "attention_dropout") and not 0 <= value < 1:
            raise ModelError(f"{str(path)!r} has {field.name} {value!r}, where a number from 0 to below 1 should be")
        if field.type is float and value < 0:
            raise ModelError(f"{str(path)!r} has {field.name} {value!r}, where a number from 0 on should be")
        if field.type is int and value < 1:
            raise ModelError(f"{str(path)!r} has {field.name} {value!r}, where a positive whole number should be")
    for heads in (conf.encoder_attention_heads, conf.decoder_attention_heads):
        if conf.d_model % heads:
            raise ModelError(f"{str(path)!r} has d_model {conf.d_model} for {heads} heads; each has as much of it")
    if conf.d_model % 2 or conf.max_source_positions * TIME_STEP % 1:
        raise ModelError(
            f"{str(path)!r} has d_model {conf.d_model} and max_source_positions {conf.max_source_positions}; the one is"
            f" even, and the other whole seconds (a multiple of {round(1 / TIME_STEP)})"
        )
    return conf


def settings_of(folder: Path) -> dict[str, Any]:
    """A checkpoint's configuration, as a recipe has it."""
    found = read_json(folder / CONFIG)
    if found.get("model_type") != "whisper":
        raise ModelError(f"{str(folder / CONFIG)!r} describes no Whisper, but {found.get('model_type')!r}")
    names = {field.name for field in fields(Conf)} - {*OURS}
    conf = {name: value for name, value in found.items() if name in names}
    return {"model": "Whisper", "model_conf": conf}


def read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} cannot be read; download the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{str(path)!r} is no configuration; download the model again")
    return found


def make_config(conf: Conf, ids: Ids, n_tokens: int) -> "WhisperConfig":
    from transformers import WhisperConfig

    values = {name: value for name, value in asdict(conf).items() if name not in OURS}
    return WhisperConfig(
        vocab_size=n_tokens, pad_token_id=ids.end, bos_token_id=ids.end, eos_token_id=ids.end,
        decoder_start_token_id=ids.begin, **values,
    )  # fmt: skip


def make_features(conf: Conf) -> "WhisperFeatureExtractor":
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(  # type: ignore[no-untyped-call]
        feature_size=conf.num_mel_bins, sampling_rate=SAMPLE_RATE, hop_length=HOP, chunk_length=round(conf.window)
    )


def load(folder: Path, changes: Mapping[str, float]) -> "WhisperForConditionalGeneration":
    """The whole of a checkpoint, in float32."""
    import torch
    from transformers import WhisperForConditionalGeneration

    read: Any = WhisperForConditionalGeneration.from_pretrained
    try:
        net, told = read(folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **changes)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{str(folder)!r} cannot be read as a Whisper: {str(error).splitlines()[0]}") from error
    wrong = [name for name in (*told["missing_keys"], *told["unexpected_keys"]) if name != BOUGHT]
    if wrong or told["mismatched_keys"]:
        raise ModelError(f"{str(folder)!r} lacks weights, or has others: {', '.join(map(str, wrong[:5]))}")
    return net


def write_folder(
    folder: Path, config: "WhisperConfig", conf: Conf, tokenizer: "Tokenizer", ids: Ids, tensors: Mapping[str, Tensor],
    heads: Sequence[tuple[int, int]],
) -> None:  # fmt: skip
    """tensors: transformers' names. All is on the disk before it takes the place of what was at `folder`."""
    from safetensors import SafetensorError

    new = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        settings = {**config.to_dict(), "architectures": ["WhisperForConditionalGeneration"], "dtype": "float32"}
        write_json(new / CONFIG, settings)
        known = {"alignment_heads": [list(one) for one in heads]} if heads else {}
        write_json(new / GENERATION, generation(config, conf, tokenizer, ids) | known)
        write_json(new / "preprocessor_config.json", make_features(conf).to_dict() | {"processor_class": PROCESSOR})
        write_json(new / "tokenizer_config.json", TOKENIZER_CONFIG)
        (new / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
        own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        save_weights(new / WEIGHTS, own)
        new.chmod(0o755)
        for path in (*new.iterdir(), new):
            flush(path)
        replace(new, folder)
        flush(folder.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"cannot write the model {str(folder)!r}: {reason(error)}; make room or name another place,"
            " what was there before is as it was"
        ) from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)


PROCESSOR = "WhisperProcessor"
TOKENIZER_CONFIG = {
    "tokenizer_class": "WhisperTokenizer", "processor_class": PROCESSOR, "add_prefix_space": False, "errors": "replace",
    "bos_token": END, "eos_token": END, "unk_token": END, "pad_token": END,
    "additional_special_tokens": [BEGIN, TRANSLATE, TRANSCRIBE, LANGUAGE_MODEL, BEFORE, NO_SPEECH, NO_TIMES],
}  # fmt: skip


def generation(config: "WhisperConfig", conf: Conf, tokenizer: "Tokenizer", ids: Ids) -> dict[str, Any]:
    """How transformers decodes with it. An empty text may come first: of silence it is what was learned."""
    space = tokenizer.encode(" ", add_special_tokens=False).ids
    return {
        "is_multilingual": True,
        "lang_to_id": {named(conf.language): ids.language},
        "language": named(conf.language),
        "task": "transcribe",
        "task_to_id": {"transcribe": ids.transcribe, "translate": ids.translate},
        "no_timestamps_token_id": ids.no_times,
        "prev_sot_token_id": ids.before,
        "max_initial_timestamp_index": round(1 / TIME_STEP),
        "return_timestamps": False,
        "suppress_tokens": [*range(ids.end + 1, ids.no_times)],  # what may only stand before a text
        "begin_suppress_tokens": space,
        "max_length": config.max_target_positions,
        "pad_token_id": ids.end,
        "bos_token_id": ids.end,
        "eos_token_id": ids.end,
        "decoder_start_token_id": ids.begin,
    }


def save_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """As transformers wants to find them."""
    from safetensors.torch import save

    path.write_bytes(save(dict(tensors), {"format": "pt"}))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
