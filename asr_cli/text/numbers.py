"""How a number is written in running text.

The library writes all numbers the way tables do: 24h, 800m, 2024/03/05, 3~4个, "just a 2nd". In a sentence the words
around a number stay as they were said (24小时, 800米, 2024年3月5日), and what is no number stays in words: about three
or four, a set phrase, a name, the small ordinals.
"""

import re
from collections.abc import Iterator

from asr_cli.text.edits import Edit

DIGITS = "零〇一二两三四五六七八九十百千万亿幺"
NUMERAL = re.compile(f"(?:百分之)?[{DIGITS}]+(?:点[{DIGITS}]+)?")
NUMBER = re.compile(r"\d+(?:\.\d+)?%?")
# Chinese that looks like a number and is none, or one that is written out.
PHRASES = """
    百分百 九一八 八九不离十 十有八九 三三两两 七七八八 三五成群 三十而立 四十不惑 五十知天命 六十耳顺 十字 十足
    十全十美 十恶不赦 十里洋场 十拿九稳 十面埋伏 十指连心 十万火急 十万个为什么 十之八九 十年寒窗 十年树木
    十八般 十三经 双十一 双十二 三十六计 七十二变 九九八十一 三七二十一 三下五除二 一百零八将 五十步笑百步
    一千零一夜 三十年河东 三十年河西 大年三十 百八十 百十来 一五一十 二百五
"""
KEPT_CHINESE = (
    *(f"(?<![{DIGITS}]){phrase}(?!十)" for phrase in PHRASES.split()),
    f"(?<![{DIGITS}点得考打差])十分(?![钟之])",  # very; ten minutes or points only after such a word
    f"几十[{DIGITS}]*|(?<![函次人分级系倍参指点])数十[百千万亿]*",
    f"[{DIGITS}]+几",
    f"[{DIGITS}]+点[一三]刻",
    f"(?<=[0-9])[{DIGITS}]+",  # the rest of a number that is already half in digits
)
KEPT_ENGLISH = (r"\btwenty[ -]four[ -]seven\b", r"\bnine[ -]eleven\b", r"\bseven[ -]eleven\b")
KEPT = re.compile("|".join((*KEPT_CHINESE, *KEPT_ENGLISH)), re.IGNORECASE)

SPELLED = """
    a an and half point oh o zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
    million billion trillion minus
"""
NUMBER_WORDS = frozenset(SPELLED.split())
SCALES = frozenset(("million", "billion", "trillion"))
SMALL_ORDINAL = re.compile(r"\b[1-9](?:st|nd|rd|th)\b")
ADDRESS = re.compile(r"\w@\w|\w\.\w+\.\w|\w\.(?:com|net|org|io|cn|edu|gov)\b")


def chinese_edits(said: str, table: str) -> Iterator[Edit]:
    """What to write in `said`, where the library would write `table`."""
    if re.search(r"[×÷ ]", table):  # its arithmetic is wrong where a unit follows: 十乘二十毫米 is not 10×210mm
        return
    numerals, numbers = list(NUMERAL.finditer(said)), NUMBER.findall(table)
    if len(numerals) == len(numbers) and "分之" not in said.replace("百分之", ""):
        for numeral, number in zip(numerals, numbers, strict=True):
            yield scaled(numeral, number.lstrip("0") if "/" in table else number)
    elif numerals and (clock := re.fullmatch(r"(\d+:\d+)[ap]\.m\.", table)):
        yield Edit(numerals[0].start(), len(said), clock[1])  # 早上 says what a.m. would
    elif "~" not in table and not re.search(r"\d-\d", table):
        yield Edit(0, len(said), table)


def scaled(numeral: re.Match[str], number: str) -> Edit:
    """The number for the numeral; 三十万 is 30万, not 300000."""
    for unit, zeros in (("亿", "0" * 8), ("万", "0" * 4)):
        if numeral[0].endswith(unit) and number.endswith(zeros):
            return Edit(numeral.start(), numeral.end() - 1, number.removesuffix(zeros))
    return Edit(*numeral.span(), number)


def english_edits(said: str, table: str) -> Iterator[Edit]:
    """What to write instead of all of `said`, where the library would write `table`."""
    words = re.split(r"[ -]+", said.lower())
    if not (any(map(str.isdigit, table)) or ADDRESS.search(table)):
        return
    if SMALL_ORDINAL.search(table) or {"of", "quarter"} & set(words) or table.startswith("."):
        return
    text = re.sub(r"\b0(\d:\d\d)", r"\1", table).replace(" %", "%")
    if found := re.fullmatch(r"([\d.]+) ([^\d:]+)", text):
        number, unit = found.groups()
        text = text if unit in SCALES else " ".join((number, *(word for word in words if word not in NUMBER_WORDS)))
    yield Edit(0, len(said), text)
