"""The encoder of BAT, the network of FunASR's `ChunkConformerEncoder`.

B utterances, T frames of 10 ms, T' frames out, F features, N blocks, P frames of the past, D width, K kernel.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from asr_cli.checkpoint import WeightMap
from asr_cli.errors import ModelError
from asr_cli.models.sanm_weights import under
from asr_cli.nn.conformer import Activation, Around, ConformerBlock, Past, Rates, Sizes
from asr_cli.nn.relative import Chunk, sinusoids
from asr_cli.nn.sanm import Norm
from asr_cli.nn.subsampling import Layer, Subsampling, every, reduced

ACTIVATIONS: dict[str, Activation] = {
    "swish": F.silu,
    "relu": F.relu,
    "selu": F.selu,
    "tanh": torch.tanh,
    "hardtanh": F.hardtanh,
}
# Settings that FunASR reads but builds the same network whatever they are.
IGNORED = (
    "normalize_before", "concat_after", "positionwise_layer_type", "positionwise_conv_kernel_size", "macaron_style",
    "rel_pos_type", "pos_enc_layer_type", "selfattention_layer_type", "use_cnn_module", "zero_triu", "norm_type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConformerConfig:
    """`encoder_conf` of a ChunkConformerEncoder, under its names. IGNORED: what else may stand there."""

    output_size: int = 256
    attention_heads: int = 4
    linear_units: int = 2048
    num_blocks: int = 6
    dropout_rate: float = 0.1
    positional_dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.0
    embed_vgg_like: bool = False
    activation_type: str = "swish"
    cnn_module_kernel: int = 31
    conv_mod_norm_eps: float = 1e-5
    conv_mod_norm_momentum: float = 0.1
    simplified_att_score: bool = False
    dynamic_chunk_training: bool = False
    short_chunk_threshold: float = 0.75
    short_chunk_size: int = 25
    left_chunk_size: int = 0
    time_reduction_factor: int = 1
    unified_model_training: bool = False
    default_chunk_size: int = 16
    jitter_range: int = 4
    subsampling_factor: int = 1

    @property
    def hears_in_chunks(self) -> bool:
        return self.dynamic_chunk_training or self.unified_model_training


def conformer_convolutions(config: ConformerConfig) -> list[Layer]:
    known = {1: ((1, 2), 3, (1, 2)), 2: ((2, 2), 3, (1, 1)), 4: ((2, 2), 3, (2, 2)), 6: ((2, 2), 5, (3, 3))}
    factor = config.subsampling_factor
    if factor not in known:
        raise ModelError(f"a ChunkConformerEncoder with subsampling_factor {factor} is not known here")
    first, kernel, second = known[factor]
    return [Layer(config.output_size, 3, first, pads_bands=False),
            Layer(config.output_size, kernel, second, pads_bands=False)]  # fmt: skip


def check(config: ConformerConfig) -> None:
    """Refuse what would be another network, or none."""
    known = {
        "embed_vgg_like": not config.embed_vgg_like,
        "simplified_att_score": not config.simplified_att_score,
        "activation_type": config.activation_type in ACTIVATIONS,
        "attention_heads": config.output_size % config.attention_heads == 0,
        "cnn_module_kernel": config.cnn_module_kernel % 2 == 1,
    }
    for name, is_known in known.items():
        if not is_known:
            raise ModelError(f"a ChunkConformerEncoder with {name} {getattr(config, name)!r} is not known here")


@dataclass(frozen=True, slots=True)
class ConformerState:
    """What a ConformerEncoder keeps of a stream. features: (t, F), less than a chunk. seen: (N, P, 2 D) and convolved
    (N, K - 1, D), of its N blocks, as in `Past`. n_heard: how many frames came out of the convolutions."""

    features: Tensor
    seen: Tensor
    convolved: Tensor
    n_heard: int


class ConformerEncoder(nn.Module):
    """BAT's encoder (An et al. 2023, arXiv:2305.11571): a Conformer, over the whole utterance or chunk by chunk."""

    def __init__(self, config: ConformerConfig, n_features: int) -> None:
        super().__init__()
        self.config = config
        width = config.output_size
        check(config)
        sizes = Sizes(
            width, config.attention_heads, config.linear_units, config.cnn_module_kernel,
            ACTIVATIONS[config.activation_type], config.hears_in_chunks, config.conv_mod_norm_eps,
            config.conv_mod_norm_momentum,
        )  # fmt: skip
        # The rate of positions is that of hidden units as well; so the checkpoints were trained.
        rates = Rates(config.dropout_rate, config.attention_dropout_rate, config.positional_dropout_rate)
        self.subsampling = Subsampling(n_features, conformer_convolutions(config), width)
        self.positional_dropout = nn.Dropout(config.positional_dropout_rate)
        self.blocks = nn.ModuleList(ConformerBlock(sizes, rates) for _ in range(config.num_blocks))
        self.norm = Norm(width)
        self.reduction = config.time_reduction_factor
        self.frame_shift = config.subsampling_factor * self.reduction

    @property
    def chunk(self) -> Chunk:
        """How much the network was trained to hear at a time."""
        if not self.config.hears_in_chunks:
            raise ModelError("this network was not trained to hear in chunks; give it whole utterances")
        return self.sized(self.config.default_chunk_size)

    def draw_chunk(self, n_frames: int, random: Random) -> Chunk | None:
        """How much to hear at a time in one step of training, where the longest utterance has that many features."""
        config = self.config
        if config.unified_model_training:
            return self.sized(config.default_chunk_size + random.randint(-config.jitter_range, config.jitter_range))
        size = random.randint(1, max(n_frames - 1, 1))
        if not config.dynamic_chunk_training or size > n_frames * config.short_chunk_threshold:
            return None
        return self.sized(size % config.short_chunk_size + 1)

    def sized(self, size: int) -> Chunk:
        left = self.config.left_chunk_size
        return Chunk(size, None if left < 0 else left)

    def forward(self, x: Tensor, lengths: Tensor, chunk: Chunk | None = None) -> tuple[Tensor, Tensor]:
        """Features (B, T, F) and how many of them there are (B,) to (B, T', D) and (B,); with `chunk`, as `hear`.

        Without, as FunASR's `full_utt_forward`. What FunASR 1.4.16 generates from is `forward`, which in a network of
        unified_model_training cuts the convolutions at chunks even where all of the utterance is looked at.
        """
        if chunk is None:
            x, lengths = self.subsampling(x, lengths)
        else:
            x, lengths = self.subsample_chunks(x, lengths, chunk)
        around = self.around(x.shape[1], lengths, chunk)
        for block in self.blocks:
            x, _ = block(x, around)
        return self.norm(x[:, :: self.reduction]), reduced(lengths, self.reduction)

    def subsample_chunks(self, x: Tensor, lengths: Tensor, chunk: Chunk) -> tuple[Tensor, Tensor]:
        """Each chunk as if it were alone."""
        size = chunk.size * self.config.subsampling_factor
        pieces = F.pad(x, (0, 0, 0, -x.shape[1] % size)).unflatten(1, (-1, size))  # (B, chunks, size, F)
        begins = torch.arange(pieces.shape[1], device=x.device) * size
        own = (lengths.unsqueeze(1) - begins).clamp(0, size)
        made, counts = self.subsampling(pieces.flatten(0, 1), own.flatten())
        return made.unflatten(0, pieces.shape[:2]).flatten(1, 2), counts.unflatten(0, pieces.shape[:2]).sum(1)

    def around(self, n_frames: int, lengths: Tensor, chunk: Chunk | None, pasts: Sequence[int] = (0,)) -> Around:
        """pasts: how many frames before each utterance's first there still are, the longest deciding P."""
        device, n_past = lengths.device, max(pasts)
        frames = torch.arange(n_frames, device=device)
        is_frame = (frames < lengths.unsqueeze(1)).unsqueeze(2)  # (B, T, 1)
        looks = is_frame.transpose(1, 2)  # (B, 1, T)
        if n_past:
            is_past = torch.arange(-n_past, 0, device=device) >= -torch.tensor(pasts, device=device).unsqueeze(1)
            looks = torch.cat([is_past.unsqueeze(1), looks], dim=2)  # (B, 1, P + T)
        if chunk is not None:
            looks = looks & chunk.sees(n_frames, n_past, device)
        # Where there is no frame it may look anywhere: nobody asks what it saw, but of nothing there is no softmax.
        looks = (looks | ~is_frame).unsqueeze(1)
        everywhere = device.type == "cpu" and bool(looks.all())  # a graphics card would have to be waited for
        positions = self.positional_dropout(sinusoids(n_frames, n_past, self.config.output_size, device))
        return Around(None if everywhere else looks, is_frame, positions)

    def hear(
        self,
        features: Sequence[Tensor],
        states: Sequence[ConformerState | None],
        finals: Sequence[bool],
        chunk: Chunk | None = None,
    ) -> tuple[list[Tensor], list[ConformerState]]:
        """Each stream's next features (T, F), of any number, to the frames (T', D) of all chunks complete with them."""
        trained = self.chunk
        chunk = chunk or trained
        begun = [self.begin() if state is None else state for state in states]
        pending = [torch.cat([state.features, one]) for state, one in zip(begun, features, strict=True)]
        size = chunk.size * self.config.subsampling_factor
        ready = [len(one) if final else len(one) // size * size for one, final in zip(pending, finals, strict=True)]
        x = pad_sequence([one[:n] for one, n in zip(pending, ready, strict=True)], batch_first=True)
        rests = [one[n:].clone() for one, n in zip(pending, ready, strict=True)]
        if not x.shape[1]:
            empty = x.new_zeros(0, self.config.output_size)
            again = [replace(state, features=rest) for state, rest in zip(begun, rests, strict=True)]
            return [empty] * len(begun), again
        x, lengths = self.subsample_chunks(x, torch.tensor(ready, device=x.device), chunk)
        counts = lengths.tolist()
        x, seen, convolved = self.through(x, lengths, counts, begun, chunk)
        heard = [state.n_heard + count for state, count in zip(begun, counts, strict=True)]
        kept = [every(one[:count], state.n_heard, self.reduction)
                for one, count, state in zip(self.norm(x), counts, begun, strict=True)]  # fmt: skip
        return kept, [ConformerState(*parts) for parts in zip(rests, seen, convolved, heard, strict=True)]

    def begin(self) -> ConformerState:
        width, device = self.config.output_size, self.norm.weight.device
        seen = torch.zeros(len(self.blocks), 0, 2 * width, device=device)
        convolved = torch.zeros(len(self.blocks), self.config.cnn_module_kernel - 1, width, device=device)
        return ConformerState(torch.zeros(0, self.subsampling.n_bands[0], device=device), seen, convolved, 0)

    def through(
        self, x: Tensor, lengths: Tensor, counts: Sequence[int], states: Sequence[ConformerState], chunk: Chunk
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """All blocks over (B, T, D), behind what the streams have heard; and of each stream what to keep."""
        pasts = [state.seen.shape[1] for state in states]
        n_past = max(pasts)
        around = self.around(x.shape[1], lengths, chunk, pasts)
        before = torch.stack([F.pad(state.seen, (0, 0, n_past - n, 0)) for state, n in zip(states, pasts, strict=True)])
        convolved = torch.stack([state.convolved for state in states])
        after: list[Past] = []
        for index, block in enumerate(self.blocks):
            x, past = block(x, around, Past(before[:, index], convolved[:, index]))
            after.append(past)
        seen = torch.stack([past.seen for past in after], dim=1)  # (B, N, P + T, 2 D)
        kernels = torch.stack([past.convolved for past in after], dim=1)  # (B, N, K - 1 + T, D)
        lately = []
        for one, past, count in zip(seen, pasts, counts, strict=True):
            n_kept = past + count if chunk.reach is None else min(past + count, chunk.reach)
            lately.append(one[:, n_past + count - n_kept : n_past + count].clone())
        width = convolved.shape[2]
        return x, lately, [one[:, n : n + width].clone() for one, n in zip(kernels, counts, strict=True)]


def without_kernel(tensor: Tensor) -> Tensor:
    """A convolution one frame wide is a linear layer."""
    return tensor.flatten(1) if tensor.dim() > 1 else tensor


NAMES = (
    ("norm_macaron", "norm1"),
    ("feed_forward_macaron.w_1", "first.up"),
    ("feed_forward_macaron.w_2", "first.down"),
    ("norm_self_att", "norm2"),
    ("self_att.linear_q", "attention.q"),
    ("self_att.linear_k", "attention.k"),
    ("self_att.linear_v", "attention.v"),
    ("self_att.linear_out", "attention.out"),
    ("self_att.linear_pos", "attention.positions"),
    ("self_att.pos_bias_u", "attention.key_bias"),
    ("self_att.pos_bias_v", "attention.position_bias"),
    ("norm_conv", "norm3"),
    ("conv_mod.depthwise_conv", "convolution.depthwise"),
    ("conv_mod.norm", "convolution.norm"),
    ("norm_feed_forward", "norm4"),
    ("feed_forward.w_1", "second.up"),
    ("feed_forward.w_2", "second.down"),
    ("norm_final", "norm"),
)
BLOCK, OURS = "encoder.encoders.blocks.{}", "encoder.blocks.{}"
WEIGHTS: WeightMap = (
    *((f"encoder.embed.conv.{2 * index}", f"encoder.subsampling.convs.{index}") for index in range(2)),
    ("encoder.embed.output", "encoder.subsampling.out"),
    *under(BLOCK, OURS, NAMES),
    (f"{BLOCK}.conv_mod.pointwise_conv1", f"{OURS}.convolution.enter", without_kernel),
    (f"{BLOCK}.conv_mod.pointwise_conv2", f"{OURS}.convolution.out", without_kernel),
    ("encoder.encoders.norm_blocks", "encoder.norm"),
)
