"""What FunASR's own VAD and frontend give for the shared recordings, written to tests/golden.

usage: funasr_vad.py FUNASR_PYTHON      (an interpreter with funasr==1.4.16, torchaudio; takes a minute)

The recordings are decoded here, once; FunASR runs in its own interpreter on the very same samples.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = {".wav", ".flac", ".mp3", ".m4a", ".aiff", ".opus", ".mp4"}
# A stretch long enough to pass the minutes at which the dynamic mode looks at the clock.
LONG = "(all recordings in a row)"
FEATURE_SECONDS = 4.0
LFR = {"vad": (5, 1), "asr": (7, 6)}
LENGTHS = (400, 401, 559, 560, 720, 880, 1040, 1200, 1360, 1520, 1680, 3000, 16_000)  # samples


def decode(folder: Path) -> dict[str, Path]:
    """Every readable recording as 16 kHz mono int16, by its name in the shared folder."""
    from public_vad import SHARED

    from asr_cli.audio.files import read_blocks
    from asr_cli.errors import AsrError

    audio, found = SHARED.parent / "audio", {}
    for path in sorted(p for p in audio.rglob("*") if p.suffix in NAMES):
        try:
            samples = np.concatenate([block.samples for block in read_blocks(path)])
        except AsrError:
            continue
        out = folder / f"{len(found)}.s16"
        np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tofile(out)
        found[str(path.relative_to(audio))] = out
    long = folder / "long.s16"
    long.write_bytes(b"".join(path.read_bytes() for path in found.values()))
    found[LONG] = long
    return found


def main() -> None:
    from public_vad import make_folder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_folder(folder / "model")
        plan = folder / "plan.json"
        plan.write_text(json.dumps({key: str(path) for key, path in decode(folder).items()}), encoding="utf-8")
        subprocess.run([sys.argv[1], __file__, "--funasr", model, plan, GOLDEN], check=True)


def read(path: str) -> np.ndarray:
    return np.fromfile(path, dtype="<i2").astype(np.float32) / 32768


def inside_funasr(model: Path, plan: Path, golden: Path) -> None:
    """The half that runs in FunASR's interpreter."""
    import torch

    torchaudio_without_its_library()
    torch.set_num_threads(1)
    files = json.loads(plan.read_text(encoding="utf-8"))
    golden.mkdir(exist_ok=True)
    features(model, files, golden)
    vad, frontend = build(model)
    result = {}
    for name, path in files.items():
        samples = torch.from_numpy(read(path))
        result[name] = {
            "n_samples": len(samples),
            "classic": detect(vad, frontend, samples, max_end_silence_time=800),
            "dynamic": detect(vad, frontend, samples),
        }
    write(golden / "funasr_endpoint.json", decisions(vad, frontend))
    write(golden / "funasr_vad.json", result)


def write(path: Path, table: dict[str, object]) -> None:
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items())
    path.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


def decisions(vad, frontend) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """FunASR's spans for made-up frames, under made-up options: runs are (speech or not, frames)."""
    import random

    dice = random.Random(7)
    runs = [(0, 100), (1, 200), (0, 90), (1, 210), (0, 220), (1, 80), (0, 100)]
    table = {"three": decide(vad, frontend, runs, {})}
    for number in range(60):
        runs = [(dice.randint(0, 1), dice.choice((dice.randint(1, 30), dice.randint(20, 400)))) for _ in range(40)]
        options = {
            "max_end_silence_time": dice.randrange(200, 1500, 10),
            "max_single_segment_time": dice.choice((60_000, dice.randrange(1000, 20_000, 10))),
            "window_size_ms": dice.randrange(50, 400, 10),
            "lookback_time_start_point": dice.randrange(0, 400, 10),
            "lookahead_time_end_point": dice.randrange(0, 300, 10),
            "detect_mode": dice.choice((1, 1, 1, 0)),
            "max_start_silence_time": dice.randrange(500, 6000, 10),
        }
        window = options["window_size_ms"]
        options["sil_to_speech_time_thres"] = dice.randrange(10, window + 10, 10)
        options["speech_to_sil_time_thres"] = dice.randrange(10, min(window, options["max_end_silence_time"]), 10)
        table[str(number)] = decide(vad, frontend, runs, {} if number % 3 == 0 else options)
    return table


