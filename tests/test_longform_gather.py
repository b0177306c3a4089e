"""Utterances heard together: all of them, in their places, in as few chunks as there can be."""

import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.longform.cut import cut
from asr_cli.longform.gather import LONGEST_GAP, gather

RATE = 100
LIMIT = 30.0  # s

# An utterance: the silence before it and its length, in samples, and whether it repeats some of its predecessor.
Spoken = tuple[int, int, bool]

spoken = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 3000), st.booleans()), max_size=40)


def utterances(given_: Sequence[Spoken], start: int = 0) -> list[Audio]:
    """No sample is zero, and each tells its place."""
    made: list[Audio] = []
    at = start
    for gap, length, repeats in given_:
        overlap = min(50, length, len(made[-1].samples)) if repeats and made else 0
        at += -overlap if overlap else gap
        made.append(Audio(ramp(at, length), at / RATE, RATE, overlap / RATE))
        at += length
    return made


def ramp(first: int, n_samples: int) -> np.ndarray:
    return ((np.arange(first, first + n_samples) % 1000) + 1).astype(np.float32)


def first(audio: Audio) -> int:
    return round(audio.start * RATE)


def members(chunks: Sequence[Audio], given_: Sequence[Audio]) -> list[list[Audio]]:
    """The utterances of each chunk, by their places."""
    found: list[list[Audio]] = []
    rest = list(given_)
    for chunk in chunks:
        mine: list[Audio] = []
        while rest and rest[0].end <= chunk.end + 1e-6 and not (mine and rest[0].overlap):
            mine.append(rest.pop(0))
        found.append(mine)
    assert not rest, "not all of them were heard"
    return found


@given(given_=spoken, start=st.integers(0, 36_000 * RATE))
@settings(max_examples=150, deadline=None)
def test_each_sample_of_speech_is_in_its_place_and_zeros_are_everywhere_else(
    given_: Sequence[Spoken], start: int
) -> None:
    said = utterances(given_, start)
    chunks = list(gather(said, LIMIT))
    assert all(chunk.duration <= LIMIT for chunk in chunks)
    for chunk, mine in zip(chunks, members(chunks, said), strict=True):
        assert (chunk.start, chunk.overlap) == (mine[0].start, mine[0].overlap)
        expected = np.zeros(len(chunk.samples), np.float32)
        for one in mine:
            at = first(one) - first(chunk)
            expected[at : at + len(one.samples)] = one.samples
        assert np.array_equal(chunk.samples, expected)


@given(given_=spoken)
@settings(max_examples=150, deadline=None)
def test_no_other_division_has_fewer_chunks(given_: Sequence[Spoken]) -> None:
    said = utterances(given_)
    fewest = [0] + [len(said)] * len(said)  # of the utterances before each place
    for end in range(1, len(said) + 1):
        for begin in range(end):
            if may_be_one(said[begin:end]):
                fewest[end] = min(fewest[end], fewest[begin] + 1)
    assert len(list(gather(said, LIMIT))) == fewest[-1]


def may_be_one(said: Sequence[Audio]) -> bool:
    return (
        said[-1].end - said[0].start <= LIMIT + 1e-6
        and not any(one.overlap for one in said[1:])
        and all(b.start - a.end <= LONGEST_GAP + 1e-6 for a, b in pairwise(said))
    )


@given(
    given_=spoken,
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=5),
    limit=st.sampled_from([4.0, 15.0, 30.0]),
)
@settings(max_examples=60, deadline=None)
def test_however_speech_is_divided_the_chunks_are_the_same(
    given_: Sequence[Spoken], sizes: list[int], limit: float
) -> None:
    speech = utterances([(gap, length, False) for gap, length, _ in given_])
    whole = list(gather(cut(speech, limit), limit))
    divided = list(gather(cut(in_blocks(speech, sizes), limit), limit))
    assert [(c.start, c.overlap, len(c.samples)) for c in divided] == [
        (c.start, c.overlap, len(c.samples)) for c in whole
    ]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(divided, whole, strict=True))


def in_blocks(speech: Sequence[Audio], sizes: Sequence[int]) -> Iterator[Audio]:
    n_made = 0
    for one in speech:
        at = 0
        while at < len(one.samples):
            size = sizes[n_made % len(sizes)]
            yield Audio(one.samples[at : at + size], one.start + at / RATE, RATE)
            at, n_made = at + size, n_made + 1


def test_a_chunk_is_out_as_soon_as_the_next_utterance_does_not_fit() -> None:
    n_pulled = 0

    def pulled() -> Iterator[Audio]:
        nonlocal n_pulled
        for one in utterances([(100, 800, False)] * 10):
            n_pulled += 1
            yield one

    chunks = gather(pulled(), LIMIT)
    assert (next(chunks).duration, n_pulled) == (26.0, 4)
    assert (next(chunks).duration, n_pulled) == (26.0, 7)


@pytest.mark.parametrize(("gap", "n_chunks"), [(LONGEST_GAP, 1), (LONGEST_GAP + 0.01, 2)])
def test_a_long_silence_is_not_heard(gap: float, n_chunks: int) -> None:
    assert len(list(gather(utterances([(0, 100, False), (round(gap * RATE), 100, False)]), LIMIT))) == n_chunks


def test_a_repeated_stretch_stays_at_the_beginning_of_its_chunk() -> None:
    said = utterances([(0, 1000, False), (50, 500, False), (0, 900, True), (10, 300, False)])
    chunks = list(gather(said, LIMIT))
    assert [(c.start, c.end, c.overlap) for c in chunks] == [(0.0, 15.5, 0.0), (15.0, 27.1, 0.5)]


def test_one_alone_passes_as_it_is() -> None:
    said = utterances([(0, 3000, False), (600, 3000, False)])
    assert all(a is b for a, b in zip(gather(said, LIMIT), said, strict=True))


def test_times_do_not_drift_in_ten_hours() -> None:
    """Starts that are no multiple of a sample: every utterance lies where its own start says."""
    rate, step = 16_000, 1.0001
    said = [Audio(np.ones(8, np.float32), 36_000 - 40 + index * step, rate) for index in range(40)]
    for chunk in gather(said, LIMIT):
        begins = np.flatnonzero(np.diff(chunk.samples, prepend=0.0) > 0) / rate + chunk.start
        assert all(
            abs((begin - said[0].start) / step - round((begin - said[0].start) / step)) < 1e-4 for begin in begins
        )


def test_ten_hours_take_no_more_memory_than_one_chunk() -> None:
    block = np.ones(25 * RATE, np.float32)
    chunk_bytes = round(LIMIT * RATE) * block.itemsize
    speech = (Audio(block[: RATE * (3 + index % 7)], index * 10.0, RATE) for index in range(3600))
    tracemalloc.start()
    try:
        seconds = sum(chunk.duration for chunk in gather(speech, LIMIT))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds > 3 * 3600 and peak < 4 * chunk_bytes
