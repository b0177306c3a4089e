"""Word error rate of the built-in recogniser on the English recordings whose text is certain, and what it costs.

usage: wer.py [--clips]        (--clips: one line for each recording)

Words are compared as `scored_words` gives them. Cost is processor seconds for a second of sound on one core. Beside the
product stands pocketsphinx as it comes, in the same run, because clips and machines differ. The two halves are every
other clip: settings were chosen by looking at both, so a difference between two lines that only one half shows is luck.
"""

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.registry import LoadOptions
from asr_cli.session import Session
from asr_cli.text.normalize import scored_words

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio"
N_SIDE_BY_SIDE = 24  # clips; enough to keep every core busy
SPEAKER = re.compile(r"\[[^\]]*\]")  # who speaks, in the reference of a conversation


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    samples: NDArray[np.float32]  # (n_samples,), 16 kHz
    words: tuple[str, ...]

    @property
    def duration(self) -> float:
        return len(self.samples) / 16_000


def clips() -> list[Clip]:
    """Each recording once; what stands there in several formats, and two people in two channels, is left out."""
    found: dict[tuple[str, ...], Path] = {}
    for row in json.loads((AUDIO / "manifest.json").read_text(encoding="utf-8")):
        certain = row["sure"].startswith("certain") and row["lang"] == "en" and row["kind"] == "human"
        if certain and row["ref"] and "one speaker per channel" not in row["tags"]:
            found.setdefault(said(row["ref"]), AUDIO.parent / row["file"])
    folder = AUDIO / "en" / "hifitts_6097"
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(said(row["text"]), folder / row["audio_filepath"])
    return [Clip(path.name, read(path), words) for words, path in found.items()]


def said(text: str) -> tuple[str, ...]:
    return tuple(scored_words(SPEAKER.sub(" ", text)))


def read(path: Path) -> NDArray[np.float32]:
    return np.concatenate([block.samples for block in read_blocks(path)])


def plain(clips: Iterable[Clip]) -> list[str]:
    """pocketsphinx with none of its settings touched."""
    engine = Decoder(loglevel="FATAL")
    return [decoded(engine, clip) for clip in clips]


def decoded(engine: Decoder, clip: Clip) -> str:
    engine.start_utt()
    engine.process_raw(np.rint(clip.samples * 32767).astype(np.int16).tobytes())
    engine.end_utt()
    return engine.hyp().hypstr if engine.hyp() else ""


def whole(clips: Iterable[Clip]) -> list[str]:
    """Our backend, each clip an utterance."""
    backend, card = registry.find("sphinx")
    with registry.open_recognizer(backend, card, None, LoadOptions(threads=1)) as recognizer:
        return [segment.text for segment in recognizer.recognize([Audio(clip.samples) for clip in clips])]


def product(clips: Iterable[Clip]) -> list[str]:
    """What a user gets: voice activity, cutting, recognition, stitching."""
    with Session(ModelOptions(model="sphinx", threads=1)) as session:
        reading = ReadOptions(sample_rate=16_000)
        return [session.transcribe(clip.samples, reading).transcript().text for clip in clips]


def errors(clip: Clip, text: str) -> int:
    found = jiwer.process_words(" ".join(clip.words), " ".join(scored_words(text)))
    return found.substitutions + found.deletions + found.insertions


def percent(clips: list[Clip], wrong: list[int]) -> float:
    return 100 * sum(wrong) / sum(len(clip.words) for clip in clips)


def processor_time() -> float:
    """Seconds of this process and of the worker processes that have ended."""
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + workers.ru_utime + workers.ru_stime


def measure(name: str, listen: Callable[[Iterable[Clip]], list[str]], clips: list[Clip]) -> list[int]:
    begun = processor_time()
    texts = listen(clips)
    cost = (processor_time() - begun) / sum(clip.duration for clip in clips)
    wrong = [errors(clip, text) for clip, text in zip(clips, texts, strict=True)]
    halves = [percent(clips[half::2], wrong[half::2]) for half in (0, 1)]
    print(
        f"{name:36} WER {percent(clips, wrong):5.1f} %  (halves {halves[0]:.1f}, {halves[1]:.1f})  cost {cost:.3f}",
        flush=True,
    )
    return wrong


def side_by_side(clips: list[Clip]) -> None:
    """The gain of several processes: wall-clock time in one, then in as many as there are cores."""
    backend, card = registry.find("sphinx")
    utterances = [Audio(clip.samples) for clip in clips]
    seconds = []
    for threads in (1, None):
        with registry.open_recognizer(backend, card, None, LoadOptions(threads=threads)) as recognizer:
            recognizer.recognize(utterances[:2])  # not the loading
            begun = time.perf_counter()
            recognizer.recognize(utterances)
            seconds.append(time.perf_counter() - begun)
    n_seconds = sum(clip.duration for clip in clips)
    print(f"one process {n_seconds / seconds[0]:.1f}x realtime, one for each core {n_seconds / seconds[1]:.1f}x")


def main() -> None:
    if not AUDIO.is_dir():
        sys.exit(f"the recordings are not at {AUDIO}")
    chosen = clips()
    n_words = sum(len(clip.words) for clip in chosen)
    print(f"{len(chosen)} clips, {n_words} words, {sum(clip.duration for clip in chosen):.0f} s")
    ways = {"pocketsphinx as it comes": plain, "ours, each clip whole": whole, "ours, the whole journey": product}
    wrong = {name: measure(name, way, chosen) for name, way in ways.items()}
    side_by_side(chosen[-N_SIDE_BY_SIDE:])
    if "--clips" in sys.argv:
        for clip, *counts in zip(chosen, *wrong.values(), strict=True):
            print(f"{clip.name:56} {len(clip.words):4} words, wrong: {counts}")


if __name__ == "__main__":
    main()
