"""Joining overlapping readings: no word twice, none lost, times in order."""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.longform.align import align
from asr_cli.longform.stitch import stitch
from asr_cli.transcript import Segment, Word

HANZI = "今天气很好我们去公园散步然后回家吃饭看书睡觉明早再出门工作他说这是真的吗"
LATIN = [a + b + c for a in "bdfk" for b in "aeiou" for c in "lmnt"]


@dataclass(frozen=True)
class Piece:
    """What one piece of the recording covers."""

    start: float
    end: float


def say(texts: Sequence[str], step: float = 0.3, start: float = 0.0) -> list[Word]:
    return [Word(text, start + i * step, start + (i + 0.8) * step) for i, text in enumerate(texts)]


def spoken(text: str, step: float = 0.3, start: float = 0.0) -> list[Word]:
    """Latin words with their spaces, or single characters of a script without."""
    texts = [" " + word for word in text.split()] if text.isascii() else list(text)
    return say(texts, step, start)


def middle(word: Word) -> float:
    return (word.start + word.end) / 2


def hear(truth: Sequence[Word], piece: Piece, jitter: float = 0.0, rng: random.Random | None = None) -> list[Word]:
    """The words of a piece, their times off by up to `jitter`, tidy as recognition leaves them."""
    rng = rng or random.Random(0)
    heard: list[Word] = []
    earliest = piece.start
    for word in truth:
        if not piece.start <= middle(word) < piece.end:
            continue
        off = rng.uniform(-jitter, jitter)
        start = min(max(word.start + off, earliest), piece.end)
        end = min(max(word.end + off, start), piece.end)
        heard.append(replace(word, start=start, end=end))
        earliest = end
    return heard


def segments(readings: Sequence[Sequence[Word]], windows: Sequence[Piece]) -> list[Segment]:
    made = [Segment(tuple(readings[0]))]
    for words, before, piece in zip(readings[1:], windows, windows[1:], strict=False):
        made.append(Segment(tuple(words), overlap=(piece.start, before.end)))
    return made


def texts(stitched: Sequence[Segment]) -> list[str]:
    return [word.text for segment in stitched for word in segment.words]


def in_order(stitched: Sequence[Segment]) -> bool:
    words = [word for segment in stitched for word in segment.words]
    return all(w.start <= w.end for w in words) and all(a.end <= b.start for a, b in pairwise(words))


def windows_over(duration: float, length: float, overlap: float) -> list[Piece]:
    made = [Piece(0.0, length)]
    while made[-1].end < duration:
        start = made[-1].end - overlap
        made.append(Piece(start, start + length))
    return made


def two(before: Sequence[Word], after: Sequence[Word], overlap: tuple[float, float]) -> list[Segment]:
    return list(stitch([Segment(tuple(before)), Segment(tuple(after), overlap=overlap)]))


