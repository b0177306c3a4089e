"""What FunASR's own Paraformers with a head for times, and with hotwords, lose on small seeded weights, and which way
they would go; written to tests/golden.

usage: FUNASR_PYTHON funasr_seaco_training.py   (an interpreter with funasr==1.4.16 and torchaudio; takes seconds)
"""

import json
import sys
from pathlib import Path

import torch

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SMOOTHED = {"lsm_weight": 0.1, "length_normalized_loss": True, "predictor_bias": 1, "sampling_ratio": 0.0}
CONFS = {
    "bicif": {"predictor_weight": 1.0, "predictor_bias": 1, "sampling_ratio": 0.0},
    "bicif-smoothed": {**SMOOTHED, "predictor_weight": 0.5},
    # In FunASR's, predictor_weight means nothing to these.
    "seaco": {**SMOOTHED, "seaco_lsm_weight": 0.1},
    "seaco-alone": {"predictor_bias": 1, "sampling_ratio": 0.0, "train_decoder": False,
                    "seaco_length_normalized_loss": False},
    "contextual": {"predictor_weight": 1.0, "predictor_bias": 1, "sampling_ratio": 0.0},
    "contextual-smoothed": {**SMOOTHED, "predictor_weight": 0.5},
}  # fmt: skip
HOTWORDS = [[9, 6], [7, 41], [30, 12, 8], [1]]
LABELS = [[20, 9, 6, 20, 20], [20, 7, 41]]


def main() -> None:
    from importlib import import_module

    from funasr_paraformer import MODULES
    from funasr_paraformer_training import IDS, N_ROWS, features
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    speech = torch.from_numpy(features())
    lengths, counts = torch.tensor([N_ROWS] * len(IDS)), torch.tensor([len(ids) for ids in IDS])
    hotwords = {
        "hotword_pad": padded(HOTWORDS, 0),
        "hotword_lengths": torch.tensor([len(ids) for ids in HOTWORDS]),
        "seaco_label_pad": padded(LABELS, -1),
    }
    found = {}
    for name, conf in CONFS.items():
        model = configured(name.partition("-")[0], conf)
        with torch.enable_grad():
            loss, stats, weight = model(speech, lengths, padded(IDS, -1), counts, **hotwords)
            loss.backward()
        found[name] = {
            "loss": float(loss.detach()), "weight": float(weight),
            "parts": {one: float(value) for one, value in stats.items() if value is not None and one != "loss"},
            "gradients": {
                one: float(parameter.grad.norm()) for one, parameter in model.named_parameters()
                if parameter.grad is not None
            },
        }  # fmt: skip
    path = GOLDEN / "funasr_seaco_training.json"
    path.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


def padded(ids: list[list[int]], filler: int) -> torch.Tensor:
    longest = max(map(len, ids))
    return torch.tensor([[*one, *[filler] * (longest - len(one))] for one in ids])


def configured(variant: str, conf: dict):  # type: ignore[no-untyped-def, type-arg]
    """In eval mode: without dropout."""
    import funasr_paraformer
    import small_paraformer

    known = small_paraformer.config(variant)
    known["model_conf"] |= {"ctc_weight": 0.0, **conf}
    funasr_paraformer.config = lambda _: known
    return funasr_paraformer.build(variant)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
