"""The words of a text as word error rate counts them. For scoring only: nothing a user reads passes through here."""

import re
import unicodedata

UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))

NUMBER = re.compile(r"\d+")
GROUPED = re.compile(r"(?<=\d),(?=\d{3}\b)")
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def scored_words(text: str) -> list[str]:
    """Lower case, no punctuation but the apostrophe inside a word, hyphens apart, whole numbers as cardinals.

    >>> scored_words("“Well-known,” she said; it's 1,024.")
    ['well', 'known', 'she', 'said', "it's", 'one', 'thousand', 'twenty', 'four']
    """
    plain = unicodedata.normalize("NFKC", text).replace("’", "'").lower()
    spelled = NUMBER.sub(lambda found: f" {cardinal(int(found[0]))} ", GROUPED.sub("", plain))
    return WORD.findall(spelled)


def cardinal(number: int) -> str:
    """The number in words, as American English says it: no "and".

    >>> cardinal(1907)
    'one thousand nine hundred seven'
    """
    if number < 20:
        return UNITS[number]
    if number < 100:
        tens, units = divmod(number, 10)
        return f"{TENS[tens]} {UNITS[units]}" if units else TENS[tens]
    size, name = next((size, name) for size, name in SCALES if number >= size)
    whole, rest = divmod(number, size)
    return f"{cardinal(whole)} {name} {cardinal(rest)}" if rest else f"{cardinal(whole)} {name}"