@given(data=st.data(), script=st.sampled_from(["zh", "en"]), seed=st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_readings_that_agree_are_joined_to_the_truth_however_the_times_wander(
    data: st.DataObject, script: str, seed: int
) -> None:
    rng = random.Random(seed)
    step = data.draw(st.floats(0.2, 0.6))
    overlap = data.draw(st.floats(0.8, 4.0))
    # Words are distinct within any two seconds or so, and come again later.
    stock = list(HANZI) if script == "zh" else [" " + word for word in LATIN]
    truth = say([stock[i % len(stock)] for i in range(data.draw(st.integers(5, 200)))], step)
    windows = windows_over(truth[-1].end, overlap * 2 + data.draw(st.floats(1.0, 10.0)), overlap)
    stitched = list(stitch(segments([hear(truth, piece, 0.2, rng) for piece in windows], windows)))
    assert texts(stitched) == [word.text for word in truth]
    assert in_order(stitched)
    assert all(segment.overlap is None and segment.words for segment in stitched)


@given(data=st.data(), seed=st.integers(0, 2**32), word=st.sampled_from([" no", "哈"]))
@settings(max_examples=150, deadline=None)
def test_a_repeated_word_inside_the_overlap_survives_in_the_right_number(
    data: st.DataObject, seed: int, word: str
) -> None:
    n_repeats = data.draw(st.integers(2, 8))
    truth = say([f" w{i}" for i in range(10)] + [word] * n_repeats + [f" v{i}" for i in range(10)], 0.25)
    run = Piece(truth[10].start, truth[9 + n_repeats].end)
    first, second = Piece(0, run.end + 0.5), Piece(run.start - 0.5, 99)
    rng = random.Random(seed)
    readings = [hear(truth, piece, 0.2, rng) for piece in (first, second)]
    stitched = list(stitch(segments(readings, [first, second])))
    assert texts(stitched) == [w.text for w in truth]


@given(
    start=st.floats(2.0, 4.0),
    length=st.floats(1.2, 4.0),
    step=st.floats(0.2, 0.5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_a_run_of_one_word_through_the_whole_overlap_keeps_its_number(
    start: float, length: float, step: float, seed: int
) -> None:
    truth = say(["哈"] * 60, step)
    first, second = Piece(0, start + length), Piece(start, 99)
    rng = random.Random(seed)
    # Nothing but the times tells these apart, so they wander less than halfway to the neighbour.
    readings = [hear(truth, piece, step / 5, rng) for piece in (first, second)]
    assert texts(list(stitch(segments(readings, [first, second])))) == ["哈"] * 60


def spoil(words: list[Word], zone: Piece, rng: random.Random, mark: str) -> list[Word]:
    """Substitute, delete and insert inside the zone; what is invented can be told by its mark."""
    spoilt: list[Word] = []
    for i, word in enumerate(words):
        fate = rng.random() if zone.start + 0.1 < middle(word) < zone.end - 0.1 else 1.0
        if fate < 0.15:
            spoilt.append(replace(word, text=f" {mark}{i}"))
        elif fate < 0.25:
            continue
        elif fate < 0.35:
            half = middle(word)
            spoilt += [replace(word, end=half), Word(f" {mark}{i}", half, word.end)]
        else:
            spoilt.append(word)
    return spoilt


@given(seed=st.integers(0, 2**32), overlap=st.floats(1.0, 4.0), step=st.floats(0.2, 0.6), n=st.integers(10, 90))
@settings(max_examples=250, deadline=None)
def test_readings_that_differ_lose_and_double_nothing_they_agree_on(
    seed: int, overlap: float, step: float, n: int
) -> None:
    rng = random.Random(seed)
    truth = say([f" t{i}" for i in range(n)], step)
    first = Piece(0.0, truth[-1].end / 2 + overlap / 2)
    second = Piece(first.end - overlap, truth[-1].end + 1)
    zone = Piece(second.start, first.end)
    before = spoil(hear(truth, first, 0.05, rng), zone, rng, "x")
    after = spoil(hear(truth, second, 0.05, rng), zone, rng, "y")
    stitched = two(before, after, (zone.start, zone.end))
    got = texts(stitched)
    assert in_order(stitched)
    assert len(set(got)) == len(got), "a word stands twice"
    common = {word.text for word in before} & {word.text for word in after}
    alone = {w.text for w in truth if not zone.start - 0.1 < middle(w) < zone.end + 0.1}
    assert (common | alone) <= set(got), "a word was lost"
    left, right = [w.text for w in before], [w.text for w in after]
    seams = [got[:n] == left[:n] and got[n:] == right[len(right) - len(got) + n :] for n in range(len(got) + 1)]
    assert any(seams), "neither reading up to a seam and the other behind it"


@given(
    before=st.lists(st.tuples(st.sampled_from(string.ascii_lowercase[:4]), st.floats(0, 6)), max_size=15),
    after=st.lists(st.tuples(st.sampled_from(string.ascii_lowercase[:4]), st.floats(0, 6)), max_size=15),
)
@settings(max_examples=200, deadline=None)
def test_any_two_readings_give_times_in_order_and_keep_what_only_one_could_hear(
    before: list[tuple[str, float]], after: list[tuple[str, float]]
) -> None:
    def reading(drawn: list[tuple[str, float]], shift: float) -> list[Word]:
        moments = sorted(moment + shift for _, moment in drawn)
        ends = [*moments, 6 + shift][1:]
        return [Word(f" {t}", m, min(m + 0.3, e)) for (t, _), m, e in zip(drawn, moments, ends, strict=True)]

    left, right = reading(before, 0), reading(after, 3)
    stitched = two(left, right, (3.0, 6.0))
    assert in_order(stitched)
    got = texts(stitched)
    early = [w.text for w in left if middle(w) < 3 - 0.3]
    late = [w.text for w in right if middle(w) > 6 + 0.3]
    assert got[: len(early)] == early
    assert got[len(got) - len(late) :] == late


@pytest.mark.parametrize("text", ["no no no", "哈哈哈", "yes no no yes no", "对对对对不对"])
def test_repeated_words_said_once_by_each_piece_stand_once(text: str) -> None:
    words = spoken(text, 0.3, start=10.0)
    stitched = two(words, words, (9.8, words[-1].end + 0.2))
    assert texts(stitched) == [w.text for w in words]


def test_without_a_common_word_the_seam_is_in_the_middle_of_the_overlap() -> None:
    before, after = say(["甲", "乙", "丙", "丁"], 0.5, 10.0), say(["子", "丑", "寅", "卯"], 0.5, 10.0)
    assert texts(two(before, after, (10.0, 12.0))) == ["甲", "乙", "寅", "卯"]


def test_a_word_heard_differently_across_the_middle_stands_once() -> None:
    before = [Word(" cat", 10.8, 11.1)]
    after = [Word(" cut", 10.9, 11.2)]
    assert len(texts(two(before, after, (10.0, 12.0)))) == 1


@pytest.mark.parametrize("side", ["before", "after"])
def test_where_one_piece_heard_nothing_the_other_is_kept_whole(side: str) -> None:
    words = spoken("all of this was said", 0.4, 10.0)
    outside = [Word(" start", 5.0, 5.5)], [Word(" finish", 15.0, 15.5)]
    before = outside[0] + (words if side == "before" else [])
    after = (words if side == "after" else []) + outside[1]
    assert texts(two(before, after, (10.0, 12.0))) == [" start", *(w.text for w in words), " finish"]


def test_an_empty_piece_between_two_is_dropped_and_nothing_else() -> None:
    pieces = [Segment(tuple(spoken("one two"))), Segment((), overlap=(0.5, 2.0)), Segment(())]
    last = Segment(tuple(spoken("three", start=3.0)), overlap=(2.5, 3.0))
    assert texts(list(stitch([*pieces, last]))) == [" one", " two", " three"]


def test_a_piece_wholly_inside_its_neighbours_doubles_nothing() -> None:
    truth = say([f" t{i}" for i in range(40)])
    windows = [Piece(0, 6.0), Piece(4.0, 6.5), Piece(4.5, 99)]
    stitched = list(stitch(segments([hear(truth, piece) for piece in windows], windows)))
    assert texts(stitched) == [w.text for w in truth]


def test_a_half_word_at_a_pieces_edge_gives_way_to_the_whole_one() -> None:
    before = [*spoken("we went to the", 0.4, 10.0), Word(" cast", 11.7, 12.0)]
    after = [*spoken("to the castle again", 0.4, 10.8)]
    assert texts(two(before, after, (10.7, 12.0))) == [" we", " went", " to", " the", " castle", " again"]


def test_case_width_and_punctuation_do_not_hide_a_common_word() -> None:
    before, after = (
        [Word(" Hello,", 1.0, 1.4), Word("ＡＢ", 1.5, 1.8)],
        [Word("hello", 1.0, 1.4), Word("ab。", 1.5, 1.8)],
    )
    assert [pair.same for pair in align(before, after, (0.5, 2.0))] == [True, True]


def test_equal_words_at_different_times_are_different_words() -> None:
    stitched = two([Word(" yes", 10.2, 10.4)], [Word(" yes", 11.7, 11.9)], (10.0, 12.0))
    assert texts(stitched) == [" yes", " yes"]


@pytest.mark.parametrize(
    ("last", "first", "joined"),
    [(" went", "home", " home"), (" went", " home", " home"), ("回", " 家", "家"), ("回", "家", "家"),
     ("说", "hi", "hi"), (" said", ",", ","), ("。", " ok", " ok"),
     ("ไทย", "คือ", "คือ"), ("ខ្មែរ", " ជា", "ជា"), (" \uffa1", "\uffa4", " \uffa4")],
)  # fmt: skip
def test_a_seam_has_a_space_where_the_script_wants_one(last: str, first: str, joined: str) -> None:
    stitched = two([Word(last, 1.0, 1.5)], [Word(first, 5.0, 5.5)], (3.0, 4.0))
    assert stitched[1].words[0].text == joined


def test_segments_without_overlap_pass_untouched_with_their_speakers() -> None:
    given = [
        Segment(tuple(spoken("a b")), speaker="left"),
        Segment(tuple(spoken("b c", start=0.5)), speaker="right"),
    ]
    assert list(stitch(given)) == given


def test_each_piece_keeps_its_speaker() -> None:
    words = spoken("one two three four", 0.5)
    stitched = list(stitch([Segment(tuple(words), "A"), Segment(tuple(words), "B", overlap=(0.0, 2.0))]))
    assert [segment.speaker for segment in stitched] == ["A", "B"]


def test_a_segment_is_out_before_the_one_after_its_neighbour_is_asked_for() -> None:
    n_pulled = 0

    def pulling() -> Iterator[Segment]:
        nonlocal n_pulled
        for start in range(0, 100, 10):
            n_pulled += 1
            yield Segment(tuple(spoken("a b c", start=start)))

    next(iter(stitch(pulling())))
    assert n_pulled == 2


def test_thousands_of_words_at_one_instant_are_still_joined() -> None:
    words = [Word(f" w{i}", 5.0, 5.0) for i in range(3000)]
    assert texts(two(words, words, (4.0, 6.0))) == [w.text for w in words]


def test_between_words_they_agree_on_one_reading_is_taken_whole() -> None:
    before = [
        Word(" we", 10.3, 10.5),
        Word(" can", 10.9, 11.0),
        Word(" not", 11.05, 11.15),
        Word(" go", 11.7, 11.9),
    ]
    after = [
        Word(" we", 10.3, 10.5),
        Word(" stop", 11.2, 11.3),
        Word(" ping", 11.35, 11.5),
        Word(" go", 11.7, 11.9),
    ]
    got = texts(two(before, after, (10.0, 12.0)))
    assert got in ([w.text for w in before], [w.text for w in after])


@given(
    n_words=st.integers(20, 60),
    overlap=st.floats(2.0, 4.0),
    which=st.sampled_from([0, 1]),
    at=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_where_the_times_of_one_reading_say_nothing_the_text_alone_tells_the_overlap(
    n_words: int, overlap: float, which: int, at: float, seed: int
) -> None:
    truth = say([f" w{index}" for index in range(n_words)])
    middle_ = truth[-1].end / 2
    pieces = [Piece(0.0, middle_ + overlap / 2), Piece(middle_ - overlap / 2, truth[-1].end)]
    readings = [hear(truth, piece, 0.1, random.Random(seed)) for piece in pieces]
    moment = pieces[which].start + at * (pieces[which].end - pieces[which].start)
    readings[which] = [replace(word, start=moment, end=moment) for word in readings[which]]
    stitched = list(stitch(segments(readings, pieces)))
    assert texts(stitched) == [word.text for word in truth]
    assert in_order(stitched)


def test_what_is_known_of_a_segment_survives_the_joining() -> None:
    truth = spoken("one two three four five six seven eight nine ten")
    known = {"speaker": "left", "language": "en", "suspect": "repetition", "heard": 2.5}
    before = Segment(tuple(truth[:7]), **known)  # type: ignore[arg-type]
    after = Segment(tuple(truth[4:]), overlap=(truth[4].start, truth[6].end), language="fr")
    joined = list(stitch([before, after]))
    assert texts(joined) == [word.text for word in truth]
    assert [replace(segment, words=()) for segment in joined] == [Segment((), **known), Segment((), language="fr")]  # type: ignore[arg-type]
