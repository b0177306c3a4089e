"""A UniASR of the published size with seeded random weights, in FunASR's layout: what it says means nothing, what it
costs is the real cost. Also the names and shapes of its tensors, for tests/manifests.

usage: FUNASR_PYTHON -m tests.tools.large_uniasr FOLDER SHARED_DATA [manifest]   (with funasr==1.4.16, from the root)
"""

import json
import shutil
import sys
from importlib import import_module
from pathlib import Path

import torch
import yaml

from tests.tools.funasr_uniasr import MODULES
from tests.tools.funasr_vad import torchaudio_without_its_library

N_TOKENS = 8358
# So that about 4 tokens of a second of speech fire in either pass, as in Mandarin, and hypotheses hardly ever end
# before they must.
BIASES = {"predictor.cif_output.bias": -1.3, "predictor2.cif_output.bias": -0.2}
EOS_BIAS = -4.0


def main() -> None:
    folder, data = Path(sys.argv[1]), Path(sys.argv[2])
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    from funasr.register import tables

    torch.manual_seed(0)
    conf = yaml.safe_load((data / "configs/funasr-templates/uniasr.yaml").read_text(encoding="utf-8"))
    parts = ("encoder", "decoder", "predictor", "encoder2", "decoder2", "predictor2", "stride_conv")
    given = {name: conf[name] for part in parts for name in (part, f"{part}_conf")}
    given = {name: dict(value) if isinstance(value, dict) else value for name, value in given.items()}
    model = tables.model_classes["UniASR"](
        input_size=560, vocab_size=N_TOKENS, ctc_conf={}, **conf["model_conf"], **given
    )
    state = model.state_dict()
    if len(sys.argv) > 3:
        lines = [f"{name} {list(tensor.shape)}\n" for name, tensor in state.items()]
        Path("tests/manifests/uniasr.txt").write_text("".join(lines), encoding="utf-8")
        return
    for name, bias in BIASES.items():
        state[name].fill_(bias)
    for name in ("decoder.output_layer.bias", "decoder2.output_layer.bias"):
        state[name][2] += EOS_BIAS
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "model.pt")
    tokens = (data / "configs/paraformer-large-8404/tokens.txt").read_text(encoding="utf-8").split("\n")
    tokens = [*list(filter(None, tokens))[: N_TOKENS - 1], "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    shutil.copy(data / "configs/paraformer-large-8404/am.mvn", folder / "am.mvn")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf, allow_unicode=True), encoding="utf-8")
    metas = {"init_param": "model.pt", "config": "config.yaml", "tokenizer_conf": {"token_list": "tokens.json"},
             "frontend_conf": {"cmvn_file": "am.mvn"}}  # fmt: skip
    manifest = {"framework": "pytorch", "model": {"type": "funasr"}, "file_path_metas": metas}
    (folder / "configuration.json").write_text(json.dumps(manifest), encoding="utf-8")
    print(sum(tensor.numel() for tensor in state.values()) / 1e6, "M parameters")


if __name__ == "__main__":
    main()
