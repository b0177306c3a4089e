"""Cutting speech: within the limit, at a pause if there is one, the same however it was handed over."""

import json
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr_cli.audio import Audio
from asr_cli.errors import UsageError
from asr_cli.longform.cut import cut

RATE = 16_000


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def blocks(samples: NDArray[np.float32], sizes: list[int], start: float = 0.0) -> list[Audio]:
    made: list[Audio] = []
    at = 0
    while at < len(samples):
        size = sizes[len(made) % len(sizes)]
        made.append(Audio(samples[at : at + size], start + at / RATE))
        at += size
    return made


def covers(pieces: list[Audio], samples: NDArray[np.float32]) -> bool:
    fresh = [piece.samples[round(piece.overlap * RATE) :] for piece in pieces]
    return np.array_equal(np.concatenate(fresh), samples)


def test_what_fits_passes_as_it_is() -> None:
    speech = [Audio(noise(3), 1.0), Audio(noise(10), 5.0)]
    out = list(cut(speech, 10.0))
    assert [(a.start, a.duration, a.overlap) for a in out] == [(1.0, 3.0, 0.0), (5.0, 10.0, 0.0)]
    assert all(a.samples is b.samples for a, b in zip(out, speech, strict=True))


def test_a_pause_is_cut_in_its_middle_without_overlap() -> None:
    samples = noise(14)
    samples[round(7.5 * RATE) : round(8.1 * RATE)] *= 0.001
    first, second = cut([Audio(samples)], 10.0)
    assert (first.overlap, second.overlap) == (0.0, 0.0)
    assert first.end == second.start == pytest.approx(7.8, abs=0.15)
    assert covers([first, second], samples)


def test_without_a_pause_the_pieces_overlap_around_the_quietest_place() -> None:
    samples = noise(14)
    samples[round(7.0 * RATE) : round(7.4 * RATE)] *= 0.5
    first, second = cut([Audio(samples, 100.0)], 10.0, overlap=2.0)
    assert second.overlap == pytest.approx(2.0)
    assert second.start + second.overlap == pytest.approx(first.end)
    assert second.start + 1.0 == pytest.approx(107.2, abs=0.15)
    assert covers([first, second], samples)


def test_a_pause_too_near_the_end_is_passed_over_so_that_no_scrap_is_left() -> None:
    samples = noise(11)
    samples[round(8.7 * RATE) : round(9.0 * RATE)] *= 0.001
    first, second = cut([Audio(samples)], 10.0)
    assert (first.duration <= 10.0, second.duration >= 2.5) == (True, True)


def test_an_offset_does_not_hide_a_pause() -> None:
    samples = noise(14)
    samples[round(7.5 * RATE) : round(8.1 * RATE)] *= 0.001
    assert [piece.overlap for piece in cut([Audio(samples + np.float32(0.3))], 10.0)] == [0.0, 0.0]


@given(
    seconds=st.floats(0.1, 40),
    limit=st.floats(1.0, 12.0),
    sizes=st.lists(st.integers(1600, 60_000), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_pieces_fit_cover_everything_and_never_depend_on_the_blocks(
    seconds: float, limit: float, sizes: list[int]
) -> None:
    samples = noise(seconds)
    samples *= np.repeat(np.random.default_rng(1).choice([1.0, 0.3, 0.001], len(samples) // 3200 + 1), 3200)[
        : len(samples)
    ]
    whole = list(cut([Audio(samples, 3.0)], limit))
    assert all(piece.duration <= limit + 1e-9 for piece in whole)
    assert covers(whole, samples)
    assert all(b.start + b.overlap == pytest.approx(a.end, abs=1e-6) for a, b in pairwise(whole))
    if len(whole) > 1:
        assert min(piece.duration for piece in whole) > limit / 4 - 0.2, "a scrap was left over"
    parts = list(cut(blocks(samples, sizes, 3.0), limit))
    assert [(p.start, p.duration, p.overlap) for p in parts] == [(w.start, w.duration, w.overlap) for w in whole]
    assert all(np.array_equal(p.samples, w.samples) for p, w in zip(parts, whole, strict=True))


def test_stretches_that_touch_are_one_and_others_are_not() -> None:
    speech = [Audio(noise(2), 0.0), Audio(noise(2), 2.0), Audio(noise(2), 4.5)]
    assert [(a.start, a.duration) for a in cut(speech, 10.0)] == [(0.0, 4.0), (4.5, 2.0)]


def test_an_endless_stretch_is_cut_as_it_comes() -> None:
    n_pulled = 0

    def endless() -> Iterator[Audio]:
        nonlocal n_pulled
        while True:
            n_pulled += 1
            yield Audio(noise(0.5, seed=n_pulled), (n_pulled - 1) * 0.5)

    pieces = cut(endless(), 10.0)
    for _ in range(20):
        piece = next(pieces)
        assert n_pulled * 0.5 - piece.end <= 10.0, "more is held than a cut needs to see"


def test_a_recogniser_without_a_limit_gets_the_stretch_whole() -> None:
    assert [a.duration for a in cut(blocks(noise(30), [8000]), float("inf"))] == [30.0]


def test_digital_silence_and_an_overlap_longer_than_the_pieces_are_no_trouble() -> None:
    silence = np.zeros(20 * RATE, np.float32)
    pieces = list(cut([Audio(silence)], 3.0, overlap=60.0))
    assert all(piece.duration <= 3.0 for piece in pieces)
    assert covers(pieces, silence)


def test_one_sample_and_none_pass() -> None:
    assert [len(a.samples) for a in cut([Audio(noise(0)), Audio(np.ones(1, np.float32), 5.0)], 10.0)] == [
        0,
        1,
    ]


@pytest.mark.parametrize(("limit", "overlap"), [(0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (10.0, -1.0)])
def test_impossible_limits_are_refused(limit: float, overlap: float) -> None:
    with pytest.raises(UsageError):
        list(cut([Audio(noise(1))], limit, overlap=overlap))


@pytest.mark.shared
def test_a_cut_without_overlap_never_goes_through_a_real_word(shared: Path) -> None:
    n_cuts = 0
    for path in sorted((shared / "data/audio/en").glob("librivox*.align.json")):
        aligned = json.loads(path.read_text())["w"]
        words = [(word["b"], word["b"] + word["d"]) for word in aligned if not word["t"].startswith("<")]
        with wave.open(str(path).replace(".align.json", ".wav")) as file:
            rate = file.getframerate()
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        speech = Audio((pcm / 32768).astype(np.float32), 0.0, rate)
        for limit in np.arange(1.5, 6.0, 0.25):
            for piece in list(cut([speech], float(limit)))[1:]:
                if piece.overlap:
                    continue
                n_cuts += 1
                # The aligner counts a closure with its plosive, up to a tenth of a second.
                assert not any(start + 0.1 < piece.start < end - 0.1 for start, end in words), path.name
    assert n_cuts > 10
