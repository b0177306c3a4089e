"""How fast Whisper is here, beside transformers' own pipeline and faster-whisper, with the same weights and as many
tokens a chunk for each of them: none ends, so random weights do.

    python tests/benchmarks/whisper_speed.py MODEL PEERS AUDIO [--threads N] [--seconds S] [--batch N] [--device cuda]
        [--only NAME,...]

MODEL: a folder in transformers' format. PEERS: a Python that has transformers and faster-whisper; faster-whisper's copy
of the model (ct2-transformers-converter --quantization int8) is looked for beside it, as ct2-NAME. AUDIO: a 16 kHz mono
WAV. Each program is a process of its own, warmed with one chunk; they take turns.
"""

import argparse
import json
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

N_TOKENS, CHUNK, TURNS = 75, 30.0, 3
RATE = 16_000
OURS = {"ours bfloat16": "bfloat16", "ours int8": "int8", "ours float32": "float32"}
PEERS = (
    "transformers float32", "transformers bfloat16", "faster-whisper int8", "faster-whisper int8 words",
)  # fmt: skip


def read(path: str, seconds: float) -> np.ndarray:
    with wave.open(path) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    wanted = round(seconds * RATE)
    return np.tile(data, -(-wanted // len(data)))[:wanted]


def chunks(samples: np.ndarray) -> list[np.ndarray]:
    step = round(CHUNK * RATE)
    return [samples[begin : begin + step] for begin in range(0, len(samples), step)]


def ours(model: str, compute_type: str, threads: int, device: str) -> Callable[[np.ndarray], int]:
    from asr_plugins.whisper.loading import load
    from asr_plugins.whisper.rules import Rules
    from asr_plugins.whisper.search import Single

    from asr_cli.audio import Audio
    from asr_cli.decoding import DecodingOptions
    from asr_cli.registry import LoadOptions, ModelCard

    decoding = DecodingOptions(
        compression_ratio_threshold=None, logprob_threshold=None, no_speech_threshold=None, chunk_length=CHUNK,
        temperature_increment_on_fallback=None,
    )  # fmt: skip
    card = ModelCard(Path(model).name, "", ("en",), "")
    options = LoadOptions(device=device, compute_type=compute_type, threads=threads, language="en", decoding=decoding)
    recognizer: Any = load(card, Path(model), options)
    inner = getattr(recognizer, "recognizer", recognizer)
    tokens = inner.tokens
    rules = Rules(tokens.n_tokens, (*tokens.suppress, tokens.eot), tokens.begin_suppress, None, inner.model.device)
    inner.decoding.search = lambda temperature, most: Single(rules, tokens.eot, N_TOKENS)

    def run(samples: np.ndarray) -> int:
        audio = [Audio(one, at * CHUNK) for at, one in enumerate(chunks(samples))]
        step = max(1, round(recognizer.batch_seconds / CHUNK))
        for begin in range(0, len(audio), step):
            recognizer.recognize(audio[begin : begin + step])
        return len(audio)

    return run


def transformers(model: str, dtype: str, threads: int, device: str, batch: int) -> Callable[[np.ndarray], int]:
    import torch
    from transformers import AutoFeatureExtractor, AutoTokenizer, WhisperForConditionalGeneration, pipeline

    torch.set_num_threads(threads)
    net = WhisperForConditionalGeneration.from_pretrained(model, dtype=getattr(torch, dtype)).eval().to(device)
    pipe = pipeline(
        "automatic-speech-recognition", model=net, tokenizer=AutoTokenizer.from_pretrained(model),
        feature_extractor=AutoFeatureExtractor.from_pretrained(model), chunk_length_s=CHUNK, batch_size=batch,
        device=device,
    )  # fmt: skip

    def run(samples: np.ndarray) -> int:
        pipe(
            {"raw": samples, "sampling_rate": RATE},
            generate_kwargs={"max_new_tokens": N_TOKENS, "min_new_tokens": N_TOKENS, "language": "en", "num_beams": 1},
        )
        return 0

    return run


def faster_whisper(model: str, words: bool, threads: int, device: str, batch: int) -> Callable[[np.ndarray], int]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    folder = Path(model).parent / f"ct2-{Path(model).name}"
    net = WhisperModel(str(folder), device=device, compute_type="int8", cpu_threads=threads)
    end = net.hf_tokenizer.token_to_id("<|endoftext|>")
    batched = BatchedInferencePipeline(net)

    def run(samples: np.ndarray) -> int:
        ends = [min((at + 1) * CHUNK, len(samples) / RATE) for at in range(len(chunks(samples)))]
        clips = [{"start": at * CHUNK, "end": until} for at, until in enumerate(ends)]
        found, _ = batched.transcribe(
            samples, batch_size=batch, beam_size=1, vad_filter=False, clip_timestamps=clips, language="en",
            without_timestamps=True, max_new_tokens=N_TOKENS, suppress_tokens=[-1, end], temperature=0.0,
            log_prob_threshold=None, compression_ratio_threshold=None, no_speech_threshold=None, word_timestamps=words,
        )  # fmt: skip
        return len(list(found))

    return run


def worker(name: str, options: argparse.Namespace) -> None:
    """Answers each line of its input with the seconds that the audio took."""
    where = options.threads, options.device
    if name in OURS:
        run = ours(options.model, OURS[name], *where)
    elif name.startswith("transformers"):
        run = transformers(options.model, name.split()[1], *where, options.batch)
    else:
        run = faster_whisper(options.model, name.endswith("words"), *where, options.batch)
    samples = read(options.audio, options.seconds)
    run(samples[: round(CHUNK * RATE)])
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        run(samples)
        print(json.dumps(time.perf_counter() - begun), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("peers")
    parser.add_argument("audio")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--batch", type=int, default=8, help="of the peers")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default=",".join(("ours bfloat16", "ours int8", *PEERS)))
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options)
        return
    taken: dict[str, list[float]] = {name: [] for name in options.only.split(",")}
    running = {}
    for name in taken:
        python = sys.executable if name in OURS else options.peers
        words = [python, __file__, *sys.argv[1:], "--worker", name]
        running[name] = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer(running[name])
    for _ in range(TURNS):
        for name, process in running.items():
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            taken[name].append(float(answer(process)))
    for process in running.values():
        process.communicate()
    for name, times in taken.items():
        middle = median(times)
        print(f"{name:28} {options.seconds / middle:6.1f}x realtime  ({', '.join(f'{one:.1f}' for one in times)} s)")


def answer(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            return json.loads(line)
        except ValueError:  # what a library says
            continue
    raise SystemExit("a program ended too early")


if __name__ == "__main__":
    main()
