"""What FunASR's own UniASR loses on small seeded weights, and which way it would go; written to tests/golden.

usage: FUNASR_PYTHON -m tests.tools.funasr_uniasr_training    (with funasr==1.4.16 and torchaudio, from the root)
"""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONFS = {
    "plain": {"predictor_weight": 1.0, "predictor2_weight": 1.0},
    "smoothed": {
        "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 0.5, "predictor2_weight": 0.25,
        "loss_weight_model1": 0.3,
    },
}  # fmt: skip
LENGTHS = ("short", "long")
N_ROWS, WIDTH = 61, 560
# Utterances of the same length: in FunASR's batches shorter ones hear the padding.
IDS = [[5, 9, 6, 30, 12], [7, 7, 21, 8, 17, 4]]


def features() -> np.ndarray:
    """Normalised features (B, N, 560), the same for every interpreter."""
    return np.random.default_rng(0).standard_normal((len(IDS), N_ROWS, WIDTH)).astype(np.float32)


def main() -> None:
    from tests.tools.funasr_uniasr import MODULES, build
    from tests.tools.funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    found = {
        f"{name}/{length}": lost(build("long"), CONFS[name], at) for name in CONFS for at, length in enumerate(LENGTHS)
    }
    path = GOLDEN / "funasr_uniasr_training.json"
    path.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


def enough(_, given, named):  # type: ignore[no-untyped-def]
    """A trace of a token more: where alphas, scaled, sum up to 2.9999998 for three tokens, the third is all zeros."""
    return given, {**named, "target_label_length": named["target_label_length"] + 1e-5}


def lost(model, conf, index):  # type: ignore[no-untyped-def]
    from funasr.losses.label_smoothing_loss import LabelSmoothingLoss
    from funasr.models.paraformer.cif_predictor import mae_loss

    model.train()  # which decides how its decoders look; nothing is dropped
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for encoder in (model.encoder, model.encoder2):
        encoder.overlap_chunk_cls.random_choice = lambda *_: index
    normalized = bool(conf.get("length_normalized_loss"))
    model.predictor_weight, model.predictor2_weight = conf["predictor_weight"], conf["predictor2_weight"]
    model.loss_weight_model1 = conf.get("loss_weight_model1", 0.5)
    model.length_normalized_loss = normalized
    model.criterion_att = LabelSmoothingLoss(model.vocab_size, model.ignore_id, conf.get("lsm_weight", 0.0), normalized)
    model.criterion_pre = mae_loss(normalize_length=normalized)
    for predictor in (model.predictor, model.predictor2):
        predictor.register_forward_pre_hook(enough, with_kwargs=True)
    longest = max(map(len, IDS))
    text = torch.tensor([[*ids, *[-1] * (longest - len(ids))] for ids in IDS])
    with torch.enable_grad():
        loss, stats, weight = model(
            torch.from_numpy(features()), torch.tensor([N_ROWS] * len(IDS)), text,
            torch.tensor([len(ids) for ids in IDS]),
        )  # fmt: skip
        loss.backward()
    return {
        "loss": float(loss.detach()),
        "weight": float(weight),
        **{name: float(stats[name]) for name in ("loss_att", "loss_pre", "loss_att2", "loss_pre2")},
        "gradients": {
            name: float(parameter.grad.norm())
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        },
    }


if __name__ == "__main__":
    main()
