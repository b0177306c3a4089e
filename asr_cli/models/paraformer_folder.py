"""Paraformer checkpoints on disk, in the layouts of FunASR."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asr_cli import checkpoint
from asr_cli.checkpoint import fitted, known_fields
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import (
    CONFIGS,
    WEIGHTS,
    check_sanm,
    check_vocabulary,
    file_of,
    find_file,
    insist,
    insist_sizes,
    read_norms,
    read_yaml,
    section,
)
from asr_cli.models.paraformer import WEIGHTS as PARAFORMER
from asr_cli.models.paraformer import Config, DecoderConfig, EncoderConfig, Paraformer, PredictorConfig, SeacoParaformer
from asr_cli.models.paraformer_contextual import WEIGHTS as CONTEXTUAL
from asr_cli.models.paraformer_contextual import ContextualParaformer
from asr_cli.models.paraformer_streaming import StreamingParaformer
from asr_cli.text.vocabulary import Vocabulary

VOCABULARIES = ("token_list",), ("tokens.json", "tokens.txt")
LEXICONS = ("seg_dict_file",), ("seg_dict",)
SAMPLE_RATES = (16_000, 8_000)
# What the classes are called since FunASR 1.0 and before, in small letters without underscores.
KINDS = {
    "paraformer": "paraformer", "bicifparaformer": "bicif", "seacoparaformer": "seaco",
    "contextualparaformer": "contextual", "neatcontextualparaformer": "contextual",
    "paraformerstreaming": "streaming", "paraformeronline": "streaming",
}  # fmt: skip
ENCODERS = ("sanmencoder", "sanm")
STREAMING_ENCODERS = ("sanmencoderchunkopt", "sanmchunkopt", *ENCODERS)
DECODERS = ("paraformersanmdecoder", "paraformerdecodersanm")
CONTEXTUAL_DECODERS = ("contextualparaformerdecoder", "contextualparaformerdecodersanm")
FRONTENDS = ("wavfrontend",)
STREAMING_FRONTENDS = ("wavfrontendonline", *FRONTENDS, "")  # published without, too
PREDICTORS = ("cifpredictorv2", "cifpredictorv3")
# Settings that have one known value here, and those that mean something in training only.
ENCODER_FIXED = {
    "input_layer": "pe", "normalize_before": True, "concat_after": False, "positionwise_layer_type": "linear",
    "positionwise_conv_kernel_size": 1, "selfattention_layer_type": "sanm", "interctc_layer_idx": [],
    "interctc_use_conditioning": False, "pos_enc_class": "SinusoidalPositionEncoder", "lora_list": None,
}  # fmt: skip
STREAMING_FIXED = ENCODER_FIXED | {"input_layer": "pe_online"}
# How long the chunks were in training; what is heard is divided as the user says.
STREAMING_IDLE = (
    "chunk_size", "stride", "pad_left", "encoder_att_look_back_factor", "decoder_att_look_back_factor",
)  # fmt: skip
DECODER_FIXED = {"input_layer": "embed", "normalize_before": True, "concat_after": False, "lora_list": None}
PREDICTOR_FIXED = {"threshold": 1.0, "tail_mask": True}
TIMES_FIXED = {"upsample_type": "cnn_blstm", "use_cif1_cnn": False}
FRONTEND_FIXED = {
    "window": "hamming", "frame_length": 25, "frame_shift": 10, "upsacle_samples": True, "snip_edges": True,
    "lfr_m": 7, "lfr_n": 6,
}  # fmt: skip
FRONTEND_IDLE = ("cmvn_file", "dither", "filter_length_max", "filter_length_min")
IDLE = (
    "dropout_rate", "positional_dropout_rate", "attention_dropout_rate", "self_attention_dropout_rate",
    "src_attention_dropout_rate", "dropout", "padding_idx", "lora_rank", "lora_alpha", "lora_dropout",
    "chunk_multiply_factor", "tf2torch_tensor_name_prefix_torch", "tf2torch_tensor_name_prefix_tf",
)  # fmt: skip
MODEL_FIXED = {"bias_encoder_type": "lstm", "bias_encoder_bid": False, "use_decoder_embedding": False}
MODEL_KNOWN = ("NO_BIAS", "inner_dim", "predictor_bias")
MODEL_IDLE = (
    "ctc_weight", "lsm_weight", "length_normalized_loss", "predictor_weight", "sampling_ratio", "ignore_id", "blank_id",
    "sos", "eos", "share_embedding", "use_1st_decoder_loss", "seaco_lsm_weight", "seaco_length_normal",
    "seaco_length_normalized_loss", "seaco_weight", "train_decoder", "bias_encoder_dropout_rate", "crit_attn_weight",
    "crit_attn_smooth", "target_buffer_length", "report_cer", "report_wer", "sym_space", "sym_blank",
    "extract_feats_in_collect_stats", "interctc_weight", "step_cur", "embeds_id", "embeds_loss_weight", "embed_dims",
    "decoder_attention_chunk_type",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """`frontend_conf` of the checkpoint, under its names."""

    fs: int = 16_000
    n_mels: int = 80
    lfr_m: int = 7
    lfr_n: int = 6


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint: the network with its weights, and what goes in and comes out of it."""

    net: Paraformer
    frontend: Frontend
    cmvn: Cmvn
    vocabulary: Vocabulary
    lexicon: Path | None  # how hotwords are spelled in tokens


