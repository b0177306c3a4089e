"""CT-Transformer, the network of FunASR's punctuation checkpoints: `CTTransformer` and `CTTransformerStreaming`.

N tokens of sequences laid end to end (see asr_cli.nn.rows), D width, M marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr_cli.checkpoint import WeightMap
from asr_cli.models.sanm_weights import encoder_weights
from asr_cli.nn.embedding import embedding
from asr_cli.nn.rows import Rows
from asr_cli.nn.sanm import SanmEncoder


@dataclass(frozen=True, slots=True)
class Config:
    """`model_conf` and `encoder_conf` of the checkpoint, under their names, and what we add.

    realtime: words see what follows in the last layer only (`SANMVadEncoder`).
    cases: whether the network also says which words have a capital; FunASR's do not.
    """

    vocab_size: int
    punc_list: tuple[str, ...] = ("<unk>", "_", "，", "。", "？", "、")
    embed_unit: int = 256
    att_unit: int = 256
    sentence_end_id: int = 3
    input_size: int = 256
    output_size: int = 256
    attention_heads: int = 8
    linear_units: int = 1024
    num_blocks: int = 4
    kernel_size: int = 11
    sanm_shfit: int = 0
    realtime: bool = False
    cases: bool = False


class CtPuncNet(nn.Module):
    """CT-Transformer (Chen et al. 2020, arXiv:2003.01309): SAN-M over tokens, and for each the mark that follows it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = embedding(config.vocab_size, config.embed_unit)
        self.encoder = SanmEncoder(
            config.input_size, config.output_size, config.attention_heads, config.linear_units, config.num_blocks,
            kernel=config.kernel_size, shift=config.sanm_shfit,
        )  # fmt: skip
        self.marks = nn.Linear(config.att_unit, len(config.punc_list))
        self.capital = nn.Linear(config.att_unit, 1) if config.cases else None

    def forward(self, tokens: Tensor, rows: Rows, heard: Sequence[int] | None = None) -> tuple[Tensor, Tensor | None]:
        """Token ids (N,) to logits of marks (N, M), and of capitals (N,) where the network knows them.

        heard: for a realtime network, how many tokens of each sequence it had seen before.
        """
        x = self.encode(self.embed(tokens), rows, heard)
        return self.marks(x), self.capital(x).squeeze(1) if self.capital else None

    def encode(self, x: Tensor, rows: Rows, heard: Sequence[int] | None = None) -> Tensor:
        if not self.config.realtime:
            return self.encoder(x, rows)
        causal = [torch.ones(n, n, dtype=torch.bool, device=x.device).tril() for n in rows.lengths]
        seen = heard or [0] * len(rows.lengths)
        corners = [corner(n, known, x.device) for n, known in zip(rows.lengths, seen, strict=True)]
        x = self.encoder.first(self.encoder.enter(x, rows.positions + 1), rows, causal)
        for index, layer in enumerate(self.encoder.layers, start=2):
            x = layer(x, rows, corners if index == self.config.num_blocks else causal)
        return self.encoder.norm(x)


def corner(n: int, heard: int, device: torch.device) -> Tensor:
    """Who sees whom in a realtime network's last layer: words heard before, but for their last, see no new one."""
    mask = torch.ones(n, n, dtype=torch.bool, device=device)
    if 0 < heard < n:
        mask[: heard - 1, heard:] = False
    return mask


NAMES = (
    ("embed", "embed"),
    *encoder_weights("encoder", "encoder"),
    ("decoder", "marks"),
    ("capital", "capital"),  # ours alone
)
# Before FunASR 1.0 the network stood inside another module.
WEIGHTS: WeightMap = (*NAMES, *((f"punc_model.{entry[0]}", entry[1]) for entry in NAMES))
