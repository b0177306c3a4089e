import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.text.normalize import cardinal, scored_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What’s the weather like?", ["what's", "the", "weather", "like"]),
        ("cold-hearted — and 'rather' selfish", ["cold", "hearted", "and", "rather", "selfish"]),
        ("1,250 dollars, not 12", ["one", "thousand", "two", "hundred", "fifty", "dollars", "not", "twelve"]),
        ("in the 1st_place", ["in", "the", "one", "st", "place"]),
        ("Ｆｕｌｌ width", ["full", "width"]),
        (" ... ", []),
    ],
)
def test_words_are_counted_without_marks_and_numbers_are_spelled_out(text, words):
    assert scored_words(text) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"), (13, "thirteen"), (20, "twenty"), (21, "twenty one"), (100, "one hundred"),
        (999, "nine hundred ninety nine"), (1_000_001, "one million one"), (2 * 10**9, "two billion"),
    ],
)  # fmt: skip
def test_numbers_are_said_as_cardinals(number, words):
    assert cardinal(number) == words


@settings(max_examples=100)
@given(st.text(max_size=40))
def test_normalising_twice_is_normalising_once(text):
    words = scored_words(text)
    assert scored_words(" ".join(words)) == words


@settings(max_examples=100)
@given(st.sets(st.integers(0, 10**12), min_size=2, max_size=2))
def test_no_two_numbers_are_said_alike(numbers):
    one, other = numbers
    assert cardinal(one) != cardinal(other)
