"""What the small models hear: python tests/benchmarks/tiny_models.py CORPUS MODEL...

CORPUS holds folders as `python -m asr_cli.synthesis` makes them, MODEL is a name or a folder. For each folder: the
error rate (whole utterances, no VAD), how far words begin and end from where the synthesiser began and ended them (of
words that are right), when the last word was over against the true end of speech (PR50, PR90; of a transducer the
moment of emission), how fast that is on this machine. And the error rate on real recordings, where the shared ones are
beside the checkout.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr_cli import catalog, registry
from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard
from asr_cli.scoring.distance import CORRECT, DELETION, INSERTION, steps
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules, words
from asr_cli.text.normalize import scored_words
from asr_cli.transcript import Segment

TOGETHER = 32  # utterances at once
LONGEST = 60.0  # s; longer recordings are for the pipeline


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance: its samples, its text, and where each word began and ended, in seconds."""

    key: str
    audio: Audio
    text: str
    times: tuple[tuple[float, float], ...]


def read(folder: Path) -> Iterator[Spoken]:
    texts = dict(line.split(maxsplit=1) for line in (folder / "text").read_text().splitlines())
    times: dict[str, list[tuple[float, float]]] = {}
    for line in (folder / "words.ctm").read_text().splitlines():
        key, _, start, duration, _ = line.split()
        times.setdefault(key, []).append((float(start), float(start) + float(duration)))
    for line in (folder / "wav.scp").read_text().splitlines():
        key, path = line.split(maxsplit=1)
        samples = np.concatenate([block.samples for block in read_blocks(folder / path)])
        if len(samples) / 16_000 <= LONGEST:
            yield Spoken(key, Audio(samples), texts[key], tuple(times[key]))


def hear(recognizer: Recognizer, utterances: Sequence[Audio]) -> list[Segment]:
    order = sorted(range(len(utterances)), key=lambda i: len(utterances[i].samples))
    found: dict[int, Segment] = {}
    for at in range(0, len(order), TOGETHER):
        batch = order[at : at + TOGETHER]
        found.update(zip(batch, recognizer.recognize([utterances[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(utterances))]


def errors_of_times(spoken: Spoken, segment: Segment) -> list[tuple[float, float]]:
    """How late each word begins and ends that was heard right."""
    reference, heard = words(spoken.text), [word.text.strip() for word in segment.words]
    late, i, j = [], 0, 0
    for step in steps(reference, heard):
        if step == CORRECT:
            word, (begin, end) = segment.words[j], spoken.times[i]
            late.append((word.start - begin, word.end - end))
        i, j = i + (step != INSERTION), j + (step != DELETION)
    return late


def share(values: Sequence[float], at: float) -> float:
    return float(np.percentile(values, at)) if values else float("nan")


def spread(late: Sequence[float]) -> str:
    return f"{share(late, 50):+.2f}, {share([abs(one) for one in late], 90):.2f} s"


@dataclass(frozen=True, slots=True)
class Measured:
    """begins, ends, last: seconds after the truth that words begin and end, and that the last word ends."""

    n_utterances: int
    rate: float
    begins: list[float]
    ends: list[float]
    last: list[float]
    speed: float


def measure(recognizer: Recognizer, folder: Path) -> Measured:
    spoken = list(read(folder))
    hear(recognizer, [one.audio for one in spoken[:TOGETHER]])
    begin = time.perf_counter()
    segments = hear(recognizer, [one.audio for one in spoken])
    took = time.perf_counter() - begin
    heard = list(zip(spoken, segments, strict=True))
    pairs = [Pair(one.key, one.text, segment.text) for one, segment in heard]
    late = [both for one, segment in heard for both in errors_of_times(one, segment)]
    return Measured(
        len(spoken),
        score(pairs, "wer", Rules()).counts.rate or 0.0,
        [begin for begin, _ in late],
        [end for _, end in late],
        [segment.words[-1].end - one.times[-1][1] for one, segment in heard if segment.words],
        sum(one.audio.duration for one in spoken) / took,
    )


def load(name: str) -> tuple[Recognizer, ModelCard]:
    backend, card = registry.find(name)
    return backend.load(card, catalog.find(name).folder, LoadOptions()), card


def report(name: str, corpus: Path) -> None:
    recognizer, card = load(name)
    print(f"\n{name}: {card.summary}\n\n| folder | utterances | WER | words begin late: median, p90 of absolute values"
          " | end late | last word: PR50, PR90 | x real time |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for folder in sorted(corpus.iterdir()):
        if (folder / "words.ctm").is_file() and folder.name not in ("train", "valid", "adapt", "long"):
            found = measure(recognizer, folder)
            row = [folder.name, found.n_utterances, f"{100 * found.rate:.1f} %",
                   spread(found.begins), spread(found.ends),
                   f"{share(found.last, 50):+.2f}, {share(found.last, 90):+.2f} s", f"{found.speed:.0f}"]  # fmt: skip
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    real(recognizer)
    getattr(recognizer, "close", lambda: None)()


def real(recognizer: Recognizer) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from wer import AUDIO, clips

    if not AUDIO.is_dir():
        print("| real recordings | not beside this checkout |")
        return
    found = [clip for clip in clips() if clip.duration <= 30]
    segments = hear(recognizer, [Audio(clip.samples) for clip in found])
    pairs = [
        Pair(clip.name, " ".join(clip.words), " ".join(scored_words(segment.text)))
        for clip, segment in zip(found, segments, strict=True)
    ]
    rate = score(pairs, "wer", Rules()).counts.rate or 0
    print(f"| real English recordings | {len(found)} | {100 * rate:.1f} % |")


if __name__ == "__main__":
    for model in sys.argv[2:]:
        report(model, Path(sys.argv[1]))
