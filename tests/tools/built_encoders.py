"""The small encoders of BAT and RWKV-BAT, built here, and what FunASR says of them."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

from asr_cli.checkpoint import fill
from asr_cli.models.bat_encoders import ENCODER_WEIGHTS, ConformerConfig, RwkvConfig, build_encoder
from tests.tools.small_encoders import CONFIGS, N_FEATURES, features, seeded

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPES = json.loads((GOLDEN / "funasr_bat_encoders.json").read_text(encoding="utf-8"))


class Net(torch.nn.Module):
    """What the checkpoint's names begin with."""

    def __init__(self, config):
        super().__init__()
        self.encoder = build_encoder(config, N_FEATURES)


@cache
def encoder(case):
    kind = RwkvConfig if case.startswith("rwkv") else ConformerConfig
    net = Net(kind(**CONFIGS[case]))
    weights = seeded((name, tuple(shape)) for name, shape in SHAPES[case].items())
    fill(net, weights, ENCODER_WEIGHTS, Path("model.pt"))
    return net.encoder.eval()


@cache
def arrays():
    """FunASR's numbers."""
    return np.load(GOLDEN / "funasr_bat_encoders.npz")


def encoded(net, *lengths, padding=0, **given):
    """Utterances of those lengths in one batch, noise where they have ended. given: what else the encoder takes."""
    x = torch.randn(len(lengths), max(lengths) + padding, N_FEATURES)
    for one, length in zip(x, lengths, strict=True):
        one[:length] = features(length)
    with torch.inference_mode():
        y, counts = net(x, torch.tensor(lengths), **given)
    return [one[:count] for one, count in zip(y, counts.tolist(), strict=True)]
