"""UniASR checkpoints on disk, in the layouts of FunASR."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import (
    CONFIGS,
    check_vocabulary,
    file_of,
    insist,
    insist_sizes,
    read_norms,
    read_yaml,
    section,
)
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.paraformer_folder import (
    DECODER_FIXED,
    ENCODER_FIXED,
    MODEL_IDLE,
    PREDICTOR_FIXED,
    Frontend,
    expect,
    fields,
    plain,
    read_frontend,
    read_vocabulary,
    refuse_unknown,
)
from asr_cli.models.uniasr import WEIGHTS, Config, EncoderConfig, PassConfig, PredictorConfig, UniAsr
from asr_cli.models.uniasr_decoder import DecoderConfig
from asr_cli.nn.chunk import Chunking
from asr_cli.text.vocabulary import Vocabulary

# What the classes are called since FunASR 1.0 and before, in small letters without underscores.
KIND = "uniasr"
ENCODERS = ("sanmencoderchunkopt", "sanmchunkopt")
DECODERS = ("fsmndecoderscamaopt", "fsmnscamaopt")
PREDICTORS = ("cifpredictorv2",)
PAIRINGS = ("strideconv1d",)
# Settings that have one known value here, and those that mean something in training only.
PAIRING_FIXED = {"kernel_size": 2, "stride": 2, "pad": [0, 1]}
PAIRING_IDLE = ("tf2torch_tensor_name_prefix_torch", "tf2torch_tensor_name_prefix_tf")
ATTENTION_FIXED = {"decoder_attention_chunk_type": "chunk", "decoder_attention_chunk_type2": "chunk"}
TOKENS_FIXED = {"blank_id": 0, "sos": 1, "eos": 2}
IDLE = (
    "ctc_weight2", "ctc2_weight", "predictor_weight2", "predictor2_weight", "predictor_bias", "predictor2_bias",
    "loss_weight_model1", "encoder1_encoder2_joint_training", "enable_maas_finetune", "freeze_encoder2",
)  # fmt: skip
CHUNKS = ("chunk_size", "stride", "pad_left")
LOOK_BACK = ("encoder_att_look_back_factor", "decoder_att_look_back_factor")


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint: the network with its weights, and what goes in and comes out of it."""

    net: UniAsr
    frontend: Frontend
    cmvn: Cmvn
    vocabulary: Vocabulary


def read_folder(folder: Path) -> Folder:
    path = file_of(folder, CONFIGS)
    settings = read_yaml(path)
    require_kind(settings, path)
    vocabulary = read_vocabulary(folder, settings)
    frontend = read_frontend(settings, path)
    config = read_config(settings, path, frontend, len(vocabulary))
    cmvn = read_norms(folder, config.n_features)
    return Folder(load(config, file_of(folder, WEIGHT_FILES)), frontend, cmvn, vocabulary)


def load(config: Config, path: Path) -> UniAsr:
    net = build(config)
    tensors = checkpoint.read(path)
    check_vocabulary(tensors, config.n_tokens, path)
    checkpoint.fill(net, tensors, WEIGHTS, path)
    return net.eval()


def build(config: Config) -> UniAsr:
    """The network without memory for its weights: the checkpoint's own take their place."""
    with torch.device("meta"):
        return UniAsr(config)


def require_kind(settings: Mapping[str, Any], path: Path) -> None:
    if plain(settings.get("model")) != KIND:
        raise ModelError(f"{str(path)!r} describes no UniASR (model: {settings.get('model')!r})")


def read_config(settings: Mapping[str, Any], path: Path, frontend: Frontend, n_tokens: int) -> Config:
    model = section(settings, "model_conf", path)
    insist(model, ATTENTION_FIXED | TOKENS_FIXED, path)
    refuse_unknown(model, (*ATTENTION_FIXED, *TOKENS_FIXED, *MODEL_IDLE, *IDLE), path)
    expect(settings, "stride_conv", PAIRINGS, path)
    pairing = section(settings, "stride_conv_conf", path, required=True)
    insist(pairing, PAIRING_FIXED, path)
    refuse_unknown(pairing, (*PAIRING_FIXED, *PAIRING_IDLE), path)
    return Config(
        n_features=frontend.n_mels * frontend.lfr_m,
        n_tokens=n_tokens,
        first=read_pass(settings, "", path),
        second=read_pass(settings, "2", path),
    )