def read_folder(folder: Path) -> Folder:
    path = file_of(folder, CONFIGS)
    settings = read_yaml(path)
    kind = require_kind(settings, path)
    vocabulary = read_vocabulary(folder, settings)
    frontend = read_frontend(settings, path)
    config = read_config(settings, path, frontend, len(vocabulary))
    cmvn = read_norms(folder, config.n_features)
    net = load(config, file_of(folder, WEIGHTS), streaming=kind == "streaming")
    return Folder(net, frontend, cmvn, vocabulary, find_file(folder, LEXICONS))


def load(config: Config, path: Path, *, streaming: bool = False) -> Paraformer:
    net, weights = build(config, streaming=streaming)
    tensors = checkpoint.read(path)
    check_vocabulary(tensors, config.n_tokens, path)
    checkpoint.fill(net, tensors, weights, path)
    return net.eval()


def build(config: Config, *, streaming: bool = False) -> tuple[Paraformer, checkpoint.WeightMap]:
    """The network without memory for its weights: the checkpoint's own take their place."""
    with torch.device("meta"):
        if streaming:
            return StreamingParaformer(config), PARAFORMER
        if config.contextual:
            return ContextualParaformer(config), CONTEXTUAL
        return (SeacoParaformer if config.seaco else Paraformer)(config), PARAFORMER


def kind_of(settings: Mapping[str, Any]) -> str | None:
    """Which of the networks here a configuration describes, if any."""
    return KINDS.get(plain(settings.get("model")))


def require_kind(settings: Mapping[str, Any], path: Path) -> str:
    kind = kind_of(settings)
    if kind is None:
        raise ModelError(
            f"{str(path)!r} describes no offline Paraformer, nor a streaming one (model: {settings.get('model')!r})"
        )
    return kind


def plain(name: object) -> str:
    return str(name or "").lower().replace("_", "")


def read_config(settings: Mapping[str, Any], path: Path, frontend: Frontend, n_tokens: int) -> Config:
    kind = require_kind(settings, path)
    streaming = kind == "streaming"
    expect(settings, "encoder", STREAMING_ENCODERS if streaming else ENCODERS, path)
    expect(settings, "decoder", CONTEXTUAL_DECODERS if kind == "contextual" else DECODERS, path)
    expect(settings, "predictor", PREDICTORS, path)
    has_times = plain(settings["predictor"]) == "cifpredictorv3"
    model = section(settings, "model_conf", path)
    insist(model, MODEL_FIXED, path)
    refuse_unknown(model, (*MODEL_FIXED, *MODEL_KNOWN, *MODEL_IDLE), path)
    encoder = read_encoder(section(settings, "encoder_conf", path, required=True), streaming, path)
    decoder = fields(DecoderConfig, section(settings, "decoder_conf", path, required=True), DECODER_FIXED, path)
    seaco = read_seaco(settings, path) if kind == "seaco" else None
    predictor = read_predictor(section(settings, "predictor_conf", path, required=True), has_times, path)
    check_sizes(encoder, (decoder, *([seaco] if seaco else [])), predictor, path)
    if streaming:
        check_streaming(decoder, frontend, has_times, path)
    return Config(
        n_features=frontend.n_mels * frontend.lfr_m,
        n_tokens=n_tokens,
        encoder=encoder,
        decoder=decoder,
        predictor=predictor,
        has_times=has_times,
        seaco=seaco,
        no_bias=fitted("NO_BIAS", model.get("NO_BIAS", 8377), int, path),
        contextual=kind == "contextual",
    )


def read_encoder(values: Mapping[str, Any], streaming: bool, path: Path) -> EncoderConfig:
    if streaming:
        values = {name: value for name, value in values.items() if name not in STREAMING_IDLE}
    found: EncoderConfig = fields(EncoderConfig, values, STREAMING_FIXED if streaming else ENCODER_FIXED, path)
    return found


