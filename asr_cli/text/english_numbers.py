"""Where English says a number, and how it is written in running text.

The library says what the digits are; they are written only if they are read as exactly what was said, and if what
stands around them leaves no other meaning: "two seventy nine", "room four twelve" and "twenty to thirty thousand" stay.
Small numbers stay where the library leaves them, and so do the words around a number: 6 feet, 10 people.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from asr_cli.text.edits import Edit
from asr_cli.text.english_ranges import MERIDIEM, O_CLOCK, Numeral, agreeing
from asr_cli.text.english_readings import (
    digit_of,
    is_amount,
    is_clock,
    is_decade,
    is_digits,
    is_ordinal,
    is_year,
    ordinal,
)
from asr_cli.text.normalize import TENS, UNITS

SCALES = ("hundred", "thousand", "million", "billion", "trillion")
CARDINALS = (*UNITS, *TENS[2:], *SCALES)
ORDINALS = tuple(map(ordinal, CARDINALS))
PLURALS = tuple(re.sub("ys$", "ies", re.sub("xs$", "xes", f"{word}s")) for word in (*CARDINALS, *ORDINALS))
# Also what is no number itself, but would be cut off from one: "two thirds", "double seven". Not the seconds of time.
WORDS = {*CARDINALS, *ORDINALS, *PLURALS, "oh", "half", "halves", "quarters", "double", "triple"} - {"seconds"}
SCALE = f"(?:{'|'.join(SCALES)})"
ATOM = rf"(?:{'|'.join(sorted(WORDS, key=len, reverse=True))}|o(?! clock)|a(?= {SCALE}\b))(?:['’]s)?(?![A-Za-z0-9'’])"
RUN = re.compile(rf"(?<![A-Za-z0-9'’]){ATOM}(?:[ -]+(?:(?:and|point)[ -])?{ATOM})*", re.IGNORECASE)
KEPT = re.compile(r"\b(?:twenty[ -]four[ -]seven|(?:nine|seven)[ -]eleven)\b", re.IGNORECASE)

PERCENT = re.compile(r" (?:percent|per cent)\b", re.IGNORECASE)
CURRENCY = "(?:dollar|euro|pound|yen|cent)s?"
MONEY = re.compile(rf" ({CURRENCY})\b(?!['’])", re.IGNORECASE)
DAYTIME = re.compile(r" (?:in the (?:morning|afternoon|evening)|at night)\b", re.IGNORECASE)
MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
AT = re.compile(r"\b(?:at|by|until|till|since|before|after|around|about|from) $", re.IGNORECASE)
AT_ONLY = re.compile(r"\bat $", re.IGNORECASE)
IN = re.compile(
    rf"\b(?:in|since|of|years?|circa|until|till|before|after|from|around|spring|summer|autumn|winter|"
    rf"(?:{MONTHS})(?: [a-z-]+){{0,3}}) $",
    re.IGNORECASE,
)
# First or third by name, however many there are: twenty third party apps, fifty first aid kits.
COMPOUND = re.compile(
    r"[ -](?:aid|base|baseman|basemen|born|choice|class|cousins?|dates?|degree|draft|edition|ever|gear|gen|generation|"
    r"grade|graders?|half|hand|lady|ladies|language|lieutenants?|light|love|mate|movers?|names?|nations?|night|"
    r"offenders?|officers?|order|party|parties|past|persons?|place|prizes?|quarter|rank|rate|refusal|responders?|round|"
    r"row|sergeants?|step|strike|string|team|tier|times?|timers?|violins?|wave|wheels?|wives|world|year)(?![a-z])",
    re.IGNORECASE,
)
SCHOOL = re.compile(r"[ -](?:graders?|grade|formers?|form|generation)(?![a-z])", re.IGNORECASE)  # fifty fifth graders
# After these comes the hour: twenty past six.
HOUR = f"(?:past|(?:after|before|till?|until) (?:{'|'.join(UNITS[1:13])}))"
IN_MONTH = re.compile(rf"\b(?:{MONTHS}) (?:the )?$", re.IGNORECASE)
DAY = re.compile(rf"((?:(?:twenty|thirty)[ -])?(?:{'|'.join(ORDINALS)})) (?=.)", re.IGNORECASE)
# No thing that could be counted: the number ends here.
GOES_ON = re.compile(
    r"(?![ -]*[A-Za-z0-9])|[ ](?:in|on|at|to|for|with|and|or|but|so|when|if|that|because|until|till|this|every|the|"
    r"today|tomorrow|yesterday|tonight|sharp|we|i|he|she|they|you|it|was|is|were|has|had|there)\b",
    re.IGNORECASE,
)
ADDRESS = re.compile(
    r"(?<![\w'’-])(?<! dot )(?:[a-z][a-z-]+(?: dot [a-z]+)+ at )?"
    r"(?:[a-z][a-z-]+ dot )+(?:com|net|org|io|edu|gov)(?![\w'’-]| dot)",
    re.IGNORECASE,
)
NO_ADDRESS = re.compile(r"^(?:the|a|an|this|that|and|or|of|our|your|my|first|old|new) ", re.IGNORECASE)
DOT_COM_ERA = re.compile(r"[ -](?:bubble|boom|bust|crash|era|craze|compan|start|stock|business|industry|world|million)")

Digits = Callable[[str], str]


def english_edits(text: str, digits: Digits) -> Iterator[Edit]:
    """What to write in `text`; `digits` is the library: "two hundred and five" to "205"."""
    shown = KEPT.sub(lambda found: "\n" * len(found[0]), text)
    yield from addresses(shown, digits)
    runs = [numeral(shown, *found.span()) for found in RUN.finditer(shown)]
    numerals = [part for run in runs for part in parts(run, shown, digits)]
    yield from agreeing(numerals, [written(one, digits) for one in numerals], shown)


def numeral(text: str, start: int, end: int) -> Numeral:
    said = re.sub("[ -]+", " ", text[start:end].lower())
    return Numeral(said, start, end, text[max(start - 40, 0) : start], text[end : end + 40])


def parts(run: Numeral, text: str, digits: Digits) -> list[Numeral]:
    """The run, or the two numbers that its "and" parts: a hundred and twenty, but fifty and sixty."""
    if dated := DAY.match(text[run.start : run.end]) if IN_MONTH.search(run.before) else None:
        year = numeral(text, run.start + dated.end(), run.end)
        return [numeral(text, run.start, run.start + dated.end(1)), year] if written(year, digits) else [run]
    left, *others = re.split("[ -]+and[ -]", text[run.start : run.end], flags=re.IGNORECASE)
    if len(others) != 1 or re.search(f"{SCALE}$", left, re.IGNORECASE) or written(run, digits):
        return [run]
    two = [numeral(text, run.start, run.start + len(left)), numeral(text, run.end - len(others[0]), run.end)]
    if two[0].said in UNITS[1:10] and two[1].said in TENS:
        return [run]  # five and twenty are twenty five, too
    return two if all(one.said in UNITS[:13] or written(one, digits) for one in two) else [run]


def written(one: Numeral, digits: Digits) -> Edit | None:
    """What to write instead of the words; nothing where that would say more or less than they do."""
    if is_cut(one):
        return None
    if tail := PERCENT.match(one.after):
        return percent(one, tail, digits)
    if (
        (tail := MONEY.match(one.after))
        and not tail[1].startswith("cent")
        and (one.said == "one" or tail[0][-1] in "sn")
    ):
        return money(one, tail, digits)
    if MERIDIEM.match(one.after) or O_CLOCK.match(one.after):
        return clock(one, digits)
    return clock(one, digits) or bare(one, digits) or measured(one, digits)


def is_cut(one: Numeral) -> bool:
    """Whether the number seems to go on: before in digits, after in cents or a half, "twenty past six"."""
    return bool(
        re.search(rf"[\d\n][ -]*$|\bhalf $|\b{CURRENCY} $", one.before, re.IGNORECASE)
        or re.match(
            rf"[ -]*[\d\n]| {HOUR}\b| (?:foot|{CURRENCY}) {ATOM}|(?: {CURRENCY})? and an? (?:half|quarter|third)\b",
            one.after,
            re.IGNORECASE,
        )
    )


def percent(one: Numeral, tail: re.Match[str], digits: Digits) -> Edit | None:
    number = digits(f"{one_for_a(one.said)} percent").removesuffix("%").strip()
    return Edit(one.start, one.end + len(tail[0]), f"{number}%") if is_amount(one.said, number) else None


def money(one: Numeral, tail: re.Match[str], digits: Digits) -> Edit | None:
    said = one_for_a(one.said)
    if is_vague(one):
        return None
    if found := re.fullmatch(r"([$€£¥])([\d.]+(?: \w+)?)", digits(said + tail[0].lower())):
        sign, number = found.groups()
        return Edit(one.start, one.end + len(tail[0]), sign + number) if is_amount(one.said, number) else None
    return bare(one, digits) or measured(one, digits)


def clock(one: Numeral, digits: Digits) -> Edit | None:
    """A time of day, where something says that it is one."""
    found = re.match(r"0?(\d{1,2}:\d\d) p\.m\.$", digits(f"{one.said} p m"))
    if not found or not is_clock(one.said, found[1]):
        return None
    if tail := O_CLOCK.match(one.after):
        return Edit(one.start, one.end + len(tail[0]), found[1]) if found[1].endswith(":00") else None
    if MERIDIEM.match(one.after):
        return Edit(one.start, one.end, found[1].removesuffix(":00"))
    at = AT if int(found[1].partition(":")[0]) < 10 else AT_ONLY  # "before ten sixteen" may be a year
    certain = DAYTIME.match(one.after) or (at.search(one.before) and GOES_ON.match(one.after))
    return Edit(one.start, one.end, found[1]) if certain and not found[1].endswith(":00") else None


def bare(one: Numeral, digits: Digits) -> Edit | None:
    number = digits(one_for_a(one.said))
    if is_amount(one.said, number):
        if is_vague(one):
            return None
        amount, _, scale = number.partition(" ")
        return Edit(one.start, one.end - len(scale) - bool(scale), amount)  # the million keeps its own time
    fits = (
        (is_ordinal(one.said, number) and is_rank(one))
        or (is_year(one.said, number) and is_surely_year(one, number))
        or (is_digits(one.said, number) and is_one_number(one.said))
        or is_decade(one.said, number)
    )
    return Edit(one.start, one.end, number) if fits else None


def measured(one: Numeral, digits: Digits) -> Edit | None:
    """A small number of something that the library knows as a unit: 6 feet."""
    unit = re.match("[ -]([a-z]+)", one.after, re.IGNORECASE)
    if not unit or one.said not in UNITS[2:13]:
        return None
    number = re.fullmatch(r"(\d+) \D+", digits(f"{one.said} {unit[1].lower()}"))
    return Edit(one.start, one.end, number[1]) if number and is_amount(one.said, number[1]) else None


def one_for_a(said: str) -> str:
    return re.sub("^a ", "one ", said)


def is_vague(one: Numeral) -> bool:
    """A hundred, a million: about as many."""
    return re.fullmatch(f"a {SCALE}", one.said) is not None


def is_rank(one: Numeral) -> bool:
    """Whether an ordinal is no fraction (three hundredths), no time (a twenty second pause), no name and not small."""
    if re.search(r"\ba $", one.before, re.IGNORECASE) or one.said.endswith(tuple(f"{scale}th" for scale in SCALES)):
        return False
    if one.said.endswith("second"):
        return IN_MONTH.search(one.before) is not None
    compound = COMPOUND if one.said.endswith(("first", "third")) else SCHOOL
    return one.said not in ORDINALS[:10] and not compound.match(one.after)


def is_surely_year(one: Numeral, number: str) -> bool:
    """Whether its halves are no two numbers: fifteen, twenty people; sixteen fifty for a shirt."""
    century, rest = divmod(int(number), 100)
    if MONEY.match(one.after):
        return False  # nineteen ninety nine dollars are $19.99 as well
    if century > 16 and rest - century not in (1, 5, 10):
        return True
    return bool(IN.search(one.before) and GOES_ON.match(one.after))


def is_one_number(said: str) -> bool:
    """Whether digits are surely one number: not counted up or down, not 3:05, not only two."""
    digits = [digit_of(word) for word in said.split()]
    steps = {int(right) - int(left) for left, right in pairwise(digits)}
    if len(digits) < 3 or (len(steps) == 1 and steps != {0}):
        return False
    if said.startswith("o"):
        return len(digits) > 4
    return not (len(digits) == 3 and said.split()[1].startswith("oh"))


def addresses(text: str, digits: Digits) -> Iterator[Edit]:
    """Of the words right at the dots; what stands before "at" only where it has one, too."""
    for found in ADDRESS.finditer(text):
        address = found[0].replace(" dot ", ".").replace(" at ", "@")
        numbers = RUN.search(address)
        if numbers or NO_ADDRESS.match(found[0]) or DOT_COM_ERA.match(text[found.end() :]):
            continue
        if digits(found[0].lower()) == address.lower():
            yield Edit(*found.span(), address)
