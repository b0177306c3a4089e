"""How fast UniASR is here and in FunASR 1.4.16, on the same utterances, in turns, each on one core; and how much memory
a long recording takes in either.

usage: uniasr_speed.py MODEL_DIR FUNASR_PYTHON AUDIO.wav [RUNS [MODES]]
       uniasr_speed.py --memory MODEL_DIR FUNASR_PYTHON AUDIO.wav MINUTES LIMIT_GB

MODEL_DIR as tests/tools/large_uniasr.py makes it; AUDIO: 16 kHz mono. One utterance after another is given to FunASR,
which takes no more at once; all together to ours.
"""

import os
import re
import statistics
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

RATE = 16_000
SECONDS = (10, 13, 16, 20, 11, 14, 18, 12)  # of the utterances
RESULT = re.compile(r"RESULT ([\d.]+) tokens (\d+) peak ([\d.]+)")


def read(path: Path, minutes: float = 60.0) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        data = file.readframes(int(minutes * 60 * RATE))
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def cut(samples: np.ndarray) -> Iterator[np.ndarray]:
    begin = 0
    for seconds in SECONDS:
        yield samples[begin : begin + seconds * RATE]
        begin += seconds * RATE


def ours(model: Path, sounds: list[np.ndarray], mode: str, compute_type: str) -> tuple[float, int]:
    import torch
    from asr_plugins.uniasr.loading import lighten
    from asr_plugins.uniasr.recognizer import UniAsrRecognizer

    from asr_cli.audio import Audio
    from asr_cli.device import keep_memory
    from asr_cli.models.uniasr_folder import read_folder

    torch.set_num_threads(1)
    keep_memory()
    folder = read_folder(model)
    lighten(folder.net, compute_type)
    recognizer = UniAsrRecognizer(folder, mode=mode)
    recognizer.recognize([Audio(sounds[0][:RATE])])
    begun = time.perf_counter()
    size = int(recognizer.max_duration * RATE)
    pieces = [sound[begin : begin + size] for sound in sounds for begin in range(0, len(sound), size)]
    n_words = 0
    for begin in range(0, len(pieces), len(SECONDS)):
        segments = recognizer.recognize([Audio(piece) for piece in pieces[begin : begin + len(SECONDS)]])
        n_words += sum(len(segment.words) for segment in segments)
    return time.perf_counter() - begun, n_words


def funasr(model: Path, sounds: list[np.ndarray], mode: str) -> tuple[float, int]:
    import torch
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    from importlib import import_module

    for module in ("scama.encoder", "scama.decoder", "paraformer.cif_predictor", "uniasr.model"):
        import_module(f"funasr.models.{module}")
    from funasr import AutoModel

    found = AutoModel(model=str(model), device="cpu", ncpu=1, disable_update=True, disable_pbar=True)
    torch.set_num_threads(1)
    found.generate(input=sounds[0][:RATE], decoding_model=mode)
    begun = time.perf_counter()
    texts = [found.generate(input=sound, decoding_model=mode)[0]["text"] for sound in sounds]
    return time.perf_counter() - begun, sum(len(text.replace(" ", "")) for text in texts)


def peak() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run_one(who: str, model: Path, audio: Path, mode: str, minutes: str) -> None:
    samples = read(audio, float(minutes) or 60.0)
    sounds = [samples] if float(minutes) else list(cut(samples))
    if who == "funasr":
        seconds, count = funasr(model, sounds, mode)
    else:
        seconds, count = ours(model, sounds, mode, who)
    print(f"RESULT {seconds:.3f} tokens {count} peak {peak():.2f}", flush=True)


def ask(python: str, who: str, *arguments: str, limit_gb: float | None = None) -> tuple[float, int, float] | str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1] / "tools")}
    command = [python, __file__, "--one", who, *arguments]
    if limit_gb:
        command = ["bash", "-c", f'ulimit -v {int(limit_gb * 1e6)}; exec "$@"', "bash", *command]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = RESULT.search(done.stdout)
    if found is None:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return float(found[1]), int(found[2]), float(found[3])


def compare(model: str, python: str, audio: str, runs: int, modes: list[str]) -> None:
    total = sum(SECONDS)
    print(f"{len(SECONDS)} utterances, {total} s; seconds of speech in a second, medians of {runs}")
    for mode in modes:
        speeds: dict[str, list[float]] = {}
        for _ in range(runs):
            for who, interpreter in (("float32", sys.executable), ("int8", sys.executable), ("funasr", python)):
                found = ask(interpreter, who, model, audio, mode, "0")
                if isinstance(found, str):
                    raise SystemExit(f"{who}, {mode}: {found}")
                seconds, count, memory = found
                speeds.setdefault(who, []).append(total / seconds)
                print(
                    f"  {mode} {who}: {total / seconds:.2f}x, {count / total:.1f} tokens/s, {memory:.2f} GB", flush=True
                )
        medians = {who: statistics.median(found) for who, found in speeds.items()}
        for who in ("float32", "int8"):
            times = medians[who] / medians["funasr"]
            print(f"{mode}: {who} {medians[who]:.1f}x, FunASR {medians['funasr']:.2f}x: {times:.1f} times as fast")


def memory(model: str, python: str, audio: str, minutes: str, limit_gb: float) -> None:
    for who, interpreter in (("float32", sys.executable), ("funasr", python)):
        print(f"{minutes} minutes at once, offline, {who}, at most {limit_gb} GB of address space:", flush=True)
        print(" ", ask(interpreter, who, model, audio, "offline", minutes, limit_gb=limit_gb), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        run_one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5], sys.argv[6])
    elif sys.argv[1] == "--memory":
        memory(*sys.argv[2:6], float(sys.argv[6]))
    else:
        compare(*sys.argv[1:4], int((sys.argv[4:5] or ["3"])[0]), (sys.argv[5:6] or ["offline"])[0].split(","))
