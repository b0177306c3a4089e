"""What a Whisper of ours hears of recordings longer than ten minutes, each way there is, and what drafting is worth.

    python tests/benchmarks/whisper_longform.py CORPUS MODEL ASSISTANT

CORPUS holds folders as `python -m asr_cli.synthesis` makes them; MODEL and ASSISTANT are folders. Long recordings: the
synthesised one, and where the shared recordings are beside the checkout, real clips end to end, twice if need be.
Drafting: the utterances of two folders, each recognised with and without the assistant; texts have to be the same.
"""

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.decoding import DecodingOptions
from asr_cli.options import ModelOptions
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules
from asr_cli.session import Session
from asr_cli.text.normalize import scored_words

RATE = 16_000
TWO = ("test-seen", "test-unseen")
DRAFTED = ((1, "float32"), (16, "float32"), (16, "bfloat16"))  # windows at a time
PAUSE = 0.5  # s between two clips
SHORTEST = 600.0  # s of a long recording

CHUNKED, SEQUENTIAL = DecodingOptions(), DecodingOptions(long_form="sequential")
AFTER_TEXT = DecodingOptions(long_form="sequential", condition_on_previous_text=True)
WAYS = {
    "chunked": (CHUNKED, "auto"),
    "chunked, no VAD": (CHUNKED, None),
    "sequential": (SEQUENTIAL, "auto"),
    "sequential, no VAD": (SEQUENTIAL, None),
    "sequential, after its own text": (AFTER_TEXT, "auto"),
}


@dataclass(frozen=True, slots=True)
class Long:
    """utterances: the same sound, one after the other as they were spoken."""

    name: str
    samples: np.ndarray
    text: str
    utterances: list[np.ndarray]


def main() -> None:
    corpus, model, assistant = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    for long in recordings(corpus):
        minutes = len(long.samples) / RATE / 60
        print(f"\n{long.name}, {minutes:.1f} min\n\n| | {Path(model).name} | {Path(assistant).name} |\n|---|---|---|")
        texts = {name: [hear(one, long, *way) for one in (model, assistant)] for name, way in WAYS.items()}
        texts["each utterance alone"] = [alone(one, long) for one in (model, assistant)]
        for name, found in texts.items():
            print(f"| {name}, WER | {' | '.join(rate(long.text, text) for text in found)} |", flush=True)
        apart = (rate(whole, text) for whole, text in zip(texts["each utterance alone"], texts["chunked"], strict=True))
        print(f"| chunked against each utterance alone | {' | '.join(apart)} |")
    print("\n| windows at a time | in | segments | same text | drafted tokens kept | without | with | speed-up |")
    print(f"{'|---' * 8}|")
    for way in DRAFTED:
        print(f"| {' | '.join(map(str, drafted(corpus, model, assistant, *way)))} |", flush=True)


def recordings(corpus: Path) -> Iterator[Long]:
    folder = corpus / "long"
    [[key, path]] = [line.split(maxsplit=1) for line in (folder / "wav.scp").read_text().splitlines()]
    text = dict(line.split(maxsplit=1) for line in (folder / "text").read_text().splitlines())[key]
    samples = read(folder / path)
    yield Long("synthesised speech", samples, text, list(spoken(folder, key, samples)))
    sys.path.insert(0, str(Path(__file__).parent))
    from wer import AUDIO, clips

    if AUDIO.is_dir():
        pause = np.zeros(round(PAUSE * RATE), np.float32)
        found = clips()
        found *= math.ceil(SHORTEST / sum(clip.duration for clip in found))
        whole = np.concatenate([part for clip in found for part in (clip.samples, pause)])
        text = " ".join(word for clip in found for word in clip.words)
        yield Long("real speech", whole, text, [clip.samples for clip in found])


def spoken(folder: Path, key: str, samples: np.ndarray) -> Iterator[np.ndarray]:
    """Divided where nobody speaks for longest between words, into pieces of a few seconds."""
    words = [line.split() for line in (folder / "words.ctm").read_text().splitlines() if line.startswith(f"{key} ")]
    begin = 0.0
    for (*_, start, duration, _), (*_, later, _, _) in pairwise(words):
        end, then = float(start) + float(duration), float(later)
        if then - end > 0.3:
            middle = (end + then) / 2
            yield samples[round(begin * RATE) : round(middle * RATE)]
            begin = middle
    yield samples[round(begin * RATE) :]


def read(path: Path) -> np.ndarray:
    return np.concatenate([block.samples for block in read_blocks(path)])


def options(
    model: str,
    decoding: DecodingOptions,
    vad: str | None = None,
    assistant: str | None = None,
    compute_type: str = "float32",
) -> ModelOptions:
    return ModelOptions(
        model=model, language="en", vad_model=vad, decoding=decoding, assistant_model=assistant,
        compute_type=compute_type,
    )  # fmt: skip


def hear(model: str, long: Long, decoding: DecodingOptions, vad: str | None) -> str:
    blocks = (Audio(long.samples[at : at + RATE], at / RATE) for at in range(0, len(long.samples), RATE))
    with Session(options(model, decoding, vad)) as session:
        return session.transcribe(blocks).transcript().text


def alone(model: str, long: Long) -> str:
    with Session(options(model, CHUNKED)) as session:
        longest = session.recognizer.max_duration * RATE
        pieces = [one[at : at + int(longest)] for one in long.utterances for at in range(0, len(one), int(longest))]
        return " ".join(segment.text for segment in session.recognizer.recognize([Audio(one) for one in pieces]))


def rate(reference: str, text: str) -> str:
    pair = Pair("long", " ".join(scored_words(reference)), " ".join(scored_words(text)))
    return f"{100 * (score([pair], 'wer', Rules()).counts.rate or 0):.1f} %"


def drafted(corpus: Path, model: str, assistant: str, n: int, compute_type: str) -> Sequence[object]:
    found = []
    utterances = [Audio(read(folder / path)) for folder in map(corpus.__truediv__, TWO) for path in paths(folder)]
    with Session(options(model, CHUNKED)) as session:
        longest = session.recognizer.max_duration
        utterances = [one for one in utterances if one.duration <= longest][: 600 if n > 1 else 100]
    kept = 0.0
    for drafter in (None, assistant):
        with Session(options(model, CHUNKED, assistant=drafter, compute_type=compute_type)) as session:
            inner = getattr(session.recognizer, "recognizer", session.recognizer)
            inner.recognize(utterances[:n])
            begun = time.perf_counter()
            segments = [
                segment for at in range(0, len(utterances), n) for segment in inner.recognize(utterances[at : at + n])
            ]
            found.append((time.perf_counter() - begun, [segment.text for segment in segments]))
            if drafter:
                kept = 100 * inner.decoding.n_right / inner.decoding.n_drafted
    (plain, texts), (faster, same) = found
    n_same = sum(one == other for one, other in zip(texts, same, strict=True))
    return (
        n,
        compute_type,
        len(texts),
        n_same,
        f"{kept:.1f} %",
        f"{plain:.1f} s",
        f"{faster:.1f} s",
        f"{plain / faster:.2f}x",
    )


def paths(folder: Path) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in (folder / "wav.scp").read_text().splitlines()]


if __name__ == "__main__":
    main()
