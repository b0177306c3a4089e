"""The encoder of RWKV-BAT, the network of FunASR's `RWKVEncoder`.

B utterances, T frames of 10 ms, T' frames out, F features, N blocks, D width, A width of the attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from asr_cli.checkpoint import WeightMap
from asr_cli.errors import ModelError
from asr_cli.models.sanm_weights import under
from asr_cli.nn.rwkv import Memory, Rates, RwkvBlock
from asr_cli.nn.sanm import Norm
from asr_cli.nn.subsampling import Layer, Subsampling, Waiting, every, reduced

IGNORED = ("context_size",)  # of FunASR's training kernel; the network is the same whatever it is


@dataclass(frozen=True, slots=True)
class RwkvConfig:
    """`encoder_conf` of an RWKVEncoder, under its names. IGNORED: what else may stand there."""

    output_size: int = 512
    linear_size: int | None = None
    attention_size: int | None = None
    num_blocks: int = 4
    att_dropout_rate: float = 0.0
    ffn_dropout_rate: float = 0.0
    dropout_rate: float = 0.0
    subsampling_factor: int = 4
    time_reduction_factor: int = 1
    kernel: int = 3


def rwkv_convolutions(config: RwkvConfig) -> list[Layer]:
    width, factor, kernel = config.output_size, config.subsampling_factor, config.kernel
    if factor not in (2, 4, 6):
        raise ModelError(f"an RWKVEncoder with subsampling_factor {factor} is not known here")
    if kernel % 2 == 0:
        raise ModelError(f"an RWKVEncoder with kernel {kernel} is not known here")
    first, second = width // 4, width // 2
    layers = ((first, (1, 1)), (first, (factor // 2, 2)), (second, (1, 1)), (second, (2, 2)),
              (width, (1, 1)), (width, (1, 1)))  # fmt: skip
    return [Layer(channels, kernel, stride) for channels, stride in layers]


@dataclass(frozen=True, slots=True)
class RwkvState:
    """What an RwkvEncoder keeps of a stream. lately (N, 2, D) and sums (N, 3, A): of its N blocks, as in `Memory`.
    n_heard: how many frames came out of the convolutions."""

    waiting: Waiting
    lately: Tensor
    sums: Tensor
    n_heard: int


class RwkvEncoder(nn.Module):
    """RWKV-BAT's encoder (An et al. 2023, arXiv:2309.14758): convolutions that look a little ahead, and RWKV-4 blocks
    that look back only, so that a stream is heard as a whole utterance is."""

    def __init__(self, config: RwkvConfig, n_features: int) -> None:
        super().__init__()
        self.config = config
        width = config.output_size
        attention_width, units = config.attention_size or width, config.linear_size or 4 * width
        rates = Rates(config.dropout_rate, config.att_dropout_rate, config.ffn_dropout_rate)
        self.subsampling = Subsampling(n_features, rwkv_convolutions(config), width)
        self.enter = Norm(width)
        self.blocks = nn.ModuleList(
            RwkvBlock(width, attention_width, units, index, config.num_blocks, rates)
            for index in range(config.num_blocks)
        )
        self.norm = Norm(width)
        self.reduction = config.time_reduction_factor
        self.frame_shift = config.subsampling_factor * self.reduction

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F) and how many of them there are (B,) to (B, T', D) and (B,)."""
        x, lengths = self.subsampling(x, lengths)
        x = self.enter(x)
        for block in self.blocks:
            x, _ = block(x)
        return self.norm(x[:, :: self.reduction]), reduced(lengths, self.reduction)

    def hear(
        self, features: Sequence[Tensor], states: Sequence[RwkvState | None], finals: Sequence[bool]
    ) -> tuple[list[Tensor], list[RwkvState]]:
        """Each stream's next features (T, F), of any number, to all frames (T', D) that are certain with them."""
        begun = [self.begin() if state is None else state for state in states]
        new, waiting = self.subsampling.hear(features, [state.waiting for state in begun], finals)
        lengths = [len(one) for one in new]
        x, lately, sums = pad_sequence(new, batch_first=True), *self.memories(begun)
        if x.shape[1]:
            counts = torch.tensor(lengths, device=x.device)
            x, lately, sums = self.through(self.enter(x), lately, sums, counts)
        seen = [state.n_heard + length for state, length in zip(begun, lengths, strict=True)]
        kept = [every(one[:length], state.n_heard, self.reduction)
                for one, length, state in zip(self.norm(x), lengths, begun, strict=True)]  # fmt: skip
        # Copies, so that no stream holds on to what others keep.
        own = ([one.clone() for one in lately], [one.clone() for one in sums])
        return kept, [RwkvState(*parts) for parts in zip(waiting, *own, seen, strict=True)]

    def begin(self) -> RwkvState:
        device = self.norm.weight.device
        memories = [block.begin(1, device) for block in cast("list[RwkvBlock]", list(self.blocks))]
        lately, sums = torch.cat([one.lately for one in memories]), torch.cat([one.sums for one in memories])
        return RwkvState(self.subsampling.begin(), lately, sums, 0)

    def memories(self, states: Sequence[RwkvState]) -> tuple[Tensor, Tensor]:
        """Of all streams: (B, N, 2, D) and (B, N, 3, A)."""
        return torch.stack([state.lately for state in states]), torch.stack([state.sums for state in states])

    def through(self, x: Tensor, lately: Tensor, sums: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        after = []
        for index, block in enumerate(self.blocks):
            x, memory = block(x, Memory(lately[:, index], sums[:, index]), counts)
            after.append(memory)
        return x, torch.stack([one.lately for one in after], 1), torch.stack([one.sums for one in after], 1)


TIME_MIXING = (
    ("time_decay", "decay"),
    ("time_first", "first"),
    ("time_mix_key", "mix_key"),
    ("time_mix_value", "mix_value"),
    ("time_mix_receptance", "mix_receptance"),
    ("proj_key", "key"),
    ("proj_value", "value"),
    ("proj_receptance", "receptance"),
    ("proj_output", "out"),
)
BLOCK, OURS = "encoder.rwkv_blocks.{}", "encoder.blocks.{}"
WEIGHTS: WeightMap = (
    *((f"encoder.embed.conv.{2 * index}", f"encoder.subsampling.convs.{index}") for index in range(6)),
    ("encoder.embed.output", "encoder.subsampling.out"),
    ("encoder.embed_norm", "encoder.enter"),
    (f"{BLOCK}.layer_norm_att", f"{OURS}.norm1"),
    (f"{BLOCK}.layer_norm_ffn", f"{OURS}.norm2"),
    *under(f"{BLOCK}.att", f"{OURS}.time", TIME_MIXING),
    *under(f"{BLOCK}.ffn", f"{OURS}.channels", TIME_MIXING),
    ("encoder.final_norm", "encoder.norm"),
)
