"""Whatever was said, digits are read back as exactly the words that they stand for."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.text.chinese_readings import is_cardinal as is_chinese_cardinal
from asr_cli.text.english_readings import is_amount
from asr_cli.text.itn import Normalize, in_digits, wetext_normalize
from asr_cli.text.words import Piece, join
from asr_cli.transcript import Word

UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
HAN = "零一二三四五六七八九"


@cache
def normalize() -> Normalize:
    return wetext_normalize()


def english(number: int) -> str:
    """The number in words, with "and" wherever British English has it."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        return TENS[number // 10] + (f" {UNITS[number % 10]}" if number % 10 else "")
    size, name = next(pair for pair in ((10**6, "million"), (1000, "thousand"), (100, "hundred")) if number >= pair[0])
    whole, rest = divmod(number, size)
    gap = " and " if 0 < rest < 100 else " "
    return f"{english(whole)} {name}" + (gap + english(rest) if rest else "")


def ordinal(number: int) -> str:
    *rest, last = english(number).split()
    ending = ORDINALS.get(last, "twelfth" if last == "twelve" else re.sub("y$", "ie", last) + "th")
    return " ".join((*rest, ending))


def without_and(said: str) -> str:
    return re.sub(r"\b(hundred|thousand|million) and ", r"\1 ", re.sub("^a ", "one ", said))


def english_readings(written: str) -> Iterator[str]:
    """All that may be said for what is written, without "and"."""
    number = re.sub(r"\D", "", written)
    if written[0] == "$":
        yield from (f"{said} dollar{'s' * (said != 'one')}" for said in english_readings(written[1:]))
    elif written[-1] == "%":
        yield from (f"{said} percent" for said in english_readings(written[:-1]))
    elif found := re.fullmatch(r"(\S+) (million)", written):
        yield from (f"{said} million" for said in english_readings(found[1]))
    elif found := re.fullmatch(r"(\d+)\.(\d+)", written):
        yield from (f"{without_and(english(int(found[1])))} point {said}" for said in one_by_one(found[2]))
    elif found := re.fullmatch(r"(\d+):(\d\d)", written):
        hour, minute = english(int(found[1])), english(int(found[2]))
        yield from (f"{hour} {minute}",) if int(found[2]) > 9 else (f"{hour} oh {minute}", f"{hour} o'clock")
    elif written[-1].isalpha():
        yield without_and(ordinal(int(number)))
    else:
        yield from one_by_one(number)
        yield from english_whole(written)


def english_whole(written: str) -> Iterator[str]:
    if not written.isdigit() or str(int(written)) != written:
        return
    yield without_and(english(int(written)))
    century, rest = divmod(int(written), 100)
    if 1300 <= int(written) <= 2099:
        yield f"{english(century)} {'oh ' * (rest < 10)}{english(rest)}"
    if 10 < century < 100:
        yield f"{english(century)} hundred" + (f" {english(rest)}" if rest else "")


def one_by_one(digits: str) -> Iterator[str]:
    yield from (
        " ".join(words) for words in product(*(("zero", "oh") if d == "0" else (UNITS[int(d)],) for d in digits))
    )


