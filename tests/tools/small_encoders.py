"""Small encoders of BAT and RWKV-BAT with seeded weights, the same for every interpreter: only the recipe is kept."""

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

N_FEATURES = 80
CHUNK, LEFT = 4, 2  # what those that hear in chunks hear at a time, and how many chunks before
RWKV = {"output_size": 32, "num_blocks": 3, "kernel": 3, "subsampling_factor": 4, "time_reduction_factor": 2}
CONFORMER = {"output_size": 32, "attention_heads": 4, "linear_units": 48, "num_blocks": 3, "cnn_module_kernel": 7,
             "subsampling_factor": 4, "time_reduction_factor": 2, "activation_type": "swish"}  # fmt: skip
CHUNKED = {"unified_model_training": True, "default_chunk_size": CHUNK, "left_chunk_size": LEFT, "jitter_range": 1}
CONFIGS: dict[str, dict[str, Any]] = {
    "rwkv": RWKV,
    "rwkv wide": RWKV | {"time_reduction_factor": 1, "linear_size": 40, "subsampling_factor": 6, "num_blocks": 2},
    "conformer": CONFORMER,
    "conformer 6": CONFORMER | {"subsampling_factor": 6, "time_reduction_factor": 1, "activation_type": "relu"},
    "conformer 2": CONFORMER | {"subsampling_factor": 2, "num_blocks": 1, "activation_type": "hardtanh"},
    "conformer 1": CONFORMER | {"subsampling_factor": 1, "num_blocks": 1, "activation_type": "selu"},
    "chunked": CONFORMER | CHUNKED,
}
# An RWKVEncoder hears anything; a ChunkConformerEncoder refuses what is shorter than 11 frames.
LENGTHS = {"rwkv": (*range(1, 21), 203, 6000), "conformer": (11, 12, 15, 203, 204, 616)}


def seeded(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, torch.Tensor]:
    """Weights by name: whoever has the names has the same numbers."""
    found = {}
    for name, shape in shapes:
        values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            values = np.zeros(shape, np.int64)
        elif "time_decay" in name:
            values = values * 2 - 2  # from memories of a frame to such of hundreds
        elif "time_mix" in name:
            values = values * 0.3 + 0.5
        elif name.endswith("running_var"):
            values = np.exp(values * 0.3)
        elif "norm" in name:
            values = values * 0.1 + float(name.endswith("weight"))
        elif name.endswith("proj_key.weight") and "att" in name:
            values *= 3 / np.sqrt(shape[1])  # keys far apart, so that peaks matter
        elif "time_first" not in name:
            values *= 1.5 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 25.0)
        found[name] = torch.from_numpy(np.asarray(values))
    return found


def features(n_frames: int) -> torch.Tensor:
    """Normalised features (T, F) that come and go."""
    rng = np.random.default_rng(n_frames)
    loudness = 1 + np.sin(np.arange(n_frames) / 17)[:, None]
    return torch.from_numpy((rng.standard_normal((n_frames, N_FEATURES)) * loudness).astype(np.float32))