def read_pass(settings: Mapping[str, Any], number: str, path: Path) -> PassConfig:
    """One of the passes; `number` is what the names of its settings end in."""
    expect(settings, f"encoder{number}", ENCODERS, path)
    expect(settings, f"decoder{number}", DECODERS, path)
    expect(settings, f"predictor{number}", PREDICTORS, path)
    encoder = read_encoder(section(settings, f"encoder{number}_conf", path, required=True), path)
    decoder = read_decoder(section(settings, f"decoder{number}_conf", path, required=True), encoder, path)
    values = section(settings, f"predictor{number}_conf", path, required=True)
    predictor = fields(PredictorConfig, values, PREDICTOR_FIXED | {"tail_threshold": 0.0}, path)
    found = PassConfig(encoder, decoder, predictor)
    check_sizes(found, path)
    return found


def read_encoder(values: Mapping[str, Any], path: Path) -> EncoderConfig:
    fixed = ENCODER_FIXED | {"sanm_shfit": 0}
    plain_values = {name: value for name, value in values.items() if name not in (*CHUNKS, *LOOK_BACK)}
    for name in LOOK_BACK:
        # This has to be said: what the class falls back to is another network.
        if any(numbers(values, name, path)):
            raise ModelError(f"{str(path)!r} wants chunks that look back ({name}), which no UniASR here does")
    sizes = zip(*(numbers(values, name, path) for name in CHUNKS), strict=True)
    chunkings = tuple(Chunking(*size) for size in sizes)
    return fields(EncoderConfig, plain_values | {"chunkings": chunkings}, fixed, path)


def numbers(values: Mapping[str, Any], name: str, path: Path) -> tuple[int, int]:
    """One for the short chunks, one for the long ones; a lone one is for both."""
    found = values.get(name)
    if isinstance(found, Sequence) and found and all(type(value) is int for value in found):
        return (found[0], found[1 if len(found) > 1 else 0])
    raise ModelError(f"{str(path)!r} has {name} {found!r}, where whole numbers for short and long chunks should be")


def read_decoder(values: Mapping[str, Any], encoder: EncoderConfig, path: Path) -> DecoderConfig:
    if values.get("concat_embeds") is not True:
        raise ModelError(f"{str(path)!r} wants a decoder that does not hear what fired (concat_embeds), unknown here")
    kernel, shift = values.get("kernel_size", 21), values.get("sanm_shfit")
    if type(kernel) is int and shift not in (None, (kernel - 1) // 2):
        raise ModelError(f"{str(path)!r} wants a decoder that remembers the future (sanm_shfit {shift!r})")
    given = {"attention_dim": encoder.output_size} | {
        name: value for name, value in values.items() if value is not None
    }
    fixed = DECODER_FIXED | {"concat_embeds": True, "sanm_shfit": shift, "use_output_layer": True,
                             "embed_tensor_name_prefix_tf": values.get("embed_tensor_name_prefix_tf")}  # fmt: skip
    return fields(DecoderConfig, given, fixed, path)


def check_sizes(conf: PassConfig, path: Path) -> None:
    encoder, decoder, predictor = conf.encoder, conf.decoder, conf.predictor
    for part in (encoder, decoder, predictor):
        insist_sizes(part, path)
    for width, n_heads in ((encoder.output_size, encoder.attention_heads),
                           (decoder.attention_dim, decoder.attention_heads)):  # fmt: skip
        if width % n_heads:
            raise ModelError(f"{str(path)!r}: width {width} for {n_heads} heads")
    if not encoder.kernel_size % 2 or not decoder.kernel_size % 2:
        raise ModelError(f"{str(path)!r} wants a memory without a middle (an even kernel_size)")
    if predictor.idim != encoder.output_size:
        raise ModelError(f"{str(path)!r}: a predictor {predictor.idim} wide on an encoder {encoder.output_size} wide")
    if max(predictor.l_order, predictor.r_order) > (encoder.kernel_size - 1) // 2:
        raise ModelError(f"{str(path)!r} wants a predictor that looks beyond its chunk (l_order, r_order)")
    for chunking in encoder.chunkings:
        if chunking.left < 0 or chunking.stride < 1 or chunking.left + chunking.stride > chunking.size:
            raise ModelError(
                f"{str(path)!r}: chunks of {chunking.size} frames, of which {chunking.stride} behind {chunking.left}"
                " are their own, do not cover everything"
            )
