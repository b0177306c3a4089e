"""Where Chinese says a number, and how it is written in running text.

The library says what the digits are; they are written only if they are read as exactly what was said, and if nothing
around them speaks for another meaning (快一点三个人 is no 1.3). The words around a number stay: 24小时, 2024年3月5日.
"""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from asr_cli.text.chinese_readings import (
    DIGIT,
    ONES,
    SIMPLIFIED,
    is_cardinal,
    is_clock,
    is_decimal,
    is_digits,
    is_fraction,
    is_number,
    is_percent,
    is_short_cardinal,
)
from asr_cli.text.edits import Edit

NUMERAL = "[零一二两三四五六七八九十百千万亿幺]"
N = f"{NUMERAL}+"
END = f"(?!{NUMERAL}|点{NUMERAL}|分之)"
# Numbers that say together what they are; else whatever hangs together by 点, 分 and 分之.
PHRASE = re.compile(
    f"(?P<date>(?:(?P<year>[{DIGIT}]{{4}})年)?(?P<month>{N})月(?:(?P<day>{N})(?:(?P<sun>[日号])|{END})|{END}))"
    f"|(?P<price>{N}块(?:[二三四五六七八九]|一(?=毛)))(?!{NUMERAL}|[个点月])"
    f"|(?<![第比])(?P<ratio>{N}比{N})(?![比大小多少好高低强贵]){END}"
    f"|{N}(?:(?:点|分之|分){N})*"
)
# Looks like a number and is none, or one that is written out.
PHRASES = """
    百分百 九一八 八九不离十 十有八九 三三两两 七七八八 三五成群 三十而立 四十不惑 五十知天命 六十耳顺 十字 十足
    十全十美 十恶不赦 十里洋场 十拿九稳 十面埋伏 十指连心 十万火急 十万个为什么 十之八九 十年寒窗 十年树木
    十八般 十三经 双十一 双十二 三十六计 七十二变 九九八十一 三七二十一 三下五除二 一百零八将 五十步笑百步
    一千零一夜 三十年河东 三十年河西 大年三十 百八十 百十来 一五一十 二百五 十堰 十三陵 十三香
    十一黄金周 十一长假 十一小长假 十一假期 十一国庆 十一期间 十一放假 十一出游 十一旅游
"""
KEPT = re.compile("|".join((
    *(f"(?<!{NUMERAL}){phrase}(?!十)" for phrase in PHRASES.split()),
    f"(?<!{NUMERAL})(?<![点得考打差])十二?分(?![钟之])",  # very; ten minutes or points only after such a word
    f"几十{NUMERAL}*|(?<![函次人分级系倍参指点])数十[百千万亿]*",
    f"{N}几",
    f"{N}点[一三]刻",
    f"{N}单{N}",  # 一百单八将: 108
    f"{N}[度米斤尺][{ONES}](?![{DIGIT}十百千万亿点月分个])",  # 三十六度五: half a number would be in digits
    f"{N}乘{N}",
    f"(?<=[0-9]){N}|{N}(?=[0-9])",  # the rest of a number that is already half in digits
)))  # fmt: skip
OTHER_NUMERAL = re.compile("[壹贰叁肆伍陆柒捌玖拾佰仟貳參陸廿卅兆\n几]")  # it would be half a number
DAYTIME = re.compile("(?:早上|早晨|上午|中午|下午|傍晚|晚上|今晚|凌晨|夜里|半夜)$")
# After these, a unit follows that is counted in tenths, or nothing that could be counted.
UNIT = re.compile("[倍米公千克吨元度升英厘毫平立万亿]|个?小时|个(?:月|百分点|亿|点)")
MEASURED = re.compile(rf"(?![\u3400-\u9fff])|[的到至块百左之比和与或岁秒天]|年(?!级)|个半|{UNIT.pattern}")
GOES_ON = re.compile(r"(?![\u3400-\u9fff])|[的到至开左起出在我你他她它们就了去来见前后之以才吧吗呢和或，。]")
PRICED = re.compile(r"(?![\u3400-\u9fff])|[块元多的左吧了]")
# What comes next is of the same hundreds or per cents: 三到五百, 百分之五到十.
SHARING = re.compile(f"(?:百分之{N}(?:点{N})?|(?<!{NUMERAL})[一二两三四五六七八九])[到至或]$")
ONE_BIT = re.compile("[快早晚慢多少大小高低好有长短贵轻重远近差]$")

Digits = Callable[[str], str]


def chinese_edits(text: str, digits: Digits) -> Iterator[Edit]:
    """What to write in `text`; `digits` is the library: "三百二十" to "320"."""
    shown = KEPT.sub(lambda found: "\n" * len(found[0]), text.translate(SIMPLIFIED))
    for found in PHRASE.finditer(shown):
        before, after = shown[: found.start()], shown[found.end() :]
        if OTHER_NUMERAL.match(before[-1:]) or OTHER_NUMERAL.match(after[:1]):
            continue
        if found["date"]:
            yield from dated(found, digits)
        elif found["price"] or found["ratio"]:
            yield from paired(found, digits)
        else:
            yield from single(found, before, after, digits)


def dated(found: re.Match[str], digits: Digits) -> Iterator[Edit]:
    """2024年3月5日: its numbers without the library's slashes."""
    if not found["day"] and not found["year"]:
        yield from counted(found["month"], found.start(), "月", digits)
        return
    names = [name for name in ("year", "month", "day") if found[name]]
    numbers = digits(found[0]).split("/")
    if (found["day"] and not found["sun"]) or len(names) != len(numbers) or not all(map(is_number, numbers)):
        return
    plain = [number.lstrip("0") if name != "year" else number for name, number in zip(names, numbers, strict=True)]
    bounds = {"month": 12, "day": 31}
    for name, number in zip(names, plain, strict=True):
        reads = is_digits if name == "year" else is_cardinal
        if not reads(found[name], number) or int(number) > bounds.get(name, 9999):
            return
    yield from (Edit(*found.span(name), number) for name, number in zip(names, plain, strict=True))


