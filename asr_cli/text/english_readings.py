"""Whether what was said in English is how digits are read. Nothing is guessed: one word off is no."""

import re
from functools import lru_cache

from asr_cli.text.normalize import TENS, UNITS, cardinal

ZERO = ("zero", "oh", "o")
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
LARGE = ("million", "billion", "trillion")
# "two hundred and five", "two thousand and twenty four": "and" only before the last part below a hundred.
AND = re.compile(r"\b(hundred|thousand|million|billion) and (?!\w+ (?:hundred)\b)(?!(?:zero|oh|o)\b)")


def plain(said: str) -> str:
    """The same number in the words of `cardinal`.

    >>> plain("a hundred and twenty"), plain("five thousand and two hundred")
    ('one hundred twenty', 'five thousand and two hundred')
    """
    return AND.sub(r"\1 ", re.sub("^a ", "one ", said))


def is_amount(said: str, written: str) -> bool:
    """A number of things, with a fraction in tenths or a large unit in words where it is written so.

    >>> is_amount("two point five million", "2.5 million"), is_amount("two seventy nine", "279")
    (True, False)
    """
    number, _, scale = written.partition(" ")
    if scale:
        return scale in LARGE and said.endswith(f" {scale}") and is_amount(said.removesuffix(f" {scale}"), number)
    if "." in number:
        whole, _, fraction = said.partition(" point ")
        before, _, after = number.partition(".")
        return is_cardinal(whole, before) and is_digits(fraction, after)
    return is_cardinal(said, number) or is_hundreds(said, number)


def is_cardinal(said: str, written: str) -> bool:
    return is_number(written) and str(int(written)) == written and plain(said) == cardinal(int(written))


def is_hundreds(said: str, written: str) -> bool:
    """Twelve hundred."""
    if not is_number(written) or not 1100 <= int(written) <= 9999:
        return False
    hundreds, rest = divmod(int(written), 100)
    words = f"{cardinal(hundreds)} hundred" + (f" {cardinal(rest)}" if rest else "")
    return hundreds % 10 != 0 and plain(said) == words


def is_year(said: str, written: str) -> bool:
    """A year of its two halves, or what looks like one.

    >>> is_year("nineteen eighty four", "1984"), is_year("nineteen oh five", "1905"), is_year("fifty fifty", "5050")
    (True, True, False)
    """
    if not is_number(written) or not 1300 <= int(written) <= 2099:
        return False
    century, rest = divmod(int(written), 100)
    ends = [cardinal(rest)] if rest > 9 else [f"{zero} {UNITS[rest]}" for zero in ("oh", "o")] if rest else []
    return said in [f"{cardinal(century)} {end}" for end in ends]


def is_decade(said: str, written: str) -> bool:
    if not re.fullmatch(r"(?:1[3-9]|20)\d0s", written):
        return False
    century, tens = int(written[:2]), int(written[2])
    plural = "hundreds" if tens == 0 else "tens" if tens == 1 else TENS[tens].removesuffix("y") + "ies"
    return said == f"{cardinal(century)} {plural}"


def is_ordinal(said: str, written: str) -> bool:
    """
    >>> is_ordinal("twenty third", "23rd"), is_ordinal("one hundred and twelfth", "112th"), is_ordinal("ninth", "9th")
    (True, True, True)
    """
    number = re.sub("(?:st|nd|rd|th)$", "", written)
    if number == written or not is_number(number):
        return False
    *rest, last = cardinal(int(number)).split()
    return plain(said) == " ".join((*rest, ordinal(last)))


def ordinal(word: str) -> str:
    return ORDINALS.get(word, f"{word.removesuffix('y')}ieth" if word.endswith("y") else f"{word}th")


def is_digits(said: str, written: str) -> bool:
    """Digits one by one, in whatever groups they are written.

    >>> is_digits("five five five oh one two three", "555-0123"), is_digits("two seven", "270")
    (True, False)
    """
    digits = re.sub("[- ]", "", written)
    return is_number(digits) and [digit_of(word) for word in said.split()] == list(digits)


def digit_of(word: str) -> str:
    return "0" if word in ZERO else str(UNITS.index(word)) if word in UNITS[:10] else ""


def is_clock(said: str, written: str) -> bool:
    """
    >>> is_clock("six thirty", "6:30"), is_clock("six oh five", "6:05"), is_clock("six", "6:00")
    (True, True, True)
    """
    hour, _, minute = written.partition(":")
    if not is_number(hour) or not is_number(minute) or int(hour) > 12 or int(minute) > 59:
        return False
    ends = [f" {cardinal(int(minute))}"] if int(minute) > 9 else [f" {zero} {cardinal(int(minute))}" for zero in ZERO]
    return said in [f"{cardinal(int(hour))}{end}" for end in (ends if int(minute) else [""])]


def is_number(written: str) -> bool:
    return written.isascii() and written.isdigit()


@lru_cache(1)
def values() -> dict[str, int]:
    """What the numbers below a thousand are worth."""
    return {cardinal(number): number for number in range(1000)}