def chinese(number: int) -> str:
    if number < 10:
        return HAN[number]
    size, unit = next(
        p for p in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")) if number >= p[0]
    )
    whole, rest = divmod(number, size)
    return chinese(whole) + unit + ("零" if 0 < rest < size // 10 else "") + (chinese(rest) if rest else "")


def chinese_readings(written: str) -> Iterator[str]:
    """All that may be said for what is written, with 二 for 两 and 一十 for 十."""
    if written[-1] == "%":
        yield from (f"百分之{said}" for said in chinese_readings(written[:-1]))
    elif "/" in written:
        upper, lower = map(int, written.split("/"))
        yield f"{chinese(lower)}分之{chinese(upper)}"
    elif "." in written:
        whole, fraction = written.split(".")
        yield f"{chinese(int(whole))}点{''.join(HAN[int(d)] for d in fraction)}"
    elif ":" in written:
        hour, minute = map(int, written.split(":"))
        said = f"{chinese(hour)}点{'零' * (minute < 10)}{chinese(minute)}"
        yield from (said, f"{said}分", said.replace("三十", "半"), f"{chinese(hour)}比{chinese(minute)}")
    else:
        yield "".join(HAN[int(d)] for d in written)
        said = chinese(int(written))
        yield from (said, f"零{said}", re.sub("(?<=[万千百].)[千百十]$", "", said))


def canonical(said: str) -> str:
    return re.sub("(?<![一二三四五六七八九])十", "一十", said.replace("两", "二"))


def heard(text: str) -> tuple[Word, ...]:
    return join(Piece(token, float(i), i + 0.75) for i, token in enumerate(text.split()))


def assert_reads_back(text: str) -> None:
    words = heard(text)
    for word in in_digits(words, normalize()):
        if any(word is old for old in words):
            continue
        said = "".join(old.text for old in words if word.start <= old.start and old.end <= word.end).strip(" ,，")
        written = word.text.strip(" ,，")
        if said.isascii():
            assert without_and(said) in set(map(without_and, english_readings(written))), (text, said, written)
        else:
            assert canonical(said) in set(chinese_readings(written)), (text, said, written)


def decimals(speak: str) -> st.SearchStrategy[str]:
    fractions = st.text("0123456789", min_size=1, max_size=3)
    if speak == "en":
        spoken = fractions.map(lambda digits: " ".join(UNITS[int(d)] for d in digits))
        return st.builds("{} point {}".format, st.integers(0, 2000).map(english), spoken)
    spoken = fractions.map(lambda digits: "".join(HAN[int(d)] for d in digits))
    return st.builds("{}点{}".format, st.integers(0, 2000).map(chinese), spoken)


WHOLE = st.one_of(st.integers(0, 99), st.integers(0, 9999), st.integers(0, 99_999_999))
DIGITS = st.lists(st.integers(0, 9), min_size=1, max_size=11)
HALVES = st.tuples(st.integers(1, 24), st.integers(1, 99))
ENGLISH = st.one_of(
    WHOLE.map(english),
    WHOLE.map(english).map(without_and),
    DIGITS.map(lambda digits: " ".join(UNITS[d] for d in digits)),
    HALVES.map(lambda pair: f"{english(pair[0])} {'oh ' * (pair[1] < 10)}{english(pair[1])}"),
    st.integers(1, 199).map(ordinal),
    st.integers(0, 100).map(lambda number: f"{english(number)} percent"),
    WHOLE.map(lambda number: f"{english(number)} dollars"),
    st.integers(1, 12).map(lambda hour: f"{english(hour)} o'clock"),
    decimals("en"),
)
CHINESE = st.one_of(
    WHOLE.map(chinese),
    WHOLE.map(chinese).map(lambda said: re.sub("二(?=[百千万])", "两", said)),
    DIGITS.map(lambda digits: "".join(HAN[d] for d in digits)),
    HALVES.map(lambda pair: f"{chinese(pair[0])}点{'零' * (pair[1] < 10)}{chinese(pair[1])}分"),
    st.tuples(st.integers(1, 12), st.integers(2, 120)).map(lambda pair: f"{chinese(pair[1])}分之{chinese(pair[0])}"),
    st.integers(0, 100).map(lambda number: f"百分之{chinese(number)}"),
    st.tuples(st.integers(1, 12), st.integers(1, 31)).map(lambda day: f"{chinese(day[0])}月{chinese(day[1])}日"),
    decimals("zh"),
)


@settings(deadline=None, max_examples=200)
@given(
    ENGLISH, st.sampled_from(("", "and", "or", "to", "people", "at", "in", ",")), ENGLISH, st.sampled_from(("", "pm"))
)
def test_english_numbers_side_by_side_read_back_as_what_was_said(one: str, between: str, other: str, end: str) -> None:
    assert_reads_back(f"{one} {between} {other} {end}")


@settings(deadline=None, max_examples=200)
@given(
    CHINESE,
    st.sampled_from(("", "到", "和", "比", "年", "个人", "，")),
    CHINESE,
    st.sampled_from(("", "块", "个", "来")),
)
def test_chinese_numbers_side_by_side_read_back_as_what_was_said(one: str, between: str, other: str, end: str) -> None:
    assert_reads_back(" ".join(one + between + other + end))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from((*UNITS, *TENS[2:], "hundred", "thousand", "million", "a", "and", "oh", "point")), max_size=9
    )
)
def test_any_row_of_english_number_words_reads_back(tokens: list[str]) -> None:
    assert_reads_back(" ".join(tokens))


@settings(deadline=None, max_examples=200)
@given(st.text("一二三五十百千万零两点分", max_size=7))
def test_any_row_of_chinese_number_words_reads_back(said: str) -> None:
    assert_reads_back(" ".join(said))


@pytest.mark.parametrize(
    ("said", "written"),
    [("flight two seventy nine", "2709"), ("fifty fifty", "5050"), ("one hundred two hundred", "300")],
)
def test_what_would_be_read_otherwise_is_not_written(said: str, written: str) -> None:
    words = heard(said)
    assert in_digits(words, lambda text, language: written) is words
    assert not is_amount(said, written)


def test_one_word_off_is_no_reading() -> None:
    assert not is_chinese_cardinal("三百零二十", "320")
    assert not is_chinese_cardinal("三百二十", "0320")
    assert is_chinese_cardinal("三百二十", "320")
