"""FSMN-VAD checkpoints on disk: folders in FunASR's layouts, and our own single file."""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.fsmn_vad import WEIGHTS, Config, FsmnVadNet

OWN = "fsmn_vad.safetensors"
ENCODERS = ("fsmn",)
# Names of today, then those of before FunASR 1.0.
CONFIGS, MODELS, NORMS = (
    ("config.yaml", "vad.yaml"),
    ("model.safetensors", "model.pt", "vad.pb"),
    ("am.mvn", "vad.mvn"),
)
EXPECTED_FRONTEND = {"fs": 16_000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 5,
                     "lfr_n": 1}  # fmt: skip


def read_folder(folder: Path) -> tuple[FsmnVadNet, Cmvn, int]:
    """The network, its normalisation and its sample rate in Hz."""
    config_file = first_of(folder, CONFIGS)
    settings = read_yaml(config_file)
    if str(settings.get("encoder", "")).lower() not in ENCODERS:
        raise ModelError(f"{str(config_file)!r} describes no FSMN-VAD (encoder: {settings.get('encoder')!r})")
    frontend = settings.get("frontend_conf") or {}
    for name, value in EXPECTED_FRONTEND.items():
        if name in frontend and frontend[name] != value and name != "fs":
            raise ModelError(f"{str(config_file)!r} wants {name} {frontend[name]!r}; only {value!r} is known here")
    config: Config = checkpoint.known_fields(Config, settings.get("encoder_conf") or {}, config_file)
    net = FsmnVadNet(config)
    checkpoint.load(net, first_of(folder, MODELS), WEIGHTS)
    return (
        net,
        sized(Cmvn.from_file(first_of(folder, NORMS)), config, folder),
        int(frontend.get("fs", 16_000)),
    )


def read_own(path: Path | None = None) -> tuple[FsmnVadNet, Cmvn]:
    """The model this project trained, or another file written by `write_own`."""
    if path is None:
        with as_file(files("asr_cli") / "weights" / OWN) as own:
            return read_own(own)
    tensors = checkpoint.read(path)
    try:
        config = Config(**json.loads(checkpoint.read_metadata(path)["config"]))
        cmvn = Cmvn(tensors.pop("cmvn.shift"), tensors.pop("cmvn.scale"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is no VAD of this program's making; reinstall it") from error
    net = FsmnVadNet(config)
    checkpoint.fill(net, tensors, WEIGHTS, path)
    return net, sized(cmvn, config, path)


def write_own(path: Path, net: FsmnVadNet, cmvn: Cmvn) -> None:
    from dataclasses import asdict

    tensors = dict(checkpoint.theirs(net.state_dict(), WEIGHTS))
    tensors = {name: tensor.unsqueeze(-1) if "conv_left" in name else tensor for name, tensor in tensors.items()}
    checkpoint.save_safetensors(
        path, {**tensors, "cmvn.shift": cmvn.shift, "cmvn.scale": cmvn.scale}, asdict(net.config)
    )


def sized(cmvn: Cmvn, config: Config, where: Path) -> Cmvn:
    if len(cmvn.shift) != config.input_dim:
        raise ModelError(f"{str(where)!r}: normalisation of {len(cmvn.shift)} values for {config.input_dim} features")
    return cmvn


def first_of(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{str(folder)!r} is no VAD model: it has no {' or '.join(names)}")


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as a configuration; download the model again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{str(path)!r} is no configuration; download the model again")
    return found
