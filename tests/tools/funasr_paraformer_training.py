"""What FunASR's own Paraformer loses on small seeded weights, and which way it would go; written to tests/golden.

usage: FUNASR_PYTHON funasr_paraformer_training.py   (an interpreter with funasr==1.4.16 and torchaudio; takes seconds)
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONFS = {
    "plain": {"ctc_weight": 0.0, "predictor_weight": 1.0, "sampling_ratio": 0.0},
    "smoothed": {
        "ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 0.5,
        "predictor_bias": 1, "sampling_ratio": 0.0,
    },
}  # fmt: skip
N_ROWS, WIDTH = 23, 560
# Utterances of the same length: in FunASR's batches shorter ones hear the padding. And such of which its predictor
# keeps the last token: where the alphas, scaled, sum up to 2.9999998 for three tokens, its third one is all zeros.
IDS = [[5, 9, 6, 30, 12], [7, 7, 41]]


def features() -> np.ndarray:
    """Normalised features (B, N, 560), the same for every interpreter."""
    return np.random.default_rng(0).standard_normal((len(IDS), N_ROWS, WIDTH)).astype(np.float32)


def main() -> None:
    from importlib import import_module

    from funasr_paraformer import MODULES, build
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    from funasr.losses.label_smoothing_loss import LabelSmoothingLoss
    from funasr.models.paraformer.cif_predictor import mae_loss

    torch.set_num_threads(1)
    found = {}
    for name, conf in CONFS.items():
        model = build("paraformer")  # in eval mode: without dropout
        for key in ("predictor_weight", "predictor_bias", "sampling_ratio"):
            setattr(model, key, conf.get(key, 0))
        normalized = bool(conf.get("length_normalized_loss"))
        model.length_normalized_loss = normalized
        model.ctc_weight = 0.0
        model.criterion_att = LabelSmoothingLoss(
            model.vocab_size, model.ignore_id, conf.get("lsm_weight", 0.0), normalized
        )
        model.criterion_pre = mae_loss(normalize_length=normalized)
        longest = max(map(len, IDS))
        text = torch.tensor([[*ids, *[-1] * (longest - len(ids))] for ids in IDS])
        speech = torch.from_numpy(features())
        with torch.enable_grad():
            loss, stats, weight = model(
                speech, torch.tensor([N_ROWS] * len(IDS)), text, torch.tensor([len(ids) for ids in IDS])
            )
            loss.backward()
        found[name] = {
            "loss": float(loss.detach()), "spelling": float(stats["loss_att"]), "counting": float(stats["loss_pre"]),
            "weight": float(weight),
            "gradients": {
                one: float(parameter.grad.norm()) for one, parameter in model.named_parameters()
                if parameter.grad is not None
            },
        }  # fmt: skip
    path = GOLDEN / "funasr_paraformer_training.json"
    path.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
