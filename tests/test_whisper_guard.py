"""Texts that go in circles are found, people who repeat themselves are not."""

import random

import pytest
from asr_plugins.whisper.guard import LONGEST_UNIT, compression_ratio, repeats
from hypothesis import given, settings
from hypothesis import strategies as st

UNITS = st.lists(st.integers(0, 50_000), min_size=1, max_size=LONGEST_UNIT, unique=True)


@settings(deadline=None)
@given(st.lists(st.integers(0, 50_000), max_size=50), UNITS)
def test_a_unit_that_never_ends_is_found_wherever_it_is_cut(before: list[int], unit: list[int]) -> None:
    circle = unit * (20 if len(unit) <= 3 else 6)
    assert repeats(before + circle)
    assert repeats(before + circle + unit[: len(unit) // 2])


@settings(deadline=None)
@given(UNITS)
def test_what_is_said_four_times_is_no_circle(unit: list[int]) -> None:
    """A refrain."""
    assert not repeats(unit * 4)


@pytest.mark.parametrize("unit", [[1], [1, 2], [1, 2, 3]])
def test_laughter_is_no_circle(unit: list[int]) -> None:
    assert not repeats([7, 8, 9, *unit * 12])  # in tokens that are as short as a syllable
    assert repeats(unit * 20)


def test_a_text_is_no_circle() -> None:
    ids = random.Random(1).choices(range(300), k=224)
    assert not any(repeats(ids[:n]) for n in range(len(ids)))


def test_words_are_compared_like_tokens() -> None:
    assert repeats([" thank", " you", " for", " watching."] * 6)


def test_the_compression_ratio_is_the_released_one() -> None:
    assert compression_ratio(" Thank you." * 40) > 2.4
    assert compression_ratio(" The quick brown fox jumps over the lazy dog.") < 2.4
    assert compression_ratio("哈" * 12) > compression_ratio("今天的天气很好我们去公园走走")
    assert compression_ratio("") == 0.0
