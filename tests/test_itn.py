"""Numbers in digits: what is written, what is left in words, and that no time moves."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import asr_cli
from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.errors import DependencyError, UsageError
from asr_cli.text.edits import Edit
from asr_cli.text.finish import finishers
from asr_cli.text.itn import Normalize, check_itn, in_digits, inverse_normalizer, number_edits, wetext_normalize
from asr_cli.text.normalize import cardinal
from asr_cli.text.words import Piece, join
from asr_cli.transcript import Segment, Word
from tests.fakes import instant_backend

# What was said (words of a piece each) and how it is written; bars where words end, and a word keeps its own time.
WRITTEN = {
    "cardinal": ("我 有 二 十 三 个", "我|有|23|个"),
    "mark at the number": ("他 二 十 三 ， 她 四 十 五 。", "他|23，|她|45。"),
    "decimal": ("三 点 一 四", "3.14"),
    "percent": ("百 分 之 五 十", "50%"),
    "fraction": ("四 分 之 三", "3/4"),
    "digits": ("拨 一 二 零", "拨|120"),
    "date": ("二 零 二 四 年 三 月 五 日", "2024|年|3|月|5|日"),
    "hour": ("十 一 点", "11|点"),
    "clock": ("早 上 七 点 二 十 五", "早|上|7:25"),
    "units": ("八 百 米 二 十 四 小 时", "800|米|24|小|时"),
    "money": ("一 百 美 元", "100|美|元"),
    "range": ("二 十 到 三 十 岁", "20|到|30|岁"),
    "large": ("三 十 万 人 一 亿 三 千 万", "30|万|人|1|亿|3000|万"),
    "before latin": ("用 python 三 百 次", "用|python| 300|次"),
    "between latin": ("hello 二 十 三 world", "hello| 23| world"),
    "half written": ("5 百 二 十 块", "5|百|二|十|块"),
    "en cardinal": ("i have twenty three apples", "I| have| 23| apples"),
    "en hyphen": ("twenty-three of them", "23| of| them"),
    "en year": ("in nineteen ninety four. yes", "in| 1994.| yes"),
    "en capital": ("Twenty three people, Fifty six", "23| people,| 56"),
    "en clock": ("at six thirty", "at| 6:30"),
    "en percent": ("ten percent", "10%"),
    "en money": ("five hundred dollars", "$500"),
    "en units": ("six feet and five kilometers per hour", "6| feet| and| 5| kilometers| per| hour"),
    "en ordinal": ("the twenty first century", "the| 21st| century"),
    "en and": ("a hundred and twenty people", "120| people"),
    "en ordinal of a class": ("the twenty fourth class", "the| 24th| class"),
    "en range downwards": ("from twenty to ten percent", "from| 20| to| 10%"),
    "en range upwards": ("thirty to six hundred people", "30| to| 600| people"),
    "zh measures side by side": ("三 十 六 度 五 十 米 五 个 人", "36|度|50|米|五|个|人"),
    "zh eleven": ("十 一 假 条", "11|假|条"),
    "en two numbers": ("between fifty and sixty", "between| 50| and| 60"),
    "en range": ("ten to fifteen people", "10| to| 15| people"),
    "en between": ("between ten and fifteen people", "between| 10| and| 15| people"),
    "en date": ("july fourth nineteen seventy six", "july| fourth| 1976"),
    "en range of money": ("ten to fifteen dollars", "10| to| 15| dollars"),
    "en millions": ("two point five million dollars", "$2.5 million"),
    "en millions of people": ("six or seven million people", "6| or| 7| million| people"),
    "en digits": ("call nine one one", "call| 911"),
    "en telephone": ("five five five one two one two", "5551212"),
    "en hundreds": ("twelve hundred", "1200"),
    "en year of pairs": ("twenty twenty four", "2024"),
    "en short year": ("in nineteen oh five", "in| 1905"),
    "en decade": ("nineteen eighties music", "1980s| music"),
    "en day": ("march twenty second", "march| 22nd"),
    "en meridiem": ("six pm or seven thirty pm", "6| pm| or| 7:30| pm"),
    "en o'clock": ("six o'clock", "6:00"),
    "en minus": ("minus twenty", "minus| 20"),
    "en address": ("Google dot com is a site", "Google.com| is| a| site"),
    "en address of many": ("w w w dot google dot com", "WWW.google.com"),
    "en address of one": (
        "send it to john dot smith at google dot com please",
        "send| it| to| john.smith@google.com| please",
    ),
    "year": ("一 九 八 四 年", "1984|年"),
    "year and month": ("二 〇 二 四 年 十 月", "2024|年|10|月"),
    "small fraction": ("一 百 分 之 一", "1/100"),
    "percents": ("百 分 之 五 到 百 分 之 十", "5%|到|10%"),
    "minutes": ("两 点 二 十 五 分", "2:25"),
    "few minutes": ("八 点 零 八 分", "8:08"),
    "seconds": ("晚 上 十 点 四 十 五 分 三 十 秒", "晚|上|10:45:30"),
    "half past": ("上 午 九 点 半", "上|午|9:30"),
    "decimal unit": ("三 点 五 个 小 时", "3.5|个|小|时"),
    "decimal myriads": ("三 点 五 万", "3.5|万"),
    "zeros": ("一 万 零 五", "10005"),
    "short": ("一 千 二", "1200"),
    "price": ("五 块 二", "5|块|2"),
    "score": ("三 比 二", "3:2"),
    "telephone": ("幺 三 八 零 零 一 三 八 零 零 零", "13800138000"),
    "rank": ("第 二 十 三 名", "第|23|名"),
    "traditional clock": ("三 點 二 十 分", "3:20"),
    "traditional": ("三 萬 兩 千 塊 一 億 三 千 萬", "32000|塊|1|億|3000|萬"),
    "en in zh": ("有 twenty three 个", "有|23|个"),
}
SPOKEN = """
    一起 一点 一点也不 等一点 三心二意 万一 星期一 一个人 一些 一下 一样 统一 一会儿 第一 一旦 千万 百姓 四川 九寨沟
    十分高兴 十有八九 三三两两 双十一 十字路口 二百五 几十个 十几个 数十亿 三四个 七八十 三十一二岁 十一点一刻
    十乘二十毫米 九九八十一 百分百 三十而立 十二分高兴 十一一 三四十个人 七八个 一二年级 周一三五 一二三四五 三百四百块
    两点二十五分钟 八点八分 三点零五 下午三点二十个人 下午三点五个人 九点半个小时 快一点三个人 快一点三万人 三点四五个人
    一百单八将 一百單八將 三十六度五 三十六度五的 十二米五 十一假期 十一国庆 十一國慶 十一期间 十一小长假
    三百一个月 三千两银子 三到五百人 百分之五到十 三又四分之三 三月二十五 廿五 三百貳十 第一比第二 五比三大