def paired(found: re.Match[str], digits: Digits) -> Iterator[Edit]:
    """5块2, as much as 5.20; and 3:2."""
    between = "块" if found["price"] else "比"
    said, numbers = found[0].split(between), re.split("[块:]", digits(found[0]))
    if len(numbers) != 2 or not all(map(is_number, numbers)) or not all(map(is_cardinal, said, numbers)):
        return
    if found["ratio"]:
        yield Edit(*found.span(), ":".join(numbers))
        return
    yield Edit(found.start(), found.start() + len(said[0]), numbers[0])
    yield Edit(found.end() - len(said[1]), found.end(), numbers[1])


def single(found: re.Match[str], before: str, after: str, digits: Digits) -> Iterator[Edit]:
    said, start, end = found[0], found.start(), found.end()
    if "分之" in said and after.startswith("月"):
        return  # 百分之三十九月五日: who knows what is whose
    if said.startswith("百分之"):
        fits = is_percent(said, digits(said)) and not re.match(f"[到至或](?!百分之){NUMERAL}", after)
        yield from [Edit(start, end, digits(said))] * fits
    elif "分之" in said:
        fits = is_fraction(said, digits(said)) and not before.endswith("又")
        yield from [Edit(start, end, digits(said))] * fits
    elif "点" in said or "分" in said or after.startswith("点半"):
        yield from pointed(said, start, before, after, digits)
    elif not SHARING.search(before):
        yield from counted(said, start, after, digits)


def pointed(said: str, start: int, before: str, after: str, digits: Digits) -> Iterator[Edit]:
    """A time of day or a decimal; neither where it could be both."""
    if clock := clock_of(said, before, after):
        written = digits(clock if clock[-1] in "半秒" else clock.removesuffix("分") + "分")
        if is_clock(clock, written):
            yield Edit(start, start + len(clock), written)
        return
    body = re.sub(f"(?<=点)([{DIGIT}]+)[百千]?[万亿]$", r"\1", said)
    written = digits(body)
    if is_decimal(body, written) and is_surely_decimal(body, before, said[len(body) :] + after):
        yield Edit(start, start + len(body), written)


def clock_of(said: str, before: str, after: str) -> str:
    """As much as is surely a time of day; nothing where it could be something else."""
    if re.fullmatch(N, said) and re.match("点半(?![个天年小斤钟])", after):
        return f"{said}点半"
    parts = re.split("[点分]", said)
    minutes = parts[1] if len(parts) > 1 else ""
    if not minutes or not (minutes[0] == "零" or "十" in minutes):
        return ""
    if re.fullmatch(f"{N}点{N}分{N}", said):
        return f"{said}秒" if after.startswith("秒") else ""
    if not re.fullmatch(f"{N}点{N}", said):
        return ""
    if re.match("分(?!钟|之)", after):
        return f"{said}分"
    certain = DAYTIME.search(before) or minutes[0] != "零"
    return said if certain and GOES_ON.match(after) else ""


def is_surely_decimal(said: str, before: str, after: str) -> bool:
    """
    >>> is_surely_decimal("三点五", "", "个小时"), is_surely_decimal("三点五", "下午", "个人")
    (True, False)
    """
    whole, _, fraction = said.partition("点")
    if re.match("分|月", after) or (after.startswith("年") and len(fraction) > 3):
        return False
    if whole == "零" or len(whole) > 3 or (len(fraction) > 1 and fraction[0] != "零" and not is_about(fraction)):
        return True
    if fraction[0] == "零" or (whole == "一" and not after):
        return UNIT.match(after) is not None  # 三点零五 is five past three as well
    return MEASURED.match(after) is not None and not (whole == "一" and ONE_BIT.search(before))


def is_about(fraction: str) -> bool:
    """三四: three or four."""
    return len(fraction) == 2 and abs(DIGIT.index(fraction[0]) - DIGIT.index(fraction[1])) == 1


def counted(said: str, start: int, after: str, digits: Digits) -> Iterator[Edit]:
    written = digits(said)
    if is_digits(said, written) and len(said) > 1:
        if is_one_number(said):
            yield Edit(start, start + len(said), written)
    elif is_cardinal(said, written) or (is_short_cardinal(said, written) and PRICED.match(after)):
        yield from scaled(said, start, written)


def is_one_number(said: str) -> bool:
    """Whether digits are surely one number: no counting (一二三四), no two or three things (一二年级, 周一三五)."""
    steps = {DIGIT.index(right) - DIGIT.index(left) for left, right in pairwise(said)}
    counting = len(steps) == 1 and steps != {0}
    return not counting and (len(said) > 3 or (len(said) == 3 and bool(set("零幺") & set(said))))


def scaled(said: str, start: int, written: str) -> Iterator[Edit]:
    """The number for what was said; 三十万 is 30万 and not 300000, and 万 keeps its own time."""
    for unit, zeros in (("亿", "0" * 8), ("万", "0" * 4)):
        if said.endswith(unit) and written.endswith(zeros):
            yield Edit(start, start + len(said) - 1, written.removesuffix(zeros))
            return
    if not re.search("[万亿]", written):
        yield Edit(start, start + len(said), written)
        return
    numbers, numerals = re.findall(r"\d+", written), list(re.finditer("[^万亿]+", said))
    if len(numbers) != len(numerals):
        return
    for numeral, number in zip(numerals, numbers, strict=True):
        yield Edit(start + numeral.start(), start + numeral.end(), number)