def decide(vad, frontend, runs, options):  # type: ignore[no-untyped-def]
    import copy

    import torch

    frames = torch.cat([torch.full((n,), float(not speech)) for speech, n in runs]).clamp(0.01, 0.99)
    position = 0

    class Told(torch.nn.Module):
        def forward(self, feats, cache=None):  # type: ignore[no-untyped-def]
            nonlocal position
            scores = frames[None, position : position + feats.shape[1], None]
            position += feats.shape[1]
            return scores

    vad = copy.copy(vad)
    vad._modules = {**vad._modules, "encoder": Told()}
    vad.vad_opts = copy.copy(vad.vad_opts)
    for name, value in options.items():
        setattr(vad.vad_opts, name, value)
    samples = torch.zeros((len(frames) - 1) * 160 + 400)
    classic = {"max_end_silence_time": options.get("max_end_silence_time", 800)}
    found = {}
    for mode, given in (("classic", classic), ("dynamic", {})):
        position = 0
        found[mode] = detect(vad, frontend, samples, **given)
    return {"runs": runs, "options": options, **found}


def torchaudio_without_its_library() -> None:
    """Let FunASR find torchaudio's filterbank, which is Python, even where torchaudio's binary fits another torch."""
    import types
    from importlib.util import find_spec

    spec = find_spec("torchaudio")
    assert spec is not None and spec.submodule_search_locations
    package = types.ModuleType("torchaudio")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["torchaudio"] = package
    from funasr.utils import fbank

    assert fbank._HAS_TORCHAUDIO


def build(model: Path):  # type: ignore[no-untyped-def]
    import torch
    import yaml
    from funasr.frontends.wav_frontend import WavFrontendOnline
    from funasr.models.fsmn_vad_streaming.encoder import FSMN  # noqa: F401
    from funasr.models.fsmn_vad_streaming.model import FsmnVADStreaming

    conf = yaml.safe_load((model / "config.yaml").read_text(encoding="utf-8"))
    vad = FsmnVADStreaming(encoder="FSMN", encoder_conf=conf["encoder_conf"], **conf["vad_post_conf"])
    vad.load_state_dict(torch.load(model / "model.pt", weights_only=True))
    frontend = WavFrontendOnline(cmvn_file=str(model / "am.mvn"), **conf["frontend_conf"])
    return vad.eval(), frontend


def detect(vad, frontend, samples, **options):  # type: ignore[no-untyped-def]
    import torch

    with torch.no_grad():
        results, _ = vad.inference(
            [samples], key=["x"], frontend=frontend, cache={}, device="cpu", is_final=True, **options
        )
    return results[0]["value"]


def features(model: Path, files: dict[str, str], golden: Path) -> None:
    """fbank of short stretches at both rates, and stacked, normalised frames of every awkward length."""
    import torch
    from funasr.frontends.wav_frontend import WavFrontend

    samples = read(files["zh/funasr_vad_example_70s.wav"])[: round(FEATURE_SECONDS * 16_000)]
    out = {"samples": (samples * 32768).astype(np.int16)}

    def run(frontend, x):  # type: ignore[no-untyped-def]
        return frontend(torch.from_numpy(x)[None], torch.tensor([len(x)]))[0][0].numpy()

    for rate in (16_000, 8_000):
        # The same samples at half the rate: another signal, as good as any.
        out[f"fbank_{rate}"] = run(WavFrontend(fs=rate, dither=0.0), samples)
    mvn = str(model / "am.mvn")
    out["vad"] = run(WavFrontend(cmvn_file=mvn, lfr_m=5, lfr_n=1, dither=0.0), samples)[::7]
    for name, (m, n) in LFR.items():
        for length in LENGTHS:
            frontend = WavFrontend(lfr_m=m, lfr_n=n, dither=0.0)
            out[f"{name}_{length}"] = run(frontend, samples[20_000 : 20_000 + length])[:, ::13]
    np.savez_compressed(golden / "funasr_features.npz", **out)


if __name__ == "__main__":
    if sys.argv[1] == "--funasr":
        inside_funasr(*map(Path, sys.argv[2:5]))
    else:
        sys.path.insert(0, str(Path(__file__).parent))
        main()
