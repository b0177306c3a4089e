"""Full-size Paraformer beside FunASR's own: the same tokens and times, utterance by utterance?

usage: paraformer_parity.py MODEL_DIR FUNASR_PYTHON [N]

MODEL_DIR is a checkpoint in FunASR's layout (random weights will do: they agree only if every sum agrees);
FUNASR_PYTHON an interpreter with funasr==1.4.16 and torchaudio. Every shared Mandarin and English recording (or the
first N utterances of them) is cut into utterances here, and both hear the same samples, one at a time. Then this
project's other compute types hear them too. Prints the share of equal tokens.
"""

import json
import subprocess
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT.parent / "shared" / "data" / "audio"
SUFFIXES = {".wav", ".flac", ".mp3", ".m4a", ".aiff", ".opus", ".mp4"}
TYPES = ("float32", "bfloat16", "int8")
LONGEST = 20.0  # s


def utterances() -> list[np.ndarray]:
    from asr_cli.audio.files import read_blocks
    from asr_cli.errors import AsrError
    from asr_cli.longform.cut import cut
    from asr_cli.vad.fsmn import FsmnVad

    found: list[np.ndarray] = []
    for path in sorted(path for lang in ("zh", "en") for path in (AUDIO / lang).rglob("*") if path.suffix in SUFFIXES):
        try:
            # To 16 bits, so that both hear one and the same.
            found += [as_int16(piece.samples) for piece in cut(FsmnVad.built_in()(read_blocks(path)), LONGEST)]
        except AsrError:
            continue
    return found


def as_int16(samples: np.ndarray) -> np.ndarray:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def ours(model: Path, sounds: list[np.ndarray], compute_type: str) -> list[list[int]]:
    import torch
    from asr_plugins.paraformer.loading import lighten
    from asr_plugins.paraformer.recognizer import ParaformerRecognizer

    from asr_cli.audio import Audio
    from asr_cli.models.paraformer_folder import read_folder
    from asr_cli.nn.rows import join

    checkpoint = read_folder(model)
    lighten(checkpoint.net, compute_type)
    recognizer = ParaformerRecognizer(checkpoint)
    found = []
    with torch.inference_mode():
        for sound in sounds:
            heard = recognizer.net(*join([recognizer.features(Audio(sound.astype(np.float32) / 32768))]))
            found.append(heard.logits.argmax(-1).tolist())
    return found


def theirs(python: str, model: Path, sounds: list[np.ndarray]) -> list[list[int]]:
    with tempfile.TemporaryDirectory() as name:
        np.savez(Path(name) / "in.npz", *sounds)
        subprocess.run([python, __file__, "--funasr", model, name], check=True)
        return list(json.loads((Path(name) / "out.json").read_text()))


def inside_funasr(model: Path, folder: Path) -> None:
    """The half that runs in FunASR's interpreter."""
    sys.path.insert(0, str(ROOT / "tests" / "tools"))
    import torch
    import yaml
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.models.paraformer import cif_predictor, decoder  # noqa: F401
    from funasr.models.paraformer.model import Paraformer
    from funasr.models.sanm import encoder  # noqa: F401

    conf = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
    vocabulary = json.loads((model / "tokens.json").read_text(encoding="utf-8"))
    net = Paraformer(
        encoder=conf["encoder"], encoder_conf=conf["encoder_conf"], decoder=conf["decoder"],
        decoder_conf=conf["decoder_conf"], predictor=conf["predictor"], predictor_conf=conf["predictor_conf"],
        ctc_conf=conf.get("ctc_conf", {}), input_size=560, vocab_size=len(vocabulary), **conf["model_conf"],
    ).eval()  # fmt: skip
    net.load_state_dict(torch.load(model / "model.pt", weights_only=True))
    frontend = WavFrontend(cmvn_file=str(model / "am.mvn"), **{**conf["frontend_conf"], "dither": 0.0})
    found = []
    with torch.inference_mode():
        for sound in np.load(folder / "in.npz").values():
            samples = torch.from_numpy(sound.astype(np.float32) / 32768)
            speech, lengths = frontend(samples.unsqueeze(0), torch.tensor([len(samples)]))
            encoded, lengths = net.encode(speech, lengths)
            embeds, counts, _, _ = net.calc_predictor(encoded, lengths)
            counts = counts.round().long()
            if counts.max() < 1:
                found.append([])
                continue
            logits, _ = net.cal_decoder_with_predictor(encoded, lengths, embeds, counts)
            found.append(logits[0, : counts[0]].argmax(-1).tolist())
    (folder / "out.json").write_text(json.dumps(found))


def equal(some: list[list[int]], others: list[list[int]]) -> tuple[int, int, int]:
    """Equal tokens, all tokens, and utterances whose tokens are all equal."""
    same = sum(
        sum(block.size for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
        for a, b in zip(some, others, strict=True)
    )
    whole = sum(a == b for a, b in zip(some, others, strict=True))
    return same, sum(map(len, others)), whole


def main() -> None:
    model, python = Path(sys.argv[1]), sys.argv[2]
    sounds = utterances()[: int(sys.argv[3]) if len(sys.argv) > 3 else None]
    seconds = sum(map(len, sounds)) / 16_000
    print(f"{len(sounds)} utterances, {seconds:.0f} s", flush=True)
    reference = theirs(python, model, sounds)
    exact: list[list[int]] = []
    for compute_type in TYPES:
        found = ours(model, sounds, compute_type)
        exact = exact or found
        for name, other in (("FunASR 1.4.16", reference), ("float32", exact)):
            same, total, whole = equal(found, other)
            print(f"{compute_type:9} against {name:13}: {same} of {total} tokens equal ({same / total:.3%}),"
                  f" {whole} of {len(sounds)} utterances", flush=True)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "--funasr":
        inside_funasr(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