def read_seaco(settings: Mapping[str, Any], path: Path) -> DecoderConfig:
    expect(settings, "seaco_decoder", DECODERS, path)
    values = section(settings, "seaco_decoder_conf", path)
    fixed = DECODER_FIXED | {"use_output_layer": False, "wo_input_layer": True}
    return fields(DecoderConfig, values, fixed, path)


def read_predictor(values: Mapping[str, Any], has_times: bool, path: Path) -> PredictorConfig:
    if has_times:
        # These have to be said: what the class falls back to is another network.
        missing = [name for name in TIMES_FIXED if name not in values]
        if missing:
            raise ModelError(f"{str(path)!r} does not say {' or '.join(missing)} of its timestamp head")
        return fields(PredictorConfig, values, PREDICTOR_FIXED | TIMES_FIXED, path)
    return fields(PredictorConfig, values, PREDICTOR_FIXED, path)


def check_sizes(
    encoder: EncoderConfig, decoders: tuple[DecoderConfig, ...], predictor: PredictorConfig, path: Path
) -> None:
    stacks: tuple[EncoderConfig | DecoderConfig, ...] = (encoder, *decoders)
    for conf in stacks:
        insist_sizes(conf, path)
        check_sanm(encoder.output_size, conf.attention_heads, conf.kernel_size, conf.sanm_shfit, path)
    insist_sizes(predictor, path)
    if predictor.idim != encoder.output_size:
        raise ModelError(f"{str(path)!r}: a predictor {predictor.idim} wide on an encoder {encoder.output_size} wide")
    if decoders[0].num_blocks > decoders[0].att_layer_num:
        raise ModelError(f"{str(path)!r} wants decoder blocks without attention, which no Paraformer here has")


def check_streaming(decoder: DecoderConfig, frontend: Frontend, has_times: bool, path: Path) -> None:
    """Refuse what cannot be computed while somebody still speaks."""
    if 2 * decoder.sanm_shfit < decoder.kernel_size - 1:
        raise ModelError(
            f"{str(path)!r} has a decoder that looks ahead (kernel_size {decoder.kernel_size},"
            f" sanm_shfit {decoder.sanm_shfit}), so it cannot be heard chunk by chunk"
        )
    if has_times:
        raise ModelError(f"{str(path)!r} wants a timestamp head, which looks ahead, in a streaming model")
    if frontend.fs != SAMPLE_RATES[0]:
        raise ModelError(f"{str(path)!r} wants sound at {frontend.fs} Hz; a stream is heard at {SAMPLE_RATES[0]} only")


def read_frontend(settings: Mapping[str, Any], path: Path) -> Frontend:
    expect(settings, "frontend", STREAMING_FRONTENDS if kind_of(settings) == "streaming" else FRONTENDS, path)
    insist(settings, {"normalize": None}, path)  # beyond am.mvn
    values = section(settings, "frontend_conf", path, required=True)
    insist(values, FRONTEND_FIXED, path)
    found: Frontend = known_fields(Frontend, values, path, ignored=(*FRONTEND_FIXED, *FRONTEND_IDLE))
    insist_sizes(found, path)
    if found.fs not in SAMPLE_RATES:
        raise ModelError(f"{str(path)!r} wants sound at {found.fs} Hz; only 16000 and 8000 are known here")
    return found


def read_vocabulary(folder: Path, settings: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary's own file, else what a configuration of before 1.0 lists."""
    path = find_file(folder, VOCABULARIES)
    if path is not None:
        return Vocabulary.from_file(path)
    if settings.get("token_list"):
        return Vocabulary.from_list(settings["token_list"], source=f"the token_list of {str(folder)!r}")
    raise ModelError(f"{str(folder)!r} is no complete model: it has no vocabulary (tokens.json); download it again")


def expect(settings: Mapping[str, Any], name: str, known: tuple[str, ...], path: Path) -> None:
    if plain(settings.get(name)) not in known:
        raise ModelError(f"{str(path)!r} wants the {name} {settings.get(name)!r}, which is not known here")


def fields(kind: type, values: Mapping[str, Any], fixed: Mapping[str, Any], path: Path) -> Any:
    insist(values, fixed, path)
    try:
        return known_fields(kind, values, path, ignored=(*fixed, *IDLE))
    except TypeError as error:  # a setting without which there is no network
        raise ModelError(f"{str(path)!r} is incomplete: {error}") from error


def refuse_unknown(values: Mapping[str, Any], known: tuple[str, ...], path: Path) -> None:
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise ModelError(f"{str(path)!r} asks for what this program does not know: {', '.join(unknown)}")
