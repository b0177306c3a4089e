"""English numbers that belong together, written alike: 10 to 15, but twenty to thirty thousand and twenty to six."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from asr_cli.text.edits import Edit
from asr_cli.text.english_readings import plain, values
from asr_cli.text.normalize import UNITS

LINK = re.compile(r",? (?:(to|or|and) )?", re.IGNORECASE)
MERIDIEM = re.compile(r" (?:[AP]M|pm|[ap] m|[ap]\.m\.)(?![A-Za-z])")
O_CLOCK = re.compile(r" o(?:['’]| )?clock\b", re.IGNORECASE)
LAST_MINUTE = 30  # said as so many minutes to the next hour


@dataclass(frozen=True, slots=True)
class Numeral:
    """What may be one number: `said` in lower case, from `start` to `end` of the text, and what stands around it."""

    said: str
    start: int
    end: int
    before: str
    after: str


def agreeing(numerals: list[Numeral], edits: list[Edit | None], text: str) -> Iterator[Edit]:
    """The edits, but numbers that belong together written alike: 10 to 15, twenty to thirty thousand."""
    result = list(edits)
    shared = 0  # what a number to the left has to be below to share the thousand of the right one
    for i in reversed(range(len(numerals) - 1)):
        left, right = numerals[i], numerals[i + 1]
        link = LINK.fullmatch(text[left.end : right.start])
        shared = shared_from(right, result[i + 1]) or (shared if result[i + 1] is None else 0) if link else 0
        is_part = shared and values().get(plain(left.said), shared) < shared
        if link and (is_part or is_time(left, right, link, result[i + 1])):
            result[i] = result[i + 1] = None
        elif link and link[1] and (link[1].lower() != "and" or left.before.lower().endswith("between ")):
            result[i], result[i + 1] = alike(left, right, result[i], result[i + 1])
    yield from (edit for edit in result if edit)


def shared_from(right: Numeral, edit: Edit | None) -> int:
    """
    >>> shared_from(Numeral("thirty thousand", 0, 15, "", ""), Edit(0, 15, "30000"))
    30
    """
    said = plain(right.said)
    amount = re.sub(" (?:hundred|thousand)$", "", said)
    if amount == said or (edit and edit.end < right.end):
        return 0
    return values().get(amount, 10**6)


def is_time(left: Numeral, right: Numeral, link: re.Match[str], edit: Edit | None) -> bool:
    """Whether it is so many minutes to an hour, or odds (twenty to one), and in words either way."""
    if (link[1] or "").lower() != "to" or right.said not in UNITS[1:13]:
        return False
    if edit and not (MERIDIEM.match(right.after) or O_CLOCK.match(right.after)):
        return False  # twenty to ten percent
    return UNITS.index(right.said) < values().get(plain(left.said), 0) <= LAST_MINUTE


def alike(left: Numeral, right: Numeral, one: Edit | None, other: Edit | None) -> tuple[Edit | None, Edit | None]:
    """Both in digits where one is; and 10 to 15 dollars, for 10 to $15 is no way to write it."""
    if other and other.text[0] in "$€£¥" and (one is None or one.text.isdigit()) and not other.text[1:].count(" "):
        other = Edit(right.start, right.end, other.text[1:])
    if one is None and other and left.said in UNITS[2:13] and other.text[0].isdigit():
        one = Edit(left.start, left.end, str(UNITS.index(left.said)))
    elif other is None and one and right.said in UNITS[2:13] and values().get(plain(left.said), 100) < 100:
        other = Edit(right.start, right.end, str(UNITS.index(right.said)))
    return one, other
