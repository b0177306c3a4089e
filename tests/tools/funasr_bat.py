"""What FunASR's own transducers give for small seeded weights, written to tests/golden.

usage: FUNASR_PYTHON -m tests.tools.funasr_bat            (with funasr==1.4.16 and torchaudio, from the root)
       FUNASR_PYTHON -m tests.tools.funasr_bat FOLDER     what it hears with a checkpoint that we wrote
"""

import json
import sys
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import torch

from tests.tools.funasr_vad import torchaudio_without_its_library
from tests.tools.small_bat import ENCODERS, TOKENS, config, sounds, weights, write_mvn

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODULES = (
    "conformer.encoder",
    "rwkv_bat.rwkv_encoder",
    "transducer.rnnt_decoder",
    "transducer.joint_network",
    "bat.model",
)
BEAMS = (1, 2, 5, 10)


def main(arguments: list[str]) -> None:
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    if arguments:
        hear_folder(arguments[0])
        return
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, object] = {}
    with torch.inference_mode():
        for encoder in ENCODERS:
            model = build(encoder)
            facts[f"{encoder}/shapes"] = {name: list(x.shape) for name, x in model.state_dict().items()}
            for (index, sound), beam in product(enumerate(sounds()), BEAMS):
                facts[f"{encoder}/{index}/{beam}"] = hear(model, f"{encoder}/{index}", sound, beam, arrays)
    np.savez_compressed(GOLDEN / "funasr_bat.npz", **arrays)
    path = GOLDEN / "funasr_bat.json"
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def build(encoder):  # type: ignore[no-untyped-def]
    from funasr.register import tables

    conf = config(encoder)
    parts = ("encoder", "decoder", "joint_network")
    given = {name: conf[name] for part in parts for name in (part, f"{part}_conf")}
    model = tables.model_classes[conf["model"]](input_size=80, vocab_size=len(TOKENS), **conf["model_conf"], **given)
    model.load_state_dict(weights(encoder, [(name, tuple(x.shape)) for name, x in model.state_dict().items()]))
    return model.eval()


def hear(model, key, sound, beam, arrays):  # type: ignore[no-untyped-def]
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    mvn = Path("/tmp/small_bat.mvn")
    write_mvn(mvn)
    model.frontend = WavFrontend(cmvn_file=str(mvn), **config("rwkv")["frontend_conf"])
    tokenizer = CharTokenizer(token_list=TOKENS, unk_symbol="<unk>", split_with_space=True)
    found: dict[str, object] = {}
    kept = type(model).encode

    def encode(*given, **more):  # type: ignore[no-untyped-def]
        out, lengths = kept(model, *given, **more)
        arrays[key] = out[0].numpy()
        return out, lengths

    search = model.init_beam_search

    def init(**more):  # type: ignore[no-untyped-def]
        search(**more)
        algorithm = model.beam_search.search_algorithm

        def watched(frames):  # type: ignore[no-untyped-def]
            widest = 0
            for frame in frames:
                model.beam_search.search_cache = algorithm(frame[None])
                widest = max(widest, len(model.beam_search.search_cache))
            hypotheses = model.beam_search.search_cache
            best = max(hypotheses, key=lambda one: one.score)
            found.update(ids=best.yseq[1:], score=float(best.score), widest=widest)
            return hypotheses

        model.beam_search.search_algorithm = watched

    model.encode, model.init_beam_search = encode, init
    try:
        results, _ = model.inference(
            [torch.from_numpy(sound)], key=["x"], tokenizer=tokenizer, device="cpu", token_list=TOKENS, beam_size=beam
        )
        found["text"] = results[0]["text"]
    finally:
        del model.encode, model.init_beam_search
    return found


def hear_folder(folder: str) -> None:
    from funasr import AutoModel

    model = AutoModel(model=folder, disable_update=True, disable_pbar=True, device="cpu")
    for sound in sounds():
        print(model.generate(input=torch.from_numpy(sound), beam_size=10)[0]["text"])


if __name__ == "__main__":
    main(sys.argv[1:])
