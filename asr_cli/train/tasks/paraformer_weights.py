"""Where the weights of a Paraformer in training come from, and what FunASR calls them where they go."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from asr_cli import checkpoint
from asr_cli.checkpoint import WeightMap, fitted, theirs
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models import paraformer, paraformer_contextual
from asr_cli.models.folder import WEIGHTS as WEIGHT_FILES
from asr_cli.models.folder import file_of, section
from asr_cli.models.paraformer import Config, Paraformer, SeacoParaformer
from asr_cli.models.paraformer_contextual import ContextualDecoder, ContextualParaformer
from asr_cli.models.paraformer_folder import kind_of, read_config, read_frontend
from asr_cli.models.paraformer_streaming import StreamingParaformer
from asr_cli.text.vocabulary import Vocabulary

CTC = "ctc.ctc_lo"  # what FunASR calls the encoder's own output
TIMES = "predictor.upsample_cnn", "predictor.blstm", "predictor.cif_output2"
SEACO = "bias_encoder", "seaco_decoder", "hotword_output_layer"
LAST, MERGE = "decoder.last_decoder", "decoder.bias_output"
CONTEXTUAL = "bias_embed", "decoder.bias_decoder", MERGE
ADDED = (CTC, *TIMES, *SEACO, *CONTEXTUAL)  # what a Paraformer may have beside the plain one


def begin_with(
    settings: Mapping[str, Any], path: Path, vocabulary: Vocabulary, cmvn: Cmvn, init: Path | None
) -> tuple[Paraformer, frozenset[str]]:
    """The network, and the names of its parameters that come from a checkpoint."""
    config = read_config(settings, path, read_frontend(settings, path), len(vocabulary))
    if len(cmvn.shift) != config.n_features:
        raise ModelError(f"{str(path)!r} wants {config.n_features} features, and am.mvn is for {len(cmvn.shift)}")
    net = network(config, settings)
    has_ctc = bool(fitted("ctc_weight", section(settings, "model_conf", path).get("ctc_weight", 0.0), float, path))
    if has_ctc:
        net.ctc = nn.Linear(config.encoder.output_size, config.n_tokens)
    if init is None:
        return net, frozenset()
    source = file_of(init, WEIGHT_FILES)
    tensors = {name.removeprefix("module."): tensor.clone() for name, tensor in checkpoint.read(source).items()}
    if config.contextual:
        tensors = with_last_layer(tensors, config.decoder.att_layer_num)
    weights = with_ctc(config) if has_ctc else names(config)
    initialised = frozenset(name for name, _ in checkpoint.renamed(tensors, weights))
    checkpoint.fill(net, tensors | added(net, weights, tensors), weights, source)
    return net, initialised


def network(config: Config, settings: Mapping[str, Any]) -> Paraformer:
    if kind_of(settings) == "streaming":
        return StreamingParaformer(config)
    if config.contextual:
        return unbiased(ContextualParaformer(config))
    return SeacoParaformer(config) if config.seaco else Paraformer(config)


def unbiased(net: ContextualParaformer) -> ContextualParaformer:
    """It begins as if there were no hotwords, so that a plain Paraformer's weights write what they wrote."""
    merge = cast(ContextualDecoder, net.decoder).merge.weight
    with torch.no_grad():
        merge.copy_(torch.eye(*merge.shape))
    return net


def names(config: Config) -> WeightMap:
    return paraformer_contextual.WEIGHTS if config.contextual else paraformer.WEIGHTS


def with_ctc(config: Config) -> WeightMap:
    return ((CTC, "ctc"), *names(config))


def with_last_layer(tensors: dict[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    """A plain decoder's last layer, under the name of the one that looks at hotwords."""
    if any(name.startswith(f"{LAST}.") for name in tensors):
        return tensors
    plain = f"decoder.decoders.{n_layers - 1}."
    return {
        f"{LAST}.{name.removeprefix(plain)}" if name.startswith(plain) else name: tensor
        for name, tensor in tensors.items()
    }


def added(net: Paraformer, weights: WeightMap, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parts that a plainer checkpoint has nothing of, as they are in the network, under FunASR's names."""
    new = tuple(f"{part}." for part in ADDED if not any(name.startswith(f"{part}.") for name in tensors))
    return {name: tensor for name, tensor in theirs(net.state_dict(), weights) if name.startswith(new)}


def published(tensors: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Ours under FunASR's names, in its shapes."""
    found = dict(theirs(tensors, with_ctc(config)))
    merge = f"{MERGE}.weight"
    return found | {merge: found[merge].unsqueeze(-1)} if merge in found else found
