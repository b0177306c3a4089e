"""Full-size streaming Paraformer beside FunASR's own: the same tokens, chunk by chunk?

usage: streaming_parity.py MODEL_DIR FUNASR_PYTHON [N]

MODEL_DIR is a checkpoint in FunASR's layout (random weights will do: they agree only if every sum agrees);
FUNASR_PYTHON an interpreter with funasr==1.4.16 and torchaudio. Every shared Mandarin and English recording (or N
utterances of them) is cut into utterances here, and both hear the same chunks of 600 ms. Where an utterance ends with a
piece of 25 to 60 ms, that piece is left out: FunASR does not hear it. Then this project's other compute types hear them
too. Prints the share of equal tokens, and of chunks with equal tokens.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("float32", "bfloat16", "int8")
CHUNK, LOOK_BACKS = (0, 10, 5), (4, 1)
STRIDE, ROW, FRAME = 9600, 960, 400  # samples
Tokens = list[list[list[int]]]  # of each utterance, of each chunk


def heard_by_both(sound: np.ndarray) -> np.ndarray:
    tail = len(sound) % STRIDE
    return sound[: len(sound) - tail] if FRAME <= tail < ROW else sound


def chunks(sound: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """An utterance as FunASR divides it; the last chunk is shorter than the others, or empty."""
    samples = sound.astype(np.float32) / 32768
    begins = range(0, len(samples) + 1, STRIDE)
    return [(samples[begin : begin + STRIDE], begin + STRIDE > len(samples)) for begin in begins]


def ours(model: Path, sounds: list[np.ndarray], compute_type: str) -> Tokens:
    from asr_plugins.paraformer.loading import lighten
    from asr_plugins.paraformer.streaming import StreamingParaformerRecognizer

    from asr_cli.audio import Audio
    from asr_cli.models.paraformer_folder import read_folder
    from asr_cli.nn.packed import pack
    from asr_cli.protocols import Chunk

    said: list[int] = []

    class Listener(StreamingParaformerRecognizer):
        def tokens(self, one):  # type: ignore[no-untyped-def]
            said.extend(one[0].logits.argmax(-1).tolist())
            return super().tokens(one)

    checkpoint = read_folder(model)
    lighten(checkpoint.net, compute_type)
    list(pack(checkpoint.net))
    listener, found = Listener(checkpoint), []
    for sound in sounds:
        state, tokens = None, []
        for samples, final in chunks(sound):
            said.clear()
            [(_, state)] = listener.hear([Chunk(Audio(samples), state, final)])
            tokens.append(list(said))
        found.append(tokens)
    return found


def theirs(python: str, model: Path, sounds: list[np.ndarray]) -> Tokens:
    with tempfile.TemporaryDirectory() as name:
        np.savez(Path(name) / "in.npz", *sounds)
        subprocess.run([python, __file__, "--funasr", model, name], check=True)
        return list(json.loads((Path(name) / "out.json").read_text()))


def funasr(model: Path):  # type: ignore[no-untyped-def]
    """FunASR's model, its frontend, and what they are called with."""
    sys.path.insert(0, str(ROOT / "tests" / "tools"))
    from importlib import import_module

    import torch
    import yaml
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    for module in ("scama.encoder", "paraformer.decoder", "paraformer.cif_predictor"):
        import_module(f"funasr.models.{module}")
    from funasr.frontends.wav_frontend import WavFrontendOnline
    from funasr.models.paraformer_streaming.model import ParaformerStreaming

    conf = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
    vocabulary = json.loads((model / "tokens.json").read_text(encoding="utf-8"))
    net = ParaformerStreaming(
        encoder=conf["encoder"], encoder_conf=dict(conf["encoder_conf"]), decoder=conf["decoder"],
        decoder_conf=dict(conf["decoder_conf"]), predictor=conf["predictor"], predictor_conf=conf["predictor_conf"],
        ctc_conf=conf.get("ctc_conf", {}), input_size=560, vocab_size=len(vocabulary), **conf["model_conf"],
    ).eval()  # fmt: skip
    net.load_state_dict(torch.load(model / "model.pt", weights_only=True))
    net.sos = net.eos = net.blank_id = -1  # so that every token that fires is told
    frontend = WavFrontendOnline(cmvn_file=str(model / "am.mvn"), **{**conf["frontend_conf"], "dither": 0.0})
    given = {
        "key": ["x"], "frontend": frontend, "device": "cpu", "chunk_size": list(CHUNK), "tokenizer": Ids(),
        "encoder_chunk_look_back": LOOK_BACKS[0], "decoder_chunk_look_back": LOOK_BACKS[1],
        "encoder_conf": conf["encoder_conf"], "frontend_conf": conf["frontend_conf"],
    }  # fmt: skip
    return net, given


class Ids:
    """A tokenizer that leaves ids as they are."""

    def ids2tokens(self, ids: list[int]) -> list[str]:
        return list(map(str, ids))


def inside_funasr(model: Path, folder: Path) -> None:
    """The half that runs in FunASR's interpreter."""
    net, given = funasr(model)
    import torch

    said: list[str] = []
    generate = net.generate_chunk
    net.generate_chunk = lambda *args, **kwargs: said.extend(found := generate(*args, **kwargs)) or found
    found: Tokens = []
    with torch.inference_mode():
        for sound in np.load(folder / "in.npz").values():
            cache: dict[str, object] = {}
            tokens = []
            for samples, final in chunks(sound):
                said.clear()
                net.inference([torch.from_numpy(samples)], cache=cache, is_final=final, **given)
                tokens.append(list(map(int, said)))
            found.append(tokens)
    (folder / "out.json").write_text(json.dumps(found))


def flat(tokens: Tokens) -> list[list[int]]:
    return [[token for chunk in utterance for token in chunk] for utterance in tokens]


def main() -> None:
    from paraformer_parity import equal, utterances

    model, python = Path(sys.argv[1]), sys.argv[2]
    found = [heard_by_both(sound) for sound in utterances()]
    sounds = found[:: max(1, len(found) // int(sys.argv[3]))] if len(sys.argv) > 3 else found
    print(f"{len(sounds)} utterances, {sum(map(len, sounds)) / 16_000:.0f} s", flush=True)
    reference = theirs(python, model, sounds)
    exact: Tokens = []
    for compute_type in TYPES:
        heard = ours(model, sounds, compute_type)
        exact = exact or heard
        for name, other in (("FunASR 1.4.16", reference), ("float32", exact)):
            same, total, _ = equal(flat(heard), flat(other))
            pairs = [pair for one, two in zip(heard, other, strict=True) for pair in zip(one, two, strict=True)]
            print(f"{compute_type:9} against {name:13}: {same} of {total} tokens equal ({same / total:.3%}),"
                  f" {sum(a == b for a, b in pairs)} of {len(pairs)} chunks", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "--funasr":
        inside_funasr(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
