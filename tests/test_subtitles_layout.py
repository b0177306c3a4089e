"""The layout's promises, on text of three scripts with any times at all."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr_cli.errors import UsageError
from asr_cli.subtitles.columns import CLOSING, OPENING, columns
from asr_cli.subtitles.cue import Cue
from asr_cli.subtitles.layout import N_WORDS, Typesetter, layout
from asr_cli.subtitles.lint import lint
from asr_cli.subtitles.style import Style, by_script, for_language, preset, script
from asr_cli.transcript import Segment, Word

STYLES = [by_script(), preset("en"), preset("zh"), preset("netflix-ja"), Style(max_line_width=12)]

ENGLISH = st.sampled_from(
    [" the", " house", " a", " 3.5", " GPT-4", " internationalization", " well,", " end.", " (so", " far)"]
)
CHINESE = st.sampled_from([*"今天气很好我们的了一二三年。，！「」", "GPT-4", "2024"])
JAPANESE = st.sampled_from([*"今日は良い天気ですっょーコンピュータ。、「」", "ありがとう", "100"])
FAMILY = "👨\u200d👩\u200d👧"
ODD = st.sampled_from([" ", "", "\n", "a\nb", " -->", FAMILY, "\u0301", "x" * 50, "好" * 90, " two words"])
TEXTS = [ENGLISH, CHINESE, JAPANESE, st.one_of(ENGLISH, CHINESE, JAPANESE, ODD)]

SANE_STEP = st.tuples(st.floats(0, 1.0), st.floats(0.05, 0.6))
NASTY_TIME = st.one_of(st.floats(-5, 60), st.sampled_from([0.0, 1.0, 5.0, math.nan, math.inf, -math.inf]), st.floats())


@st.composite
def sane_segments(draw: st.DrawFn) -> list[Segment]:
    """Words one after another, as a good recogniser gives them."""
    text, time = draw(st.sampled_from(TEXTS[:3])), 0.0
    segments = []
    for words in draw(st.lists(st.lists(st.tuples(text, SANE_STEP), min_size=1, max_size=40), max_size=3)):
        built = []
        for token, (pause, duration) in words:
            time += pause if pause > 0.8 else 0.0
            built.append(Word(token, time, time + duration))
            time += duration
        segments.append(Segment(tuple(built)))
    return segments


@st.composite
def nasty_segments(draw: st.DrawFn) -> list[Segment]:
    """Zero-length, equal, overlapping, backwards and missing times; odd text; three speakers."""
    word = st.builds(Word, draw(st.sampled_from(TEXTS)), NASTY_TIME, NASTY_TIME)
    segment = st.builds(Segment, st.lists(word, max_size=20).map(tuple), st.sampled_from([None, "Ann", "王"]))
    return draw(st.lists(segment, max_size=5))


def visible(text: str) -> str:
    return "".join(text.split())


def said(segments: list[Segment], speaker: str | None) -> str:
    return visible("".join(word.text for s in segments if s.speaker == speaker for word in s.words))


def shown(cues: list[Cue], speaker: str | None) -> str:
    return visible("".join(cue.text for cue in cues if cue.speaker == speaker))


@settings(max_examples=300, deadline=None)
@example([Segment((Word("a\nb", 0.0, 1.991197193909995e-28), Word("。", 1.0, 0.0)))], STYLES[0])
@given(nasty_segments(), st.sampled_from(STYLES))
def test_no_times_make_a_cue_overlap_go_backwards_or_last_no_time(segments, style) -> None:
    cues = list(layout(segments, style))
    last = 0.0
    for cue in cues:
        assert last <= cue.start < cue.end < math.inf
        assert cue.start - last > 0.0829 or last == 0.0
        position = cue.start
        for word in cue.words:
            assert cue.start <= word.start <= word.end <= cue.end
            assert word.start >= position
            position = word.end
        last = cue.end


@settings(max_examples=300, deadline=None)
@given(nasty_segments(), st.sampled_from(STYLES))
def test_every_word_is_in_exactly_one_cue_of_its_speaker(segments, style) -> None:
    cues = list(layout(segments, style))
    for speaker in (None, "Ann", "王"):
        assert shown(cues, speaker) == said(segments, speaker)


@settings(max_examples=200, deadline=None)
@given(sane_segments(), st.sampled_from(STYLES))
def test_no_line_is_wider_than_the_style_unless_it_cannot_be_broken(segments, style) -> None:
    for cue in layout(segments, style):
        limit = style.max_line_width if isinstance(style, Style) else 42
        assert len(cue.rows) <= 2
        for line in cue.lines:
            assert columns(line) <= limit or not has_break(line)


def has_break(line: str) -> bool:
    """A place to break that anybody would accept: a space inside, or two plain ideographs side by side."""
    plain = "今天气很好我们的了良"
    return " " in line or any(a in plain and b in plain for a, b in pairwise(line))


PLAIN = st.sampled_from("今天气很好我们的了二三年良コンタありがとう")
BEFORE = st.sampled_from(["", "", "", "「", "（", "“", "《"])
AFTER = st.sampled_from(["", "", "", "。", "，", "、", "」", "！？", "……", "ー", "っ", "ょ", "）。"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(BEFORE, PLAIN, AFTER), min_size=10, max_size=80), st.sampled_from(STYLES))
def test_no_line_starts_with_a_closing_mark_or_ends_with_an_opening_one(marked, style) -> None:
    segment = spoken([token for group in marked for token in group if token], step=0.15)
    for line in (line for cue in layout([segment], style) for line in cue.lines):
        assert line[0] not in CLOSING
        assert line[-1] not in OPENING


@settings(max_examples=200, deadline=None)
@given(nasty_segments(), st.sampled_from(STYLES[1:]))
def test_the_linter_finds_no_error_in_any_layout(segments, style) -> None:
    assert [problem for problem in lint(layout(segments, style), style) if problem.severity == "error"] == []


@settings(max_examples=30, deadline=None)
@given(st.lists(ENGLISH, min_size=1, max_size=60), st.data())
def test_where_speech_was_split_into_segments_does_not_change_its_cues(tokens, data) -> None:
    words = spoken(tokens).words
    at = data.draw(st.integers(0, len(words)))
    assert list(layout([Segment(words[:at]), Segment(words[at:])])) == list(layout([Segment(words)]))


def spoken(tokens: list[str], *, start: float = 0.0, step: float = 0.3, speaker: str | None = None) -> Segment:
    words = [Word(t, start + i * step, start + (i + 1) * step) for i, t in enumerate(tokens)]
    return Segment(tuple(words), speaker)


def english(text: str) -> list[str]:
    return [f" {word}" for word in text.split()]


def lines(segment: Segment, style: Style | Callable[[str], Style] | None = None) -> list[tuple[str, ...]]:
    return [cue.lines for cue in layout([segment], style)]


def test_two_lines_are_balanced_and_break_at_the_clause() -> None:
    text = "And so my fellow Americans, ask not what your country can do for you."
    assert lines(spoken(english(text))) == [
        ("And so my fellow Americans,", "ask not what your country can do for you.")
    ]


def test_a_mandarin_line_holds_sixteen_characters_and_breaks_after_the_comma() -> None:
    text = "欢迎大家来体验达摩院推出的语音识别模型，今天我们要讲的内容一共有三个部分。"
    tokens = [*text.replace("，", "").replace("。", "")]
    tokens[18] += "，"
    tokens[-1] += "。"
    assert lines(spoken(tokens, step=0.2)) == [
        ("欢迎大家来体验达摩院", "推出的语音识别模型，"),
        ("今天我们要讲的", "内容一共有三个部分。"),
    ]


@pytest.mark.parametrize("whole", ["3.5", "GPT-4", "2024年", "iPhone", "99.9%", "don't"])
def test_numbers_and_latin_words_are_never_divided(whole: str) -> None:
    for n in range(5, 20):
        tokens = [*("天" * n), *whole, *("气" * 12)]
        assert any(whole in line for cue in lines(spoken(tokens, step=0.1), preset("zh")) for line in cue)


def test_a_word_wider_than_a_line_stays_whole_on_its_own_and_twice_as_wide_is_cut() -> None:
    style = Style(max_line_width=10)
    words = spoken([" a", " Donaudampfschiff", " b"])
    assert [line for cue in lines(words, style) for line in cue] == ["a", "Donaudampfschiff", "b"]
    assert max(columns(line) for cue in lines(spoken(["x" * 35]), style) for line in cue) == 10


def test_a_sentence_given_as_one_word_is_cut_with_times_in_proportion() -> None:
    cues = list(layout([Segment((Word("今天天气很好我们去公园散步吧" * 6, 0.0, 21.0),))], preset("zh")))
    assert len(cues) >= 3
    assert all(cue.duration <= 7.0 for cue in cues)
    assert cues[1].words[0].start == pytest.approx(21.0 * len("".join(cues[0].lines)) / 84, abs=0.01)


def test_a_short_cue_lingers_into_silence_and_never_into_the_next() -> None:
    yes, later = spoken([" Yes."], step=0.2), spoken([" No."], start=10.0)
    soon = spoken([" No."], start=0.75)
    assert next(layout([yes, later])).end == pytest.approx(0.83)
    assert next(layout([yes, soon])).end == pytest.approx(0.75 - 0.083)


def test_no_cue_is_longer_than_the_maximum_or_reaches_across_silence() -> None:
    slow = [Word(f" w{i}", i * 3.0, i * 3.0 + 0.4) for i in range(8)]
    cues = list(layout([Segment(tuple(slow))]))
    assert len(cues) == 8
    steady = [Word(f" w{i}", i * 1.5, i * 1.5 + 1.5) for i in range(30)]
    assert max(len(cue.words) for cue in layout([Segment(tuple(steady))])) == 4
    held = list(layout([Segment((Word(" la", 0.0, 60.0),))]))
    assert held[0].duration == 7.0


def test_speakers_talking_at_once_get_cues_of_their_own_in_order_of_time() -> None:
    long = spoken(english("one two three four five six seven eight nine ten " * 4), speaker="left")
    short = spoken(english("uh huh"), start=3.0, speaker="right")
    cues = list(layout([long, short]))
    assert [c.start for c in cues] == sorted(c.start for c in cues)
    assert [c.speaker for c in cues].index("right") == 1
    assert all({word.text for word in c.words} <= {" uh", " huh"} for c in cues if c.speaker == "right")


@given(st.data())
def test_two_speakers_cues_come_in_the_order_they_were_spoken(data) -> None:
    said: dict[str, float] = {}
    segments = []
    for speaker in "AB":
        time = data.draw(st.floats(0, 5))
        for _ in range(data.draw(st.integers(1, 6))):
            words = []
            for _ in range(data.draw(st.sampled_from([2, 5, 40]))):
                words.append(Word(f" {speaker}{len(said)}", time, time + 0.3))
                said[words[-1].text.strip()] = time
                time += 0.4
            segments.append(Segment(tuple(words), speaker=speaker))
            time += data.draw(st.sampled_from([0.05, 0.2, 2.0]))
    segments.sort(key=lambda segment: segment.start)
    starts = [said[cue.words[0].text.strip()] for cue in layout(segments)]
    assert starts == sorted(starts)


def test_a_mark_that_comes_long_after_its_word_still_ends_it() -> None:
    words = (Word("好", 0.0, 0.3), Word("吗", 0.3, 0.6), Word("？", 4.0, 4.2), Word("好", 6.0, 6.3))
    for segments in ([Segment(words)], [Segment(words[:2]), Segment(words[2:])]):
        cues = list(layout(segments))
        assert [c.text for c in cues] == ["好吗？", "好"]
        assert cues[0].end < 3.0


def test_a_speakers_name_has_room_in_the_first_line() -> None:
    for cue in layout([spoken(english("some words of no weight at all " * 12), speaker="Margaret")]):
        assert columns(f"Margaret: {cue.lines[0]}") <= 42


def test_max_words_per_line_is_kept() -> None:
    style = Style(max_words_per_line=3, max_line_count=1)
    assert all(len(line[0].split()) <= 3 for line in lines(spoken(english("a b c d e f g h i j k")), style))


def test_each_stretch_of_text_is_laid_out_by_its_own_script() -> None:
    mandarin = spoken([*"今天天气很好我们去公园散步吧" * 2], start=30.0)
    cues = list(layout([spoken(english("this is a line of about forty columns wide")), mandarin]))
    assert columns(cues[0].lines[0]) > 32
    assert all(columns(line) <= 32 for cue in cues[1:] for line in cue.lines)


def test_cues_come_while_segments_are_still_coming() -> None:
    typesetter = Typesetter()
    seen = [len(list(typesetter.add(spoken(english("so it goes."), start=i * 5.0)))) for i in range(6)]
    assert seen == [0, 0, 1, 1, 1, 1]


def test_memory_does_not_grow_with_the_recording() -> None:
    typesetter = Typesetter()
    held = []
    for i in range(300):
        list(typesetter.add(spoken([*"我们今天说的话没有停顿也没有标点"], start=i * 4.8)))
        held.append(len(typesetter.words) + len(typesetter.waiting))
    assert max(held[150:]) <= max(held[:150]) <= N_WORDS + 20


def test_presets_and_languages_give_the_styles_of_the_guides() -> None:
    assert [preset(n).max_line_width for n in ("en", "zh", "ja", "netflix-ja")] == [42, 32, 32, 26]
    assert for_language("zh-CN") == preset("zh") and for_language("de") == preset("en")
    assert preset("ja", max_line_width=20).max_line_width == 20
    assert script("明日は東京で会議がある") == "ja"
    with pytest.raises(UsageError, match="netflix-ja"):
        preset("netflix")
    with pytest.raises(UsageError, match="max_duration"):
        Style(max_duration=0.5)


def test_nothing_said_makes_no_cue() -> None:
    assert list(layout([])) == []
    assert list(layout([Segment(()), Segment((Word(" ", 0, 1),))])) == []


def test_a_cue_is_of_one_language_and_doubtful_as_a_whole_or_not_at_all() -> None:
    said = [("one two", "en", None), ("eins zwei", "de", None), ("drei drei", "de", "repetition"), ("vier", "de", None)]
    segments = [
        Segment(tuple(Word(f" {word}", at + i / 4, at + i / 4 + 0.2) for i, word in enumerate(text.split())),
                language=language, suspect=suspect)
        for at, (text, language, suspect) in enumerate(said)
    ]  # fmt: skip
    assert [(cue.text, cue.language, cue.suspect) for cue in layout(segments)] == said
