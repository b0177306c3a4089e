"""How fast BAT's and RWKV-BAT's networks are here and in FunASR 1.4.16, with nothing to say, on the same utterances, in
turns, each on one core; and what a stream of hours costs.

usage: bat_speed.py MODEL_DIR FUNASR_PYTHON AUDIO.wav [RUNS]
       bat_speed.py --stream MODEL_DIR AUDIO.wav HOURS

MODEL_DIR as tests/tools/large_bat.py makes it; AUDIO: 16 kHz mono. FunASR takes one utterance after another. The stream
is one utterance all along, heard by 320 ms, and only encoded.
"""

import dataclasses
import os
import re
import resource
import statistics
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np

RATE = 16_000
SECONDS = (10, 7, 12, 9, 14, 8, 11, 13)  # of the utterances
OURS = ("float32", "bfloat16", "int8")
RESULT = re.compile(r"RESULT ([\d.]+) tokens (\d+)")
STEP = 0.32  # s


def read(path: str) -> np.ndarray:
    with wave.open(path, "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        data = file.readframes(sum(SECONDS) * RATE)
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def cut(samples: np.ndarray) -> list[np.ndarray]:
    ends = np.cumsum(SECONDS) * RATE
    return [samples[end - seconds * RATE : end] for end, seconds in zip(ends, SECONDS, strict=True)]


def ours(model: str, sounds: list[np.ndarray], compute_type: str) -> tuple[float, int]:
    from asr_plugins.bat import BACKEND
    from asr_plugins.bat.look import look

    from asr_cli.audio import Audio
    from asr_cli.registry import LoadOptions

    card = look(Path(model))
    assert card is not None
    options = LoadOptions(device="cpu", compute_type=compute_type, threads=1, mode="greedy")
    recognizer = BACKEND.load(card, Path(model), options)
    utterances = [Audio(sound) for sound in sounds]
    recognizer.recognize(utterances)
    begun = time.perf_counter()
    segments = recognizer.recognize(utterances)
    return time.perf_counter() - begun, sum(len(segment.words) for segment in segments)


def funasr(model: str, sounds: list[np.ndarray]) -> tuple[float, int]:
    import torch
    from funasr_vad import torchaudio_without_its_library

    torchaudio_without_its_library()
    from importlib import import_module

    for module in ("conformer.encoder", "rwkv_bat.rwkv_encoder", "transducer.rnnt_decoder", "transducer.joint_network"):
        import_module(f"funasr.models.{module}")
    import_module("funasr.models.bat.model")
    from funasr import AutoModel

    found = AutoModel(model=model, device="cpu", ncpu=1, disable_update=True, disable_pbar=True)
    torch.set_num_threads(1)
    found.generate(input=sounds[0][:RATE], beam_size=1)
    begun = time.perf_counter()
    texts = [found.generate(input=sound, beam_size=1)[0]["text"] for sound in sounds]
    return time.perf_counter() - begun, sum(len(text.replace(" ", "")) for text in texts)


def ask(python: str, who: str, model: str, audio: str) -> tuple[float, int]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1] / "tools")}
    command = [python, __file__, "--one", who, model, audio]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = RESULT.search(done.stdout)
    if found is None:
        raise SystemExit(f"{who}: {done.stderr.strip()[-500:]}")
    return float(found[1]), int(found[2])


def compare(model: str, python: str, audio: str, runs: int) -> None:
    total = sum(SECONDS)
    print(f"{len(SECONDS)} utterances, {total} s; seconds of speech in a second, medians of {runs}")
    speeds: dict[str, list[float]] = {}
    for _ in range(runs):
        for who in (*OURS, "funasr"):
            seconds, count = ask(python if who == "funasr" else sys.executable, who, model, audio)
            speeds.setdefault(who, []).append(total / seconds)
            print(f"  {who}: {total / seconds:.2f}x, {count / total:.1f} tokens/s", flush=True)
    medians = {who: statistics.median(found) for who, found in speeds.items()}
    for who in OURS:
        times = medians[who] / medians["funasr"]
        print(f"{who} {medians[who]:.1f}x, FunASR {medians['funasr']:.2f}x: {times:.1f} times as fast")


def stream(model: str, audio: str, hours: float) -> None:
    import torch

    from asr_cli.models.bat_folder import read_folder
    from asr_cli.models.ear import Ear
    from asr_cli.nn.packed import pack

    torch.set_num_threads(1)
    folder = read_folder(Path(model))
    encoder = folder.net.encoder
    encoder.subsampling.settle("float32")
    list(pack(encoder))
    ear = Ear(folder.frontend, folder.cmvn, torch.device("cpu"))
    samples = read(audio)
    state, sound, at = None, None, 0
    n_steps, size = int(hours * 3600 / STEP), int(STEP * RATE)
    begun = time.perf_counter()
    with torch.inference_mode():
        for step in range(1, n_steps + 1):
            piece = np.take(samples, range(at, at + size), mode="wrap")
            at = (at + size) % len(samples)
            features, sound = ear.hear(piece, sound, final=False)
            _, [state] = encoder.hear([features], [state], [False])
            if step % (n_steps // 20 or 1) == 0:
                now = time.perf_counter()
                cost = (now - begun) / (n_steps // 20 or 1)
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
                kept = weigh(dataclasses.astuple(state)) + weigh(dataclasses.astuple(sound))
                print(f"{step * STEP / 3600:5.2f} h  {cost * 1000:6.2f} ms for {STEP * 1000:.0f} ms of sound"
                      f"  state {kept / 1e3:.0f} kB  peak {memory:.0f} MB", flush=True)  # fmt: skip
                begun = now


def weigh(part: object) -> int:
    """Bytes of all tensors, of what they are views of where they are views."""
    import torch

    if isinstance(part, torch.Tensor):
        return part.untyped_storage().nbytes()
    return sum(map(weigh, part)) if isinstance(part, tuple | list) else 0


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        who, model, audio = sys.argv[2:]
        sounds = cut(read(audio))
        seconds, count = funasr(model, sounds) if who == "funasr" else ours(model, sounds, who)
        print(f"RESULT {seconds:.3f} tokens {count}", flush=True)
    elif sys.argv[1] == "--stream":
        stream(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        compare(*sys.argv[1:4], int((sys.argv[4:5] or ["3"])[0]))
