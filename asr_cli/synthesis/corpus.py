"""A corpus of synthesised speech with the times of its words, as a Kaldi data folder.

wav.scp (paths from the folder itself), text, utt2spk, utt2dur, and words.ctm: recording, channel, start, duration,
word, in seconds from the recording's beginning. Recordings are WAV, 16 kHz, mono, 16 bits. The same seed makes the same
corpus, by any number of processes; a command that was broken off and is given again makes what is missing.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asr_cli.errors import AsrError, UsageError
from asr_cli.synthesis import recordings
from asr_cli.synthesis.recordings import SPLITS, Order
from asr_cli.synthesis.scenes import RATE
from asr_cli.synthesis.speakers import require

SHARD_SECONDS = 300  # made in one go and kept; what a broken-off run loses is less
PARTS = "parts"


@dataclass(frozen=True, slots=True)
class Utterance:
    """A line of each of the tables."""

    name: str
    path: str
    speaker: str
    duration: float
    words: tuple[str, ...]
    times: tuple[tuple[float, float], ...]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m asr_cli.synthesis", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--hours", type=float, help="how much, a recording a sentence")
    length.add_argument("--long", type=float, metavar="MINUTES", help="one recording of many sentences instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=SPLITS, default="train", help="whose sentences and voices")
    parser.add_argument("--voices", nargs="+", default=[], metavar="VOICE", help="others: espeak:en-us+f3 flite:slt")
    parser.add_argument(
        "--clean", action="store_true", help="without rooms and noises; the same words by the same people"
    )
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    seconds = 3600 * given.hours if given.long is None else 60 * given.long
    if seconds <= 0:
        parser.error("there is nothing to make; give --hours or --long more than 0")
    order = Order(given.split, seconds, given.seed, given.long is not None, given.clean, tuple(given.voices))
    began = time.monotonic()
    try:
        utterances = make(order, given.out, given.processes)
    except AsrError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(report(utterances, time.monotonic() - began), file=sys.stderr)


def make(order: Order, folder: Path, processes: int) -> list[Utterance]:
    """The corpus in `folder`, whole; parts of it that an earlier call has made are taken as they are."""
    require()
    keep(order, folder)
    n_shards = 1 if order.is_long else -int(-order.seconds // SHARD_SECONDS)
    missing = [(order, folder, shard) for shard in range(n_shards) if not part(folder, shard).exists()]
    # A shard has a fresh process to itself: espeak-ng's noises depend on all that it said before.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(processes, maxtasksperchild=1) as pool:
        pool.starmap(make_shard, missing, chunksize=1)
    utterances = [utterance for shard in range(n_shards) for utterance in kept(folder, shard)]
    write_tables(folder, sorted(utterances, key=lambda utterance: utterance.name))
    return utterances


def keep(order: Order, folder: Path) -> None:
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    path, text = folder / PARTS / "order.json", json.dumps(asdict(order))
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise UsageError(f"{str(folder)!r} was begun with other options; give the same again or another --out")


def part(folder: Path, shard: int) -> Path:
    return folder / PARTS / f"{shard:05d}.jsonl"


def kept(folder: Path, shard: int) -> Iterator[Utterance]:
    for line in part(folder, shard).read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        words, times = tuple(fields.pop("words")), tuple(map(tuple, fields.pop("times")))
        yield Utterance(**fields, words=words, times=times)


def make_shard(order: Order, folder: Path, shard: int) -> None:
    """A piece of the corpus, complete once its list is there."""
    torch.set_num_threads(1)
    seconds = min(SHARD_SECONDS, order.seconds - shard * SHARD_SECONDS)
    makes = [recordings.long(order)] if order.is_long else recordings.short(order, shard, seconds)
    (folder / "wav" / f"{shard:05d}").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (speaker, words, times, samples) in enumerate(makes):
        name = f"{speaker}-{order.split}-{shard:05d}-{number:04d}"
        path = f"wav/{shard:05d}/{name}.wav"
        write_wav(folder / path, samples)
        times = tuple((round(start, 3), round(end, 3)) for start, end in times)
        utterance = Utterance(name, path, speaker, len(samples) / RATE, tuple(words), times)
        lines.append(json.dumps(asdict(utterance)))
    partial = part(folder, shard).with_suffix(".part")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(part(folder, shard))


def write_wav(path: Path, samples: Tensor) -> None:
    with wave.open(os.fspath(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes((samples.numpy() * 32767).round().astype(np.dtype("<i2")).tobytes())


def write_tables(folder: Path, utterances: Sequence[Utterance]) -> None:
    tables = {
        "wav.scp": [f"{u.name} {u.path}" for u in utterances],
        "text": [f"{u.name} {' '.join(u.words)}" for u in utterances],
        "utt2spk": [f"{u.name} {u.speaker}" for u in utterances],
        "utt2dur": [f"{u.name} {u.duration:.3f}" for u in utterances],
        "words.ctm": [
            f"{u.name} 1 {start:.3f} {end - start:.3f} {word}"
            for u in utterances
            for word, (start, end) in zip(u.words, u.times, strict=True)
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def report(utterances: Sequence[Utterance], took: float) -> str:
    seconds = sorted(utterance.duration for utterance in utterances)
    words = {word for utterance in utterances for word in utterance.words}
    hours = sum(seconds) / 3600
    return (
        f"{hours:.2f} hours in {len(seconds)} recordings of {seconds[0]:.1f} to {seconds[-1]:.1f} s"
        f" (median {seconds[len(seconds) // 2]:.1f} s), {len({u.speaker for u in utterances})} speakers,"
        f" {len(words)} different words, {hours / took * 60:.1f} hours a minute"
    )
