"""This project's whole command beside FunASR's pipeline, funasr-onnx and sherpa-onnx, on one recording.

usage: paraformer_peers.py MODELS_DIR PEERS_PYTHON AUDIO.wav [RUNS [NAME,...]]

MODELS_DIR holds full-size checkpoints in FunASR's layout: paraformer-large, ct-punc, fsmn-vad (random weights cost as
much as real ones). PEERS_PYTHON is an interpreter with funasr==1.4.16, funasr-onnx, sherpa-onnx, onnx. AUDIO is a
16 kHz mono WAV. Two threads each; the programs (all, or those whose names have a NAME in them) take turns, RUNS times
(3); medians.

Recognisers alone (funasr-onnx, sherpa-onnx) hear 10 s pieces of the recording, so neither VAD nor punctuation weighs on
them.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

THREADS = 2
PIECE_SECONDS = 10
RESULT = re.compile(r"RESULT load ([\d.]+) rtf ([\d.]+)")


# What runs in the peers' interpreter.


def funasr(models: Path, audio: Path) -> Iterator[None]:
    sys.modules["torchaudio"] = None  # type: ignore[assignment]  # whose last release does not load beside this torch
    import torch
    from funasr import AutoModel

    torch.set_num_threads(THREADS)
    model = AutoModel(
        model=f"{models}/paraformer-large", vad_model=f"{models}/fsmn-vad", punc_model=f"{models}/ct-punc",
        device="cpu", ncpu=THREADS, disable_update=True, disable_pbar=True,
        vad_kwargs={"max_single_segment_time": 30000},
    )  # fmt: skip
    yield
    model.generate(input=str(audio), batch_size_s=300)


def funasr_onnx(models: Path, audio: Path, *, quantize: bool) -> Iterator[None]:
    import soundfile
    from funasr_onnx import Paraformer

    folder = onnx_folder(models)
    model = Paraformer(str(folder), batch_size=1, quantize=quantize, intra_op_num_threads=THREADS)
    samples, rate = soundfile.read(audio, dtype="float32")
    yield
    for begin in range(0, len(samples), rate * PIECE_SECONDS):
        model(samples[begin : begin + rate * PIECE_SECONDS])


def sherpa_onnx(models: Path, audio: Path, *, quantize: bool) -> Iterator[None]:
    import sherpa_onnx as sherpa
    import soundfile

    folder = onnx_folder(models)
    name = "sherpa_quant.onnx" if quantize else "sherpa.onnx"
    model = sherpa.OfflineRecognizer.from_paraformer(
        paraformer=str(folder / name), tokens=str(folder / "tokens.txt"), num_threads=THREADS, debug=False
    )
    samples, rate = soundfile.read(audio, dtype="float32")
    yield
    for begin in range(0, len(samples), rate * PIECE_SECONDS):
        stream = model.create_stream()
        stream.accept_waveform(rate, samples[begin : begin + rate * PIECE_SECONDS])
        model.decode_streams([stream])


def onnx_folder(models: Path) -> Path:
    """FunASR's own export, and the same with what sherpa-onnx wants to be told."""
    folder = models / "paraformer-large"
    if not (folder / "model_quant.onnx").exists():
        export(folder)
    if not (folder / "sherpa_quant.onnx").exists():
        for name in ("", "_quant"):
            add_metadata(folder, f"model{name}.onnx", f"sherpa{name}.onnx")
    return folder


def export(folder: Path) -> None:
    sys.modules["torchaudio"] = None  # type: ignore[assignment]
    import torch
    from funasr import AutoModel

    plain = torch.onnx.export
    torch.onnx.export = lambda *args, **kwargs: plain(*args, **{**kwargs, "dynamo": False})
    model = AutoModel(model=str(folder), device="cpu", disable_update=True)
    for quantize in (False, True):
        model.export(type="onnx", quantize=quantize)


def add_metadata(folder: Path, source: str, target: str) -> None:
    import json

    import onnx

    model = onnx.load(folder / source)
    rows = [line for line in (folder / "am.mvn").read_text().splitlines() if line.startswith("<LearnRateCoef>")]
    shift, scale = (",".join(line.split()[3:-1]) for line in rows)
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    facts = {
        "model_type": "paraformer", "vocab_size": str(len(tokens)), "lfr_window_size": "7", "lfr_window_shift": "6",
        "neg_mean": shift, "inv_stddev": scale, "model_author": "x", "version": "1", "comment": "",
    }  # fmt: skip
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, folder / target)
    lines = [f"{token} {index}\n" for index, token in enumerate(tokens)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


PEERS = {
    "FunASR pipeline": funasr,
    "funasr-onnx float32": lambda models, audio: funasr_onnx(models, audio, quantize=False),
    "funasr-onnx int8": lambda models, audio: funasr_onnx(models, audio, quantize=True),
    "sherpa-onnx float32": lambda models, audio: sherpa_onnx(models, audio, quantize=False),
    "sherpa-onnx int8": lambda models, audio: sherpa_onnx(models, audio, quantize=True),
}


def run_peer(name: str, models: Path, audio: Path) -> None:
    begun = time.perf_counter()
    steps = PEERS[name](models, audio)
    next(steps)
    loaded = time.perf_counter()
    next(steps, None)
    rtf = (time.perf_counter() - loaded) / seconds(audio)
    print(f"RESULT load {loaded - begun:.2f} rtf {rtf:.5f}", flush=True)


def seconds(audio: Path) -> float:
    return (audio.stat().st_size - 44) / 32_000


# What runs here.


def ours(models: Path, audio: Path, compute_type: str) -> list[str]:
    return [
        sys.executable, "-m", "asr", "transcribe", str(audio), "--model", f"{models}/paraformer-large", "--vad-model",
        f"{models}/fsmn-vad", "--punc-model", f"{models}/ct-punc", "--threads", str(THREADS), "--compute-type",
        compute_type, "--no-resume", "-f", "json", "-o", "-", "-q",
    ]  # fmt: skip


def main() -> None:
    models, python, audio = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    commands = {f"asr, whole command, {kind}": ours(models, audio, kind) for kind in ("bfloat16", "int8", "float32")}
    commands |= {name: [python, __file__, "--peer", name, str(models), str(audio)] for name in PEERS}
    wanted = sys.argv[5].split(",") if len(sys.argv) > 5 else [""]
    commands = {name: command for name, command in commands.items() if any(part in name for part in wanted)}
    duration = seconds(audio)
    print(f"{audio.name}: {duration:.0f} s, {THREADS} threads, medians of {runs}")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(one(command, duration))
            print(f"  {name}: wall {found[name][-1][0]:.1f} s, RTF {found[name][-1][1]:.4f},"
                  f" peak {found[name][-1][2]:.2f} GB", flush=True)  # fmt: skip
    print(f"{'':32} {'wall s':>8} {'RTF':>8} {'peak GB':>8}")
    for name, rows in found.items():
        wall, rtf, peak = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:32} {wall:8.1f} {rtf:8.4f} {peak:8.2f}")


def one(command: list[str], duration: float) -> tuple[float, float, float]:
    """Wall seconds, real-time factor (without loading where a peer tells it apart; ours with all), peak GB."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        out = process.stdout.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command)}")
    result = RESULT.search(out)
    return wall, float(result[2]) if result else wall / duration, usage.ru_maxrss / 1e6


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        run_peer(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
