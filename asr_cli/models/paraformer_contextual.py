"""Contextual Paraformer, the network of FunASR's `ContextualParaformer` checkpoints.

N frames and U tokens of utterances laid end to end, D width, K hotwords.
"""

import torch
from torch import Tensor, nn

from asr_cli.checkpoint import WeightMap
from asr_cli.models import paraformer
from asr_cli.models.paraformer import Config, DecoderConfig, Hotwords, Paraformer, ParaformerDecoder, last_states
from asr_cli.models.sanm_weights import CROSS, DECODER_LAYER, under
from asr_cli.nn.cif import Fired
from asr_cli.nn.embedding import embedding
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import CrossAttention, Norm, SanmDecoderLayer

START = 1  # "<s>", which stands for no hotword


class HotwordAttention(nn.Module):
    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.norm3 = Norm(width)
        self.cross = CrossAttention(width, width, n_heads)


class ContextualDecoder(ParaformerDecoder):
    """A Paraformer decoder whose last attending layer looks at hotwords beside the speech (CLAS, arXiv:1808.02480)."""

    def __init__(self, config: DecoderConfig, width: int, memory_width: int) -> None:
        super().__init__(config, width, memory_width)
        layer = self.layers.pop(config.att_layer_num - 1)
        assert isinstance(layer, SanmDecoderLayer)
        self.last = layer
        self.hotwords = HotwordAttention(width, config.attention_heads)
        self.merge = nn.Linear(2 * width, width, bias=False)

    def contextual(self, x: Tensor, rows: Rows, memory: Tensor, memory_rows: Rows, hotwords: Hotwords) -> Tensor:
        """As `forward`, with hotwords that every sequence may look at."""
        for layer in self.layers:
            x = layer(x, rows, memory, memory_rows)
        x = self.last.remember(x, rows)
        spoken = self.last.cross(self.last.norm3(x), rows, memory, memory_rows)
        listed = self.hotwords.cross.shared(self.hotwords.norm3(x), hotwords.embeds)
        x = x + self.merge(torch.cat([spoken, listed * hotwords.weight], dim=1))
        return self.norm(self.end(x))


class ContextualParaformer(Paraformer):
    """Contextual Paraformer: hotwords through attention in the decoder's last layer."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        width = config.encoder.output_size
        self.hotword_embed = embedding(config.n_tokens, width)
        self.hotword_encoder = nn.LSTM(width, width, 1, batch_first=True)

    def build_decoder(self, width: int) -> ContextualDecoder:
        return ContextualDecoder(self.config.decoder, width, width)

    def embed_hotwords(self, hotwords: list[list[int]]) -> Tensor:
        """Token ids of each hotword to (K, D)."""
        return last_states(self.hotword_encoder, self.hotword_embed, hotwords)

    def decode(self, fired: Fired, encoded: Tensor, rows: Rows, hotwords: Hotwords | None) -> Tensor:
        assert isinstance(self.decoder, ContextualDecoder)
        # It was trained to find nothing in a list of nothing, and never without a list.
        listed = hotwords if hotwords is not None else Hotwords(self.embed_hotwords([[START]]))
        return self.output(self.decoder.contextual(fired.embeds, fired.rows, encoded, rows, listed))


WEIGHTS: WeightMap = (
    *under("decoder.last_decoder", "decoder.last", DECODER_LAYER),
    *under("decoder.bias_decoder", "decoder.hotwords", CROSS),
    ("decoder.bias_output", "decoder.merge", lambda tensor: tensor.squeeze(-1)),
    ("bias_embed", "hotword_embed"),
    *paraformer.WEIGHTS,
)
