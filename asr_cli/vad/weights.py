"""FSMN-VAD checkpoints on disk: folders in FunASR's layouts, and our own single file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from torch import Tensor

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import CONFIGS, NORMS, file_of, insist, read_yaml
from asr_cli.models.folder import WEIGHTS as MODELS
from asr_cli.models.fsmn_vad import WEIGHTS, Config, FsmnVadNet
from asr_cli.vad.endpoint import EndpointOptions

OWN = "fsmn_vad.safetensors"
ENCODERS = ("fsmn",)
FRONTEND = {"fs": 16_000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "lfr_m": 5,
            "lfr_n": 1}  # fmt: skip
# Options of FunASR's that are fixed here, and those without an effect there.
FIXED = {"sample_rate": 16_000, "do_extend": 1, "sil_pdf_ids": [0], "silence_pdf_num": 1, "frame_in_ms": 10,
         "frame_length_ms": 25}  # fmt: skip
IDLE = ("snr_mode", "do_start_point_detection", "do_end_point_detection", "nn_eval_block_size", "dcd_block_size",
        "fe_prior_thres", "speech_noise_thresh_low", "speech_noise_thresh_high", "output_frame_probs")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint in FunASR's layout; options are those its configuration asks for."""

    net: FsmnVadNet
    cmvn: Cmvn
    options: EndpointOptions


def read_folder(folder: Path) -> Folder:
    config_file = file_of(folder, CONFIGS)
    config, options = read_config(read_yaml(config_file), config_file)
    net = FsmnVadNet(config)
    checkpoint.load(net, file_of(folder, MODELS), WEIGHTS)
    return Folder(net, sized(Cmvn.from_file(file_of(folder, NORMS)), config, folder), options)


def read_config(settings: Mapping[str, Any], config_file: Path) -> tuple[Config, EndpointOptions]:
    if str(settings.get("encoder", "")).lower() not in ENCODERS:
        raise ModelError(f"{str(config_file)!r} describes no FSMN-VAD (encoder: {settings.get('encoder')!r})")
    frontend = settings.get("frontend_conf") or {}
    decisions = decisions_of(settings)
    insist(frontend, FRONTEND, config_file)
    insist(decisions, FIXED, config_file)
    options: EndpointOptions = checkpoint.known_fields(EndpointOptions, decisions, config_file, ignored=(*FIXED, *IDLE))
    config: Config = checkpoint.known_fields(Config, settings.get("encoder_conf") or {}, config_file)
    return config, options


def decisions_of(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """When speech begins and ends, which before FunASR 1.0 stood elsewhere."""
    return settings.get("model_conf") or settings.get("vad_post_conf") or {}


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
    tensors = {**theirs(net.state_dict()), "cmvn.shift": cmvn.shift, "cmvn.scale": cmvn.scale}
    checkpoint.save_safetensors(path, tensors, asdict(net.config))


def theirs(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our tensors as FunASR names and shapes them."""
    found = checkpoint.theirs(tensors, WEIGHTS)
    return {name: tensor.unsqueeze(-1) if "conv_left" in name else tensor for name, tensor in found}


def sized(cmvn: Cmvn, config: Config, where: Path) -> Cmvn:
    if len(cmvn.shift) != config.input_dim:
        raise ModelError(f"{str(where)!r}: normalisation of {len(cmvn.shift)} values for {config.input_dim} features")
    return cmvn
