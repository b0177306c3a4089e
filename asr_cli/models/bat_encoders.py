"""The encoders of FunASR's transducers by their configurations, and how the checkpoints name their tensors."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from asr_cli import checkpoint
from asr_cli.checkpoint import WeightMap
from asr_cli.models import conformer_encoder, rwkv_encoder
from asr_cli.models.conformer_encoder import ConformerConfig, ConformerEncoder, ConformerState
from asr_cli.models.rwkv_encoder import RwkvConfig, RwkvEncoder, RwkvState
from asr_cli.nn.relative import Chunk

__all__ = [
    "CONFIGS", "ENCODER_WEIGHTS", "IGNORED", "Chunk", "ConformerConfig", "ConformerEncoder", "ConformerState",
    "RwkvConfig", "RwkvEncoder", "RwkvState", "build_encoder", "published",
]  # fmt: skip

# By the name a configuration gives the encoder; the older one is of the recipes of releases before 1.0.
CONFIGS: dict[str, type[ConformerConfig] | type[RwkvConfig]] = {
    "ChunkConformerEncoder": ConformerConfig,
    "chunk_conformer": ConformerConfig,
    "RWKVEncoder": RwkvConfig,
}
# What may stand in `encoder_conf` besides, without a meaning.
IGNORED = {ConformerConfig: conformer_encoder.IGNORED, RwkvConfig: rwkv_encoder.IGNORED}
ENCODER_WEIGHTS: WeightMap = (*rwkv_encoder.WEIGHTS, *conformer_encoder.WEIGHTS)


def build_encoder(config: ConformerConfig | RwkvConfig, n_features: int) -> ConformerEncoder | RwkvEncoder:
    if isinstance(config, RwkvConfig):
        return RwkvEncoder(config, n_features)
    return ConformerEncoder(config, n_features)


def published(tensors: Mapping[str, Tensor], config: ConformerConfig | RwkvConfig) -> Iterator[tuple[str, Tensor]]:
    """An encoder's tensors ("encoder. ...") under FunASR's names and in its shapes."""
    is_rwkv = isinstance(config, RwkvConfig)
    for name, tensor in checkpoint.theirs(tensors, rwkv_encoder.WEIGHTS if is_rwkv else conformer_encoder.WEIGHTS):
        is_pointwise = ".pointwise_conv" in name and name.endswith("weight")
        yield name, tensor.unsqueeze(-1) if is_pointwise else tensor
