"""What FunASR's own Paraformers give for small seeded weights, written to tests/golden.

usage: FUNASR_PYTHON funasr_paraformer.py      (an interpreter with funasr==1.4.16 and torchaudio; takes seconds)
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from funasr_vad import torchaudio_without_its_library
from small_paraformer import HOTWORDS, TOKENS, VARIANTS, config, seeded, sounds, write_mvn

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODULES = (
    "sanm.encoder", "paraformer.decoder", "paraformer.cif_predictor", "bicif_paraformer.cif_predictor",
    "paraformer.model", "bicif_paraformer.model", "seaco_paraformer.model", "contextual_paraformer.model",
    "contextual_paraformer.decoder",
)  # fmt: skip


def main() -> None:
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, object] = {}
    with torch.inference_mode():
        for variant in VARIANTS:
            model = build(variant)
            facts[f"{variant}/shapes"] = {name: list(x.shape) for name, x in model.state_dict().items()}
            for index, sound in enumerate(sounds()):
                for kind in (*HOTWORDS, "few-half") if variant in ("seaco", "contextual") else ("none",):
                    hear(model, variant, index, sound, kind, arrays, facts)
    np.savez_compressed(GOLDEN / "funasr_paraformer.npz", **arrays)
    path = GOLDEN / "funasr_paraformer.json"
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def build(variant: str):  # type: ignore[no-untyped-def]
    from funasr.register import tables

    conf = config(variant)
    extra = {name: conf[name] for name in ("seaco_decoder", "seaco_decoder_conf") if name in conf}
    model = tables.model_classes[conf["model"]](
        encoder=conf["encoder"], encoder_conf=dict(conf["encoder_conf"]), decoder=conf["decoder"],
        decoder_conf=dict(conf["decoder_conf"]), predictor=conf["predictor"],
        predictor_conf=dict(conf["predictor_conf"]), input_size=560, vocab_size=len(TOKENS), ctc_conf={},
        **conf["model_conf"], **extra,
    )  # fmt: skip
    shapes = [(name, tuple(x.shape)) for name, x in model.state_dict().items()]
    model.load_state_dict(seeded(shapes))
    return model.eval()


def hear(model, variant, index, sound, kind, arrays, facts) -> None:  # type: ignore[no-untyped-def]
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    mvn = Path("/tmp/small_paraformer.mvn")
    write_mvn(mvn)
    frontend = WavFrontend(cmvn_file=str(mvn), **config(variant)["frontend_conf"])
    tokenizer = CharTokenizer(token_list=TOKENS, unk_symbol="<unk>", split_with_space=True)
    hotwords = [*HOTWORDS[kind.removesuffix("-half")], [1]] if kind != "none" else None
    weight = {"seaco": "seaco_weight", "contextual": "clas_scale"}.get(variant)
    given = {weight: 0.5} if kind.endswith("-half") else {}
    model.generate_hotwords_list = lambda *_, **__: hotwords
    caught: dict[str, torch.Tensor] = {}
    hooks = [
        model.encoder.register_forward_hook(lambda _, __, out: caught.update(encoded=out[0])),
        model.predictor.register_forward_hook(lambda _, __, out: caught.update(embeds=out[0], alphas=out[2])),
    ]
    name = "_seaco_decode_with_ASF" if variant == "seaco" else "cal_decoder_with_predictor"
    decode = getattr(type(model), name)

    def watched(*args, **kwargs):  # type: ignore[no-untyped-def]
        out = decode(model, *args, **{**kwargs, **given})
        caught["logp"] = out[0] if isinstance(out, tuple) else out
        return out

    setattr(model, name, watched)
    found = model.inference([torch.from_numpy(sound)], key=["x"], tokenizer=tokenizer, frontend=frontend, device="cpu")
    for hook in hooks:
        hook.remove()
    key = f"{variant}/{index}/{kind}"
    results = found[0] if found and found[0] else []
    if kind == "none":
        for part in ("encoded", "alphas", "embeds"):
            arrays[f"{key}/{part}"] = caught[part][0].numpy()
    if "logp" in caught:
        arrays[f"{key}/logp"] = caught["logp"][0].numpy()
    facts[key] = {
        "ids": caught["logp"][0].argmax(-1).tolist() if "logp" in caught else [],
        "text": results[0]["text"] if results else "",
        "timestamp": results[0].get("timestamp") if results else None,
    }


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
