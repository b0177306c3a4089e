"""What stitching costs as words grow: python tests/benchmarks/stitch_cost.py.

Two tables: a long recording in 30 s pieces that overlap by 2 s, and one overlap that holds all the words.
"""

import random
import time
from collections.abc import Callable

from asr_cli.longform.stitch import stitch
from asr_cli.transcript import Segment, Word

STEP = 0.3  # s a word
WORDS = [" the", " quick", " brown", " fox", " jumps", " over", " no", " no", " lazy", " dog"]


def said(first: int, last: int, rng: random.Random) -> tuple[Word, ...]:
    return tuple(
        Word(WORDS[n * n % 10], n * STEP + (off := rng.uniform(0, 0.05)), n * STEP + off + 0.25)
        for n in range(first, last)
    )


def long_recording(n_words: int) -> list[Segment]:
    rng = random.Random(0)
    length, shared = 100, 7
    pieces = [Segment(said(0, length, rng))]
    for first in range(length - shared, n_words, length - shared):
        last = min(first + length, n_words)
        pieces.append(Segment(said(first, last, rng), overlap=(first * STEP, (first + shared) * STEP)))
    return pieces


def one_overlap(n_words: int) -> list[Segment]:
    rng = random.Random(0)
    words = said(0, n_words, rng), said(0, n_words, rng)
    return [Segment(words[0]), Segment(words[1], overlap=(0.0, n_words * STEP))]


def main() -> None:
    tables: dict[str, Callable[[int], list[Segment]]] = {
        "30 s pieces, 2 s overlaps": long_recording,
        "one overlap of everything": one_overlap,
    }
    for title, make in tables.items():
        print(title)
        for n_words in (1_000, 10_000, 100_000):
            pieces = make(n_words)
            began = time.perf_counter()
            n_out = sum(len(segment.words) for segment in stitch(pieces))
            took = time.perf_counter() - began
            print(f"  {n_words:>7,} words  {took:8.3f} s  {took / n_words * 1e6:6.1f} µs a word  {n_out:,} out")


if __name__ == "__main__":
    main()