"""
SPOKEN_ENGLISH = (
    "just a second", "the first time", "one of them", "on the fourth", "one third", "a quarter past three",
    "mister smith", "doctor no", "twenty four seven", "nine eleven", "the first of may", "may i", "hello world",
    "5 point five", "flight two seventy nine", "nine ninety nine", "fifty fifty", "one twenty three", "in ten",
    "a million dollars", "eight hundred five five five one two one two",
    "room four twelve", "at four twelve elm street", "half a million",
    "one or two", "one two three go", "three oh five", "twenty to thirty thousand", "two to three hundred people",
    "one, two or three thousand", "twenty thirty people", "ages eighteen nineteen", "sixteen fifty",
    "two dollars fifty", "nineteen ninety nine dollars", "nineteen ninety percent", "seven-and-thirty",
    "two dollars and a half", "ten dollars' worth", "a twenty second pause", "a tenth of it",
    "twenty two thirds", "one twentieth of it", "double oh seven", "twenty past six", "half past six",
    "two hundred twenty four seven", "a hundred and one fifty", "two and a half million dollars", "the dot com bubble",
    "version two dot five", "three dot com",
    "twenty third party apps", "sixty first class passengers", "fifty first aid kits", "twenty third-party apps",
    "one hundred first time buyers", "two thousand first edition copies", "a hundred and twenty third world countries",
    "thirty first grade kids", "forty first name tags", "forty second hand cars", "twenty fifth graders",
    "twenty to six", "it is twenty five to nine", "at twenty to six pm", "twenty to six o'clock",
    "odds of twenty to one", "twenty after six", "twenty till six", "From Twenty To Six",
)  # fmt: skip


@pytest.fixture(scope="module")
def normalize() -> Normalize:
    return wetext_normalize()


def said(text: str) -> tuple[Word, ...]:
    return join(Piece(token, float(i), i + 0.75, 0.5) for i, token in enumerate(text.split()))


def texts(words: Sequence[Word]) -> str:
    return "|".join(word.text for word in words)


@pytest.mark.parametrize("case", WRITTEN)
def test_numbers_are_written_in_digits(case: str, normalize: Normalize) -> None:
    heard, written = WRITTEN[case]
    assert texts(in_digits(said(heard), normalize)) == written


@pytest.mark.parametrize("phrase", SPOKEN.split())
def test_what_is_no_number_or_better_in_words_stays(phrase: str, normalize: Normalize) -> None:
    heard = said(" ".join(f"他{phrase}了"))
    assert in_digits(heard, normalize) is heard


@pytest.mark.parametrize("phrase", SPOKEN_ENGLISH)
def test_english_that_is_no_number_or_better_in_words_stays(phrase: str, normalize: Normalize) -> None:
    heard = said(phrase)
    assert in_digits(heard, normalize) is heard


def test_a_number_is_from_its_first_word_to_its_last_and_others_stay_the_same(normalize: Normalize) -> None:
    heard = said("我 有 二 十 三 个")
    written = in_digits(heard, normalize)
    assert written == (*heard[:2], Word("23", 2.0, 4.75, 0.5), heard[5])
    assert [new is old for new, old in zip(written, (*heard[:3], heard[5]), strict=True)] == [True, True, False, True]


def test_words_of_several_characters_are_changed_inside(normalize: Normalize) -> None:
    heard = (Word("我有二十", 0, 1), Word("三个，", 1, 2), Word("好", 2, 3))
    assert in_digits(heard, normalize) == (Word("我有23个，", 0, 2), heard[2])


def reading(number: int) -> str:
    """A whole number below a hundred million, as Mandarin says it.

    >>> reading(10_305)
    '一万零三百零五'
    """
    if number >= 10_000:
        rest = number % 10_000
        gap = "零" if 0 < rest < 1000 else ""
        return reading(number // 10_000) + "万" + gap + (reading(rest) if rest else "")
    spoken, gap = "", False
    for place, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        gap = gap or (digit == 0 and bool(spoken))
        if digit:
            spoken += ("零" if gap else "") + "零一二三四五六七八九"[digit] + unit
            gap = False
    return spoken.removeprefix("一") if 10 <= number < 20 else spoken


def value(written: str) -> int:
    """
    >>> value("123万4567"), value("30万"), value("80")
    (1234567, 300000, 80)
    """
    myriads, _, rest = written.rpartition("万")
    return int(myriads or 0) * 10_000 + int(rest or 0)


@given(st.integers(11, 99_999_999))
def test_every_whole_number_of_mandarin_reads_as_that_number(number: int) -> None:
    heard = said(" ".join(f"他有{reading(number)}只羊"))
    written = texts(in_digits(heard, wetext_normalize())).replace("|", "")
    assert value(written.removeprefix("他有").removesuffix("只羊")) == number


@given(st.integers(20, 999_999))
def test_whole_numbers_of_english_read_as_that_number(number: int) -> None:
    heard = said(f"they have {cardinal(number)} sheep")
    assert "".join(word.text for word in in_digits(heard, wetext_normalize())) == f"they have {number} sheep"


TOKENS = """
    一 二 三 四 五 六 七 八 九 十 百 千 万 亿 零 两 点 分 之 年 月 日 号 半 乘 比 到 个 元 米 几 数 第 起 我 们 ， 。 ？
    5 2024 one two three twenty thirty hundred thousand million point percent dollars second first half past o'clock of
    a and may p m hello twenty-three world, yes. don't $ % " \\ ( こ 한국
