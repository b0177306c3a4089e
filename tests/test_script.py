"""Simplified and Traditional: other characters, the same times."""

from functools import cache
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from asr_cli.errors import UsageError
from asr_cli.text.edits import Edit, edited
from asr_cli.text.script import TABLES, check_script, converted, converter
from asr_cli.transcript import Segment, Word


def spoken(text: str) -> tuple[Word, ...]:
    return tuple(Word(character, i * 0.25, i * 0.25 + 0.2, 0.5) for i, character in enumerate(text))


def written(script: str, words: tuple[Word, ...]) -> tuple[Word, ...]:
    [segment] = converter(script)([Segment(words, speaker="left")])
    assert segment.speaker == "left"
    return segment.words


@pytest.mark.parametrize(
    ("script", "text", "expected"),
    [
        ("hans", "頭髮發展，乾杯", "头发发展，干杯"),
        ("hant", "头发发展，干杯", "頭髮發展，乾杯"),
        ("hant", "皇后在后面", "皇后在後面"),
        ("hant-tw", "着装里面的软件", "著裝裡面的軟件"),
        ("hant-hk", "着装里面的软件", "着裝裏面的軟件"),
        ("hans", "已经是简体 hello", "已经是简体 hello"),
    ],
)
def test_a_phrase_decides_the_character_and_every_character_keeps_its_time(
    script: str, text: str, expected: str
) -> None:
    before, after = spoken(text), written(script, spoken(text))
    assert "".join(word.text for word in after) == expected
    assert [(word.start, word.end, word.confidence) for word in after] == [
        (word.start, word.end, word.confidence) for word in before
    ]


def test_words_that_do_not_change_are_the_same_objects() -> None:
    before = spoken("发展好")
    assert written("hant", before)[2] is before[2]


def test_words_of_several_characters_stay_whole() -> None:
    heard = (Word("头发", 0, 1), Word("发展，", 1, 2), Word(" ok", 2, 3))
    assert written("hant", heard) == (Word("頭髮", 0, 1), Word("發展，", 1, 2), Word(" ok", 2, 3))


def test_japanese_is_left_alone() -> None:
    heard = spoken("国の発展")
    assert written("hant", heard) == heard


def test_a_table_that_changes_lengths_keeps_the_times_around_the_change() -> None:
    heard = spoken("用U盘存")
    after = converted(heard, OpenCC("s2twp").convert)
    assert "".join(word.text for word in after) == "用隨身碟存"
    assert after[0] is heard[0] and after[-1] is heard[-1]
    assert (after[1].start, after[-2].end) == (heard[1].start, heard[2].end)


@pytest.mark.parametrize("languages", [("zh",), ("zh-CN",), ("yue",), ("en", "zh")])
@pytest.mark.parametrize("script", TABLES)
def test_chinese_can_be_asked_for_in_any_script(script: str, languages: tuple[str, ...]) -> None:
    check_script(script, languages)


@pytest.mark.parametrize(("script", "languages"), [("hans", ("ja",)), ("hant", ("en-US",)), ("latin", ("zh",))])
def test_a_script_that_would_do_nothing_is_refused(script: str, languages: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="script"):
        check_script(script, languages)


HAN = st.text(st.sampled_from("头发发展皇后面里裡裏着著干乾幹 后後髮發一ok，。龙龍𫖯"), max_size=20)


@cache
def table(script: str) -> OpenCC:
    return OpenCC(TABLES[script])


@settings(deadline=None)  # the first one of each table reads it
@given(HAN, st.sampled_from(sorted(TABLES)))
def test_every_table_gives_what_opencc_gives_and_keeps_all_times(text: str, script: str) -> None:
    before, after = spoken(text), converted(spoken(text), table(script).convert)
    assert "".join(word.text for word in after) == table(script).convert(text)
    assert [(word.start, word.end) for word in after] == [(word.start, word.end) for word in before]


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], "a|bc|d"),
        ([Edit(1, 2, "X")], "a|Xc|d"),
        ([Edit(0, 2, "X")], "Xc|d"),
        ([Edit(0, 4, "")], ""),
        ([Edit(3, 4, "")], "a|bc"),
        ([Edit(1, 1, "X")], "a|Xbc|d"),
        ([Edit(4, 4, "X")], "a|bc|dX"),
        ([Edit(0, 1, "X"), Edit(1, 2, "Y"), Edit(2, 4, "Z")], "X|YZ"),
        ([Edit(0, 1, "X"), Edit(3, 4, "Y")], "X|bc|Y"),
    ],
)
def test_edits_merge_the_words_they_touch(edits: list[Edit], expected: str) -> None:
    words = (Word("a", 0, 1), Word("bc", 1, 2), Word("d", 2, 3))
    assert "|".join(word.text for word in edited(words, edits)) == expected


SPLITS = st.lists(st.text("ab ", min_size=1, max_size=3), max_size=6)


@given(SPLITS, st.data())
def test_edited_words_read_as_the_edited_text_and_keep_their_times(texts: list[str], data: st.DataObject) -> None:
    words = tuple(Word(text, float(i), i + 0.5) for i, text in enumerate(texts))
    old = "".join(texts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(old)), max_size=4)))
    edits = [
        Edit(start, end, data.draw(st.sampled_from(("", "X", "XY"))))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    after = edited(words, edits)
    assert "".join(word.text for word in after) == (apply(old, edits) if words else "")
    assert all(one.end <= other.start for one, other in pairwise(after))
    assert {word.start for word in after} <= {word.start for word in words}
    untouched = untouched_words(words, edits)
    assert [word for word in after if any(word is other for other in untouched)] == untouched


def apply(text: str, edits: list[Edit]) -> str:
    for edit in reversed(edits):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def untouched_words(words: tuple[Word, ...], edits: list[Edit]) -> list[Word]:
    ends = list(accumulate(len(word.text) for word in words))
    spans = zip(words, [0, *ends], ends, strict=False)
    return [word for word, start, end in spans if all(edit.end <= start or edit.start >= end for edit in edits)]
