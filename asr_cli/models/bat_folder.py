"""BAT and RWKV-BAT checkpoints on disk, in the layouts of FunASR."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asr_cli import checkpoint
from asr_cli.checkpoint import known_fields
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models import write_folder as writing
from asr_cli.models.bat import (
    BOUNDARIES,
    WEIGHTS,
    Bat,
    BoundaryPredictor,
    Config,
    DecoderConfig,
    JointConfig,
    PredictorConfig,
    weights_with,
)
from asr_cli.models.bat_encoders import CONFIGS, IGNORED, ConformerConfig, RwkvConfig, published
from asr_cli.models.folder import CONFIGS as CONFIG_FILES
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.folder import file_of, insist, insist_rates, insist_sizes, read_norms, read_yaml, section
from asr_cli.models.paraformer_folder import (
    FRONTEND_FIXED,
    FRONTEND_IDLE,
    FRONTENDS,
    SAMPLE_RATES,
    STREAMING_FRONTENDS,
    Frontend,
    expect,
    fields,
    plain,
    read_vocabulary,
    refuse_unknown,
)
from asr_cli.text.vocabulary import Vocabulary

# What the classes are called since FunASR 1.0 and before, in small letters without underscores.
KINDS = ("bat", "transducer", "rwkvbat", "rnnt", "rnntunified")
ENCODERS = {plain(name): kind for name, kind in CONFIGS.items()}
DECODERS = ("rnntdecoder", "rnnt")
JOINERS = ("jointnetwork", "")  # before 1.0 there was but one
PREDICTORS = ("batpredictor",)
# Settings that have one known value here, and those that mean something in training only.
DECODER_FIXED = {"rnn_type": "lstm", "num_layers": 1, "embed_pad": 0}
JOINER_FIXED = {"joint_activation_type": "tanh"}
PREDICTOR_FIXED = {"threshold": 1.0}
PREDICTOR_IDLE = ("idim", "return_accum", "tail_threshold")
MODEL_FIXED = {"blank_id": 0, "sos": 1, "eos": 2}
MODEL_IDLE = (
    "transducer_weight", "predictor_weight", "cif_weight", "fastemit_lambda", "auxiliary_ctc_weight",
    "auxiliary_ctc_dropout_rate", "auxiliary_lm_loss_weight", "auxiliary_lm_loss_smoothing", "ignore_id", "lsm_weight",
    "length_normalized_loss", "share_embedding", "r_d", "r_u", "report_cer", "report_wer", "symbol_space",
    "symbol_blank", "sym_space", "sym_blank", "extract_feats_in_collect_stats", "simple_weight", "pruned_weight",
    "lm_only_scale", "am_only_scale", "ctc_weight", "interctc_weight",
)  # fmt: skip
NO_SIZES = ("activation_type", "left_chunk_size", "jitter_range")
OUTPUT = "joint_network.lin_out.weight"


@dataclass(frozen=True, slots=True)
class Folder:
    """A checkpoint: the network with its weights, and what goes in and comes out of it."""

    net: Bat
    frontend: Frontend
    cmvn: Cmvn
    vocabulary: Vocabulary


def read_folder(folder: Path, *, heads: Collection[str] = ()) -> Folder:
    """heads: with those that only training needs, fresh where the checkpoint does not have them."""
    path = file_of(folder, CONFIG_FILES)
    settings = read_yaml(path)
    require_kind(settings, path)
    vocabulary = read_vocabulary(folder, settings)
    frontend = read_frontend(settings, path)
    config = read_config(settings, path, frontend, len(vocabulary))
    cmvn = read_norms(folder, config.n_features)
    return Folder(load(config, file_of(folder, WEIGHT_FILES), heads=heads), frontend, cmvn, vocabulary)


def load(config: Config, path: Path, *, heads: Collection[str] = ()) -> Bat:
    with torch.device("meta"):  # the checkpoint's own tensors take the place of these
        net = Bat(config, heads=heads)
    tensors = checkpoint.read(path)
    check_vocabulary(tensors, config.n_tokens, path)
    if heads:
        tensors = fresh_heads(config, heads) | {
            name.removeprefix("module."): tensor for name, tensor in tensors.items()
        }
    checkpoint.fill(net, tensors, weights_with(heads), path)
    return net.eval()


def fresh_heads(config: Config, heads: Collection[str]) -> dict[str, Tensor]:
    width = config.encoder.output_size
    parts = {
        head: BoundaryPredictor(width, config.predictor) if head == BOUNDARIES else nn.Linear(width, config.n_tokens)
        for head in heads
    }
    return {f"{head}.{name}": tensor for head, part in parts.items() for name, tensor in part.state_dict().items()}


def check_vocabulary(tensors: Mapping[str, Tensor], n_tokens: int, path: Path) -> None:
    """Refuse weights that know another number of tokens than the vocabulary beside them."""
    found = next((tensor for name, tensor in tensors.items() if name.removeprefix("module.") == OUTPUT), None)
    if found is not None and len(found) != n_tokens:
        raise ModelError(
            f"{str(path)!r} knows {len(found)} tokens and the vocabulary beside it {n_tokens}; they do not"
            " belong together: download the model again"
        )


def require_kind(settings: Mapping[str, Any], path: Path) -> None:
    if plain(settings.get("model")) not in KINDS:
        raise ModelError(f"{str(path)!r} describes no BAT, nor another transducer (model: {settings.get('model')!r})")


def read_config(settings: Mapping[str, Any], path: Path, frontend: Frontend, n_tokens: int) -> Config:
    model = section(settings, "model_conf", path)
    insist(model, MODEL_FIXED, path)
    refuse_unknown(model, (*MODEL_FIXED, *MODEL_IDLE), path)
    expect(settings, "encoder", tuple(ENCODERS), path)
    expect(settings, "decoder", DECODERS, path)
    expect(settings, "joint_network", JOINERS, path)
    kind = ENCODERS[plain(settings["encoder"])]
    values = section(settings, "encoder_conf", path, required=True)
    found = Config(
        n_features=frontend.n_mels * frontend.lfr_m,
        n_tokens=n_tokens,
        encoder=known_fields(kind, values, path, ignored=IGNORED[kind]),
        decoder=fields(DecoderConfig, section(settings, "decoder_conf", path), DECODER_FIXED, path),
        joint=fields(JointConfig, section(settings, "joint_network_conf", path), JOINER_FIXED, path),
        predictor=read_predictor(settings, path),
    )
    for part in (found.decoder, found.joint, found.predictor):
        insist_sizes(part, path)
    for trained in (found.encoder, found.decoder, found.predictor):
        insist_rates(trained, path)
    check_encoder(found.encoder, path)
    return found


def check_encoder(config: ConformerConfig | RwkvConfig, path: Path) -> None:
    """Refuse an encoder with a number that is no size."""
    for name, value in asdict(config).items():
        is_wrong = isinstance(value, str) or (type(value) is int and value < 1)
        if is_wrong and name not in NO_SIZES:
            raise ModelError(f"{str(path)!r} wants {name} {value!r}, where a positive whole number should be")
    if isinstance(config, RwkvConfig):
        return
    if config.output_size % config.attention_heads:
        raise ModelError(f"{str(path)!r}: width {config.output_size} for {config.attention_heads} heads")
    if config.unified_model_training and not 0 <= config.jitter_range < config.default_chunk_size:
        raise ModelError(
            f"{str(path)!r} wants chunks of default_chunk_size {config.default_chunk_size}, give or take"
            f" jitter_range {config.jitter_range}; make that 0 or more, and less than the size"
        )


def read_predictor(settings: Mapping[str, Any], path: Path) -> PredictorConfig:
    """A recogniser's configuration need not have one."""
    if not settings.get("predictor"):
        return PredictorConfig()
    expect(settings, "predictor", PREDICTORS, path)
    values = section(settings, "predictor_conf", path)
    insist(values, PREDICTOR_FIXED, path)
    found: PredictorConfig = known_fields(PredictorConfig, values, path, ignored=(*PREDICTOR_FIXED, *PREDICTOR_IDLE))
    return found