"""


@settings(deadline=None)  # the first one reads the rules
@given(st.lists(st.sampled_from(TOKENS.split()), max_size=25))
@example(["十", "一", "一"])  # a difference by characters took the last word, and its time, away
def test_no_time_moves_whatever_is_said(tokens: list[str]) -> None:
    heard, normalize = said(" ".join(tokens)), wetext_normalize()
    written = in_digits(heard, normalize)
    spoken = "".join(word.text for word in heard)
    starts, ends = {word.start for word in heard}, {word.end for word in heard}
    assert all(word.start in starts and word.end in ends for word in written)
    assert all(one.end <= other.start for one, other in pairwise(written))
    assert (written[:1] and written[0].start, written[-1:] and written[-1].end) == (
        heard[:1] and heard[0].start, heard[-1:] and heard[-1].end,
    )  # fmt: skip
    edits = list(number_edits(spoken, normalize))
    assert all(edit.text and edit.start < edit.end for edit in edits)
    assert "".join(word.text for word in written).replace(" ", "") == applied(spoken, edits).replace(" ", "")
    assert len([word for word in written if not any(word is old for old in heard)]) <= 2 * len(edits)


def applied(text: str, edits: list[Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: -edit.start):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def test_the_stage_keeps_what_else_a_segment_holds() -> None:
    [segment] = inverse_normalizer()([Segment(said("二 十"), speaker="left")])
    assert (segment.text, segment.speaker) == ("20", "left")


def test_traditional_is_made_after_the_numbers_and_simplified_before() -> None:
    for script, heard, written in (
        ("hant", "两 万 五 千 块 发 票", "25000塊發票"),
        ("hans", "兩 百 塊 發 票", "200块发票"),
    ):
        segments = iter([Segment(said(heard))])
        for finish in finishers(itn=True, script=script, languages=("zh",)):
            segments = finish(segments)
        assert [segment.text for segment in segments] == [written]


@pytest.mark.parametrize("languages", [("zh",), ("en-US",), ("ja", "en"), ("yue",)])
def test_chinese_and_english_numbers_can_be_asked_for(languages: tuple[str, ...]) -> None:
    check_itn(True, languages)


def test_numbers_of_other_languages_are_refused() -> None:
    with pytest.raises(UsageError, match="this is ja"):
        check_itn(True, ("ja",))
    check_itn(False, ("ja",))


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wetext", None)
    with pytest.raises(DependencyError, match=r"pip install 'asr-cli\[itn\]'"):
        inverse_normalizer()


class Counting:
    """A recogniser that says one number an utterance."""

    max_duration = 30.0

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        return [Segment(moved(said("发 二 十 五 张 票"), utterance.start)) for utterance in utterances]


def moved(words: tuple[Word, ...], offset: float) -> tuple[Word, ...]:
    return tuple(replace(word, start=word.start / 10 + offset, end=word.end / 10 + offset) for word in words)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = instant_backend(Counting())
    monkeypatch.setattr(registry, "backends", lambda: {"counting": backend})


@pytest.mark.usefixtures("counting")
def test_a_recording_s_numbers_and_script_are_as_asked_and_its_times_as_they_were(example: Path) -> None:
    plain = list(asr_cli.transcribe(example, language="zh"))
    written = list(asr_cli.transcribe(example, language="zh", itn=True, script="hant"))
    assert {segment.text for segment in plain} == {"发二十五张票"}
    assert {segment.text for segment in written} == {"發25張票"}
    assert [(s.start, s.end) for s in written] == [(s.start, s.end) for s in plain]


@pytest.mark.usefixtures("counting")
def test_a_script_that_would_do_nothing_is_refused_before_anything_is_heard(example: Path) -> None:
    with pytest.raises(UsageError, match="--script is for Chinese, and this is en"):
        next(asr_cli.transcribe(example, language="en", script="hans"))
