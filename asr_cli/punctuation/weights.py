"""Punctuation models on disk: our own single file, and folders in FunASR's layouts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.models.ct_punc import WEIGHTS, Config, CtPuncNet
from asr_cli.models.folder import check_sanm, file_of, find_file, insist, insist_sizes, read_yaml, section
from asr_cli.punctuation.vocabulary import Lexicon, SpokenVocabulary
from asr_cli.text.vocabulary import Vocabulary

OWN = "ct_punc_en.safetensors"
CONFIGS = ("config", "punc_config"), ("config.yaml", "punc.yaml")
MODELS = ("init_param", "punc_model_name"), ("model.safetensors", "model.pt", "model.pb", "punc.pb")
MARKS = ("<unk>", "_", "，", "。", "？", "、", ",", "?")  # as the published configurations write them
VOCABULARIES = ("token_list",), ("tokens.json", "tokens.txt")
DICTIONARY = ("jieba_usr_dict",), ("jieba_usr_dict",)
# What the classes have been called, before FunASR 1.0 and since, and whether they are the realtime one.
KINDS = {
    "CTTransformer": False, "CTTransformerStreaming": True, "target_delay": False, "vad_realtime": True,
}  # fmt: skip
ENCODERS = {False: ("SANMEncoder", "sanm"), True: ("SANMVadEncoder", "sanm_vad")}
ENCODER_FIXED = {
    "input_layer": "pe", "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "concat_after": False,
    "positionwise_layer_type": "linear", "selfattention_layer_type": "sanm",
}  # fmt: skip
# What the settings of before 1.0 are called since, and those that mean something in training only.
OLD = {"head": "attention_heads", "unit": "linear_units", "layer": "num_blocks"}
IDLE = ("ignore_id", "dropout_rate", "punc_weight", "sos", "eos", "padding_idx", "positional_dropout_rate",
        "attention_dropout_rate", "pos_enc")  # fmt: skip
REALTIME_SHIFT = 5  # of before 1.0, where no setting says it


@dataclass(frozen=True, slots=True)
class PuncModel:
    """A network and the words it knows. dictionary: jieba's, for one that reads whole words of unspaced text."""

    net: CtPuncNet
    vocabulary: Lexicon
    dictionary: Path | None = None


def read_folder(folder: Path) -> PuncModel:
    path = file_of(folder, CONFIGS)
    settings = read_yaml(path)
    require_kind(settings, path)
    vocabulary = read_vocabulary(folder, settings)
    config = read_config(settings, path, len(vocabulary))
    net = load(config, file_of(folder, MODELS))
    return PuncModel(net, vocabulary, find_file(folder, DICTIONARY))


def read_vocabulary(folder: Path, settings: Mapping[str, Any]) -> Vocabulary:
    path = find_file(folder, VOCABULARIES)
    if path is not None:
        return Vocabulary.from_file(path)
    return Vocabulary.from_list(settings.get("token_list"), source=f"the token_list of {str(folder)!r}")


def read_config(settings: Mapping[str, Any], path: Path, n_words: int) -> Config:
    realtime = KINDS[require_kind(settings, path)]
    values = {**new_names(settings, realtime), **section(settings, "model_conf", path)}
    encoder = section(settings, "encoder_conf", path)
    if settings.get("encoder", ENCODERS[realtime][0]) not in ENCODERS[realtime]:
        raise ModelError(f"{str(path)!r} has the encoder {settings['encoder']!r}; known here: {ENCODERS[realtime][0]}")
    insist(encoder, ENCODER_FIXED, path)
    values.update(encoder)
    values["punc_list"] = marks_of(values.get("punc_list") or settings.get("punc_list"), path)
    given = {"vocab_size": n_words, "realtime": realtime}
    config: Config = checkpoint.known_fields(Config, values | given, path, ignored=(*ENCODER_FIXED, *IDLE))
    check(config, path)
    return config


def require_kind(settings: Mapping[str, Any], path: Path) -> str:
    name = settings.get("punctuation") or settings.get("model")
    if not isinstance(name, str) or name not in KINDS:
        raise ModelError(f"{str(path)!r} describes no CT-Transformer (model: {name!r})")
    return name


def marks_of(found: object, path: Path) -> tuple[str, ...]:
    marks = found if isinstance(found, list | tuple) else ()
    unknown = [mark for mark in marks if mark not in MARKS]
    if not marks or unknown:
        raise ModelError(f"{str(path)!r}: {unknown or found} in punc_list is no mark that is known here")
    return tuple(marks)


def new_names(settings: Mapping[str, Any], realtime: bool) -> dict[str, Any]:
    """The settings of before 1.0 as those since: one group, in which the encoder is as wide as what goes in."""
    old = settings.get("punctuation_conf")
    if not old:
        return {}
    values = {OLD.get(name, name): value for name, value in old.items()}
    widths = {"input_size": values.get("embed_unit", 256), "output_size": values.get("att_unit", 256)}
    return {"sanm_shfit": REALTIME_SHIFT if realtime else 0, **widths, **values}


def check(config: Config, path: Path) -> None:
    insist_sizes(config, path)
    check_sanm(config.output_size, config.attention_heads, config.kernel_size, config.sanm_shfit, path)
    if config.punc_list[config.sentence_end_id : config.sentence_end_id + 1] != ("。",):
        raise ModelError(f"{str(path)!r}: punc_list {list(config.punc_list)} has no 。 at {config.sentence_end_id}")
    if config.embed_unit != config.input_size or config.att_unit != config.output_size:
        raise ModelError(f"{str(path)!r}: the encoder is {config.input_size} to {config.output_size} wide, what it is"
                         f" joined to {config.embed_unit} and {config.att_unit}")  # fmt: skip


def load(config: Config, path: Path) -> CtPuncNet:
    """The network, its vocabulary left on the disk until a word is asked for where the file allows it."""
    with torch.device("meta"):
        net = CtPuncNet(config)
    checkpoint.load(net, path, WEIGHTS)
    return net.eval()


def read_own(path: Path | None = None) -> PuncModel:
    """The model this project trained, or another file written by `write_own`."""
    if path is None:
        with as_file(files("asr_cli") / "weights" / OWN) as own:
            return read_own(own)
    try:
        settings = json.loads(checkpoint.read_metadata(path)["config"])
        words = settings.pop("words")
        config = Config(**settings | {"punc_list": tuple(settings["punc_list"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is no punctuation model of this program's making; reinstall it") from error
    return PuncModel(load(config, path), SpokenVocabulary(words))


def write_own(path: Path, net: CtPuncNet, vocabulary: SpokenVocabulary) -> None:
    tensors = {name: tensor.half() for name, tensor in checkpoint.theirs(net.state_dict(), WEIGHTS)}
    checkpoint.save_safetensors(path, tensors, {**asdict(net.config), "words": vocabulary.words})