def read_frontend(settings: Mapping[str, Any], path: Path) -> Frontend:
    """Unlike the other networks', this one's frames are stacked only if the configuration says so."""
    expect(settings, "frontend", (*FRONTENDS, *STREAMING_FRONTENDS), path)
    insist(settings, {"normalize": None}, path)  # beyond am.mvn
    values = {"lfr_m": 1, "lfr_n": 1} | dict(section(settings, "frontend_conf", path, required=True))
    own = {field.name for field in fields_of(Frontend)}
    fixed = {name: value for name, value in FRONTEND_FIXED.items() if name not in own}
    insist(values, fixed, path)
    found: Frontend = known_fields(Frontend, values, path, ignored=(*fixed, *FRONTEND_IDLE))
    insist_sizes(found, path)
    if found.lfr_n > found.lfr_m:
        raise ModelError(f"{str(path)!r} stacks {found.lfr_m} frames every {found.lfr_n} (lfr_m, lfr_n): some are lost")
    if found.fs not in SAMPLE_RATES:
        raise ModelError(f"{str(path)!r} wants sound at {found.fs} Hz; only 16000 and 8000 are known here")
    return found


def write_folder(folder: Path, net: Bat, settings: Mapping[str, Any], cmvn: Cmvn, vocabulary: Vocabulary) -> None:
    """A checkpoint that `read_folder` reads, and FunASR. settings: all of config.yaml."""
    writing.write_folder(folder, settings, dict(named(net)), cmvn, vocabulary.tokens)


def named(net: Bat) -> Iterator[tuple[str, Tensor]]:
    """All tensors of a network under FunASR's names and in its shapes."""
    tensors = net.state_dict()
    encoder = {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
    yield from published(encoder, net.config.encoder)
    yield from checkpoint.theirs({name: tensors[name] for name in tensors.keys() - encoder.keys()}, WEIGHTS)
