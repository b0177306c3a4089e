"""What FunASR's own UniASR gives for small seeded weights, written to tests/golden.

usage: FUNASR_PYTHON -m tests.tools.funasr_uniasr    (with funasr==1.4.16 and torchaudio, from the root; takes seconds)
"""

import json
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import torch

from tests.tools.funasr_vad import torchaudio_without_its_library
from tests.tools.small_uniasr import MODES, TOKENS, VARIANTS, config, seeded, sounds, write_mvn

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODULES = "scama.encoder", "scama.decoder", "paraformer.cif_predictor", "uniasr.model"


def main() -> None:
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, object] = {}
    with torch.inference_mode():
        for variant, mode, (index, sound) in product(VARIANTS, MODES, enumerate(sounds())):
            # A new one each time: the search keeps the decoder of the first mode it was asked for.
            model = build(variant)
            facts["shapes"] = {name: list(x.shape) for name, x in model.state_dict().items()}
            hear(model, f"{variant}/{mode}/{index}", mode, sound, arrays, facts)
    np.savez_compressed(GOLDEN / "funasr_uniasr.npz", **arrays)
    path = GOLDEN / "funasr_uniasr.json"
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def build(variant):  # type: ignore[no-untyped-def]
    from funasr.register import tables

    conf = config()
    parts = ("encoder", "decoder", "predictor", "encoder2", "decoder2", "predictor2", "stride_conv")
    given = {name: conf[name] for part in parts for name in (part, f"{part}_conf")}
    given = {name: dict(value) if isinstance(value, dict) else value for name, value in given.items()}
    model = tables.model_classes["UniASR"](
        input_size=560, vocab_size=len(TOKENS), ctc_conf={}, **conf["model_conf"], **given
    )
    shapes = [(name, tuple(x.shape)) for name, x in model.state_dict().items()]
    model.load_state_dict(seeded(shapes, variant))
    return model.eval()


def hear(model, key, mode, sound, arrays, facts) -> None:  # type: ignore[no-untyped-def]
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    mvn = Path("/tmp/small_uniasr.mvn")
    write_mvn(mvn)
    frontend = WavFrontend(cmvn_file=str(mvn), **config()["frontend_conf"])
    tokenizer = CharTokenizer(token_list=TOKENS, unk_symbol="<unk>", split_with_space=True)
    caught: dict[str, torch.Tensor] = {}
    predictor = model.predictor if mode == "fast" else model.predictor2

    def predicted(_, given, out):  # type: ignore[no-untyped-def]
        caught.update(encoded=given[0], embeds=out[0], alphas=out[2])

    predictor.register_forward_hook(predicted)
    model.init_beam_search(
        decoding_mode="model1" if mode == "fast" else "model2", token_list=TOKENS, decoding_ctc_weight=0.0
    )
    model.nbest = 1
    found: dict[str, object] = {}

    def watch(out):  # type: ignore[no-untyped-def]
        found.update(
            ids=out[0].yseq[1:-1].tolist(), score=float(out[0].score), n_ended=len(out),
            lengths=sorted(len(one.yseq) for one in out),
        )  # fmt: skip

    model.beam_search.register_forward_hook(lambda _, __, out: watch(out))
    try:
        results, _ = model.inference(
            [torch.from_numpy(sound)], key=["x"], tokenizer=tokenizer, frontend=frontend, device="cpu",
            decoding_model=mode, token_list=TOKENS,
        )  # fmt: skip
        found["text"] = results[0]["text"]
    except Exception as error:  # where nothing fired it fails
        found = {"error": f"{type(error).__name__}: {error}"}
    if key.startswith("long"):  # the variants differ behind them only
        arrays.update({f"{key}/{name}": value[0].numpy() for name, value in caught.items()})
    facts[key] = found


if __name__ == "__main__":
    main()
