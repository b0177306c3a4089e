"""What FunASR's own streaming Paraformer gives for small seeded weights, chunk by chunk, written to tests/golden.

usage: FUNASR_PYTHON funasr_streaming.py      (an interpreter with funasr==1.4.16 and torchaudio; takes seconds)
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from funasr_vad import torchaudio_without_its_library
from small_paraformer import LOUD, STREAMING, TOKENS, config, recordings, talkative, write_mvn

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODULES = ("scama.encoder", "paraformer.decoder", "paraformer.cif_predictor", "paraformer_streaming.model")
ROW = 960  # samples
# Chunk size, encoder look back, decoder look back.
GEOMETRIES = (
    ((0, 10, 5), 4, 1), ((0, 8, 4), 4, 1), ((5, 10, 5), 4, 1), ((0, 10, 5), 0, 0), ((0, 10, 5), -1, 2),
    ((0, 3, 2), 2, 3), ((0, 1, 1), 5, 1), ((4, 6, 0), 0, 1), ((5, 10, 5), 1, 1), ((4, 6, 0), 3, 1), ((0, 6, 0), 0, 1),
    ((0, 10, 5), 4, -1),
)  # fmt: skip


def main() -> None:
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    facts: dict[str, Any] = {}
    with torch.inference_mode():
        model = build()
        facts["shapes"] = {name: list(x.shape) for name, x in model.state_dict().items()}
        facts["pieces"] = [written(["hel@@"]) + written(["lo"]), written(["hel@@", "lo"])]
        for size, encoder, decoder in GEOMETRIES:
            for name, sound in recordings().items():
                key = f"{','.join(map(str, size))} {encoder} {decoder}/{name}"
                tokens, tensors = hear(model, sound, size, encoder, decoder)
                facts[key] = tokens
                if name in ("sound 0", "sound 2", "10560 samples"):
                    arrays |= {f"{key}/{part}": x for part, x in tensors.items()}
    np.savez_compressed(GOLDEN / "funasr_streaming.npz", **arrays)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items())
    (GOLDEN / "funasr_streaming.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def build():  # type: ignore[no-untyped-def]
    from funasr.register import tables

    conf = config(STREAMING)
    model = tables.model_classes[conf["model"]](
        encoder=conf["encoder"], encoder_conf=dict(conf["encoder_conf"]), decoder=conf["decoder"],
        decoder_conf=dict(conf["decoder_conf"]), predictor=conf["predictor"],
        predictor_conf=dict(conf["predictor_conf"]), input_size=560, vocab_size=len(TOKENS), ctc_conf={},
        **conf["model_conf"],
    )  # fmt: skip
    shapes = [(name, tuple(x.shape)) for name, x in model.state_dict().items()]
    model.load_state_dict(talkative(shapes))
    model.sos = model.eos = model.blank_id = -1  # so that every token that fires is told
    return model.eval()


def written(pieces: list[str]) -> str:
    """The text of a chunk with these pieces."""
    from funasr.utils.postprocess_utils import sentence_postprocess

    return str(sentence_postprocess(pieces)[0])


class Ids:
    """A tokenizer that leaves ids as they are."""

    def ids2tokens(self, ids: list[int]) -> list[str]:
        return list(map(str, ids))


def hear(model, sound, size, encoder_look_back, decoder_look_back):  # type: ignore[no-untyped-def]
    """The ids of each chunk, and of each the encoder's output, the alphas of its window, and the logits."""
    from funasr.frontends.wav_frontend import WavFrontendOnline

    mvn = Path("/tmp/small_paraformer.mvn")
    write_mvn(mvn, LOUD)
    conf = config(STREAMING)
    frontend = WavFrontendOnline(cmvn_file=str(mvn), **conf["frontend_conf"])
    encoded: list[np.ndarray] = []
    alphas: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    hooks = [
        model.encoder.after_norm.register_forward_hook(lambda _, __, out: encoded.append(out[0].numpy().copy())),
        model.predictor.cif_output.register_forward_hook(
            lambda _, __, out: alphas.append(out[0, :, 0].sigmoid().numpy())
        ),
        model.decoder.output_layer.register_forward_hook(lambda _, __, out: logits.append(out[0].numpy().copy())),
    ]
    caught: list[Any] = []
    generate = type(model).generate_chunk
    model.generate_chunk = lambda *args, **kwargs: caught[-1].extend(found := generate(model, *args, **kwargs)) or found
    stride, cache = size[1] * ROW, {}
    for begin in range(0, len(sound) + 1, stride):  # the last one may be empty
        piece = sound[begin : begin + stride]
        caught.append([])
        try:
            model.inference(
                [torch.from_numpy(piece)], key=["x"], tokenizer=Ids(), frontend=frontend, cache=cache, device="cpu",
                is_final=begin + stride > len(sound), chunk_size=list(size), encoder_chunk_look_back=encoder_look_back,
                decoder_chunk_look_back=decoder_look_back, encoder_conf=conf["encoder_conf"],
                frontend_conf=conf["frontend_conf"],
            )  # fmt: skip
        except Exception as error:  # what it cannot hear is a fact, too
            caught[-1] = f"{type(error).__name__}: {error}"[:80]
            break
        caught[-1] = list(map(int, caught[-1]))
    for hook in hooks:
        hook.remove()
    parts = {"encoded": encoded, "alphas": alphas, "logits": logits}
    return caught, {part: np.concatenate(xs) for part, xs in parts.items() if xs}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
