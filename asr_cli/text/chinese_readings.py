"""Whether what was said in Chinese is how digits are read. Nothing is guessed: one word off is no."""

import re

# Positions stay: a character for a character. What a number is made of, and what stands at one.
SIMPLIFIED = str.maketrans(
    "點萬億兩〇負數幾個塊歲號時鐘鍾員來現開單國慶間長黃遊旅", "点万亿两零负数几个块岁号时钟钟员来现开单国庆间长黄游旅"
)
ONES = "零一二三四五六七八九"
DIGIT = f"{ONES}幺"
UNITS = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))
LARGEST = 10**12
GROUPS = re.compile(r"(?:(\d{1,4})亿)?(?:(\d{1,4})万)?(\d*)", re.ASCII)
# 一万五 is 15000: the last unit is left out where it is the next one down.
LAST_LEFT_OUT = re.compile(f"(.*(?:万[{ONES}](?=千)|千[{ONES}](?=百)|百[{ONES}](?=十)))[千百十]")


def cardinal(number: int) -> str:
    """The number below 10**12 in words, with 二 for 两 and 一十 for 十 everywhere.

    >>> cardinal(10_305), cardinal(120_000_012)
    ('一万零三百零五', '一亿二千万零一十二')
    """
    if number < 10:
        return ONES[number]
    size, unit = next((size, unit) for size, unit in UNITS if number >= size)
    whole, rest = divmod(number, size)
    gap = "零" if 0 < rest < size // 10 else ""
    return cardinal(whole) + unit + gap + (cardinal(rest) if rest else "")


def plain(said: str) -> str:
    """The same number without the freedoms of speech: 两百 is 二百, 十五 is 一十五, 三十万零五千 is 三十万五千."""
    same = re.sub("(?<!十)两(?=[百千万亿])", "二", said)
    same = re.sub("万零(?=[一二三四五六七八九]千)", "万", same)
    return re.sub("(?<![一二三四五六七八九])十", "一十", same) if not re.search("[百千]十", same) else same


def is_cardinal(said: str, written: str) -> bool:
    """
    >>> is_cardinal("两百零五", "205"), is_cardinal("一亿三千万", "1亿3000万"), is_cardinal("二十三", "203")
    (True, True, False)
    """
    number = value(written)
    return number is not None and plain(said) == cardinal(number)


def is_short_cardinal(said: str, written: str) -> bool:
    """Whether its last unit was left out: 三百二 for 320. Not with 一: 三百一个 is 300 apiece."""
    number = value(written)
    if number is None or said.endswith("一"):
        return False
    short = LAST_LEFT_OUT.fullmatch(cardinal(number))
    return short is not None and plain(said) == short[1]


def is_digits(said: str, written: str) -> bool:
    return is_number(written) and said.replace("幺", "一") == "".join(ONES[int(digit)] for digit in written)


def is_number(written: str) -> bool:
    return written.isascii() and written.isdigit()


def is_decimal(said: str, written: str) -> bool:
    whole, _, fraction = said.partition("点")
    before, _, after = written.partition(".")
    return "幺" not in said and is_cardinal(whole, before) and is_digits(fraction, after)


def is_percent(said: str, written: str) -> bool:
    amount = said.removeprefix("百分之")
    if amount == said or not written.endswith("%"):
        return False
    return (amount, written) == ("百", "100%") or is_amount(amount, written[:-1])


def is_amount(said: str, written: str) -> bool:
    return is_decimal(said, written) if "点" in said else is_cardinal(said, written)


def is_fraction(said: str, written: str) -> bool:
    lower, _, upper = said.partition("分之")
    above, _, below = written.partition("/")
    return is_cardinal(lower, below) and is_cardinal(upper, above)


def is_clock(said: str, written: str) -> bool:
    """
    >>> [is_clock(said, "9:30") for said in ("九点三十", "九点三十分", "九点半", "九点三")]
    [True, True, True, False]
    >>> is_clock("两点零五分三十秒", "2:05:30")
    True
    """
    parts = re.split(
        "[点分秒]", re.sub("^两", "二", said.removesuffix("秒").removesuffix("分").replace("点半", "点三十"))
    )
    times = written.split(":")
    if len(parts) != len(times) or not all(map(is_number, times)) or int(times[0]) > 24:
        return False
    return is_cardinal(parts[0], times[0]) and all(map(is_sixtieth, parts[1:], times[1:]))


def is_sixtieth(said: str, written: str) -> bool:
    """Whether it is the minute or the second: 零五 for 05."""
    number = int(written)
    return number < 60 and (said == "零" + ONES[number] if number < 10 else is_cardinal(said, written))


def value(written: str) -> int | None:
    """The number that is written, such as 30万 or 1亿305; nothing where it is none, or too large to read.

    >>> value("123万4567"), value("3.5"), value("007")
    (1234567, None, None)
    """
    found = GROUPS.fullmatch(written)
    if not found or not written:
        return None
    most, more, rest = (int(group or 0) for group in found.groups())
    number = most * 10**8 + more * 10**4 + rest
    padded = any(len(group or "") > 1 and group.startswith("0") for group in found.groups())
    grouped = bool(found[1] or found[2])
    return None if padded or number >= LARGEST or (grouped and rest >= 10**4) else number
