"""How FunASR's checkpoints name the tensors of SAN-M encoders and decoders."""

from asr_cli.checkpoint import WeightMap

ATTENTION = (
    ("self_attn.linear_q_k_v", "attention.qkv"),
    ("self_attn.linear_out", "attention.out"),
    ("self_attn.fsmn_block", "attention.memory"),
    ("feed_forward.w_1", "feed_forward.up"),
    ("feed_forward.w_2", "feed_forward.down"),
    ("norm1", "norm1"),
    ("norm2", "norm2"),
)
FEED_FORWARD = (
    ("feed_forward.w_1", "feed_forward.up"),
    ("feed_forward.w_2", "feed_forward.down"),
    ("feed_forward.norm", "feed_forward.norm"),
)
CROSS = (
    ("src_attn.linear_q", "cross.q"),
    ("src_attn.linear_k_v", "cross.kv"),
    ("src_attn.linear_out", "cross.out"),
    ("norm3", "norm3"),
)
DECODER_LAYER = (
    *FEED_FORWARD,
    *CROSS,
    ("self_attn.fsmn_block", "memory"),
    ("norm1", "norm1"),
    ("norm2", "norm2"),
)


def encoder_weights(theirs: str, ours: str) -> WeightMap:
    """For a SanmEncoder; `theirs` and `ours` are the prefixes."""
    return (
        *under(f"{theirs}.encoders0.0", f"{ours}.first", ATTENTION),
        *under(f"{theirs}.encoders.{{}}", f"{ours}.layers.{{}}", ATTENTION),
        (f"{theirs}.after_norm", f"{ours}.norm"),
    )


def decoder_weights(theirs: str, ours: str) -> WeightMap:
    """For the layers, end and norm of a SAN-M decoder."""
    return (
        *under(f"{theirs}.decoders.{{}}", f"{ours}.layers.{{}}", DECODER_LAYER),
        *under(f"{theirs}.decoders3.0", f"{ours}.end", (*FEED_FORWARD, ("norm1", "norm"))),
        (f"{theirs}.after_norm", f"{ours}.norm"),
    )


def under(theirs: str, ours: str, names: tuple[tuple[str, str], ...]) -> WeightMap:
    return tuple((f"{theirs}.{one}", f"{ours}.{other}") for one, other in names)
