"""A checkpoint folder in FunASR's layouts: today's, and that of releases before 1.0."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from torch import Tensor

# What configuration.json calls each file, and its usual names.
CONFIGS = ("config", "am_model_config", "vad_model_config"), ("config.yaml", "vad.yaml")
WEIGHTS = ("init_param", "am_model_name", "vad_model_name"), ("model.safetensors", "model.pt", "model.pb", "vad.pb")
NORMS = ("cmvn_file", "mvn_file", "vad_mvn_file"), ("am.mvn", "vad.mvn")
OUTPUT = re.compile(r"(?:module\.)?decoder\.output_layer\.weight")
MAY_BE_ZERO = ("sanm_shfit", "l_order", "r_order", "sentence_end_id")
Names = tuple[tuple[str, ...], tuple[str, ...]]


def file_of(folder: Path, names: Names) -> Path:
    """The file that configuration.json names, else the one with a usual name."""
    found = find_file(folder, names)
    if found is None:
        usual = " or ".join(names[1])
        raise ModelError(f"{str(folder)!r} is no complete model: it has no {usual}; {advice(folder, names[1])}")
    return found


def advice(folder: Path, usual: tuple[str, ...]) -> str:
    """A trainer leaves model.pt.ep3, model.pt.avg10 and so on."""
    epochs = sorted(path.name for name in usual for path in folder.glob(f"{name}.*"))
    return f"rename one of {', '.join(epochs)} to {usual[0]}" if epochs else "download it again"


def find_file(folder: Path, names: Names) -> Path | None:
    keys, usual = names
    if not folder.is_dir():
        raise ModelError(f"{str(folder)!r} is no model folder")
    named = checkpoint.metas(folder)
    candidates = (*(named[key] for key in keys if key in named), *usual)
    return next((folder / name for name in candidates if (folder / name).is_file()), None)


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:  # ValueError: a date that is none
        raise ModelError(f"{str(path)!r} cannot be read as a configuration; download the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{str(path)!r} is no configuration; download the model again")
    return found


# Written in C where PyYAML was built with it: old configurations hold a vocabulary of thousands of lines.
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def insist(settings: Mapping[str, Any], expected: Mapping[str, Any], path: Path) -> None:
    """Refuse a setting that has another value than the one known here."""
    for name, value in expected.items():
        if settings.get(name, value) != value:
            raise ModelError(f"{str(path)!r} wants {name} {settings[name]!r}; only {value!r} is known here")


def section(settings: Mapping[str, Any], name: str, path: Path, *, required: bool = False) -> Mapping[str, Any]:
    """A table of settings; empty where there is none, unless without it nobody knows what the network is."""
    found = settings.get(name) or {}
    if not isinstance(found, dict) or (required and not found):
        raise ModelError(f"{str(path)!r}: {name} is no table of settings")
    return found


def insist_sizes(conf: "DataclassInstance", path: Path) -> None:
    """Refuse a configuration with a whole number that is no size."""
    for name, value in asdict(conf).items():
        if type(value) is int and value < (0 if name in MAY_BE_ZERO else 1):
            raise ModelError(f"{str(path)!r} wants {name} {value!r}, where a positive whole number should be")


def insist_rates(conf: "DataclassInstance", path: Path) -> None:
    """Refuse a configuration that drops more than all, or less than nothing."""
    for name, value in asdict(conf).items():
        if "dropout" in name and not 0 <= value < 1:
            raise ModelError(f"{str(path)!r} wants {name} {value!r}, where a number from 0 to below 1 should be")


def check_sanm(width: int, n_heads: int, kernel: int, shift: int, path: Path) -> None:
    """Refuse heads that do not divide a SAN-M block's width, and a memory moved out of its own window."""
    if width % n_heads:
        raise ModelError(f"{str(path)!r}: width {width} for {n_heads} heads")
    if (kernel - 1) // 2 + shift > kernel - 1:
        raise ModelError(f"{str(path)!r}: a memory of {kernel} moved by sanm_shfit {shift}, which is too far")


def read_norms(folder: Path, n_features: int) -> Cmvn:
    """The normalization beside a checkpoint, if it is for as many features."""
    cmvn = Cmvn.from_file(file_of(folder, NORMS))
    if len(cmvn.shift) != n_features:
        raise ModelError(
            f"{str(folder)!r}: normalization of {len(cmvn.shift)} values for {n_features} features;"
            " am.mvn and the configuration do not belong together"
        )
    return cmvn


def check_vocabulary(tensors: Mapping[str, "Tensor"], n_tokens: int, path: Path) -> None:
    """Refuse weights that know another number of tokens than the vocabulary beside them."""
    output = next((tensor for name, tensor in tensors.items() if OUTPUT.fullmatch(name)), None)
    if output is not None and len(output) != n_tokens:
        raise ModelError(
            f"{str(path)!r} knows {len(output)} tokens and the vocabulary beside it {n_tokens}; they do not"
            " belong together: download the model again"
        )
