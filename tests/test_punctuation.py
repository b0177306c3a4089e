import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.punctuation.blocks import BLOCK, HOPELESS, LONGEST, Marked, mark_blocks
from asr_cli.punctuation.ct import LONG_PAUSE, CtPunctuator
from asr_cli.punctuation.dictionary import chinese_cutter
from asr_cli.punctuation.sentences import sentences
from asr_cli.punctuation.tokens import Token, tokens_of
from asr_cli.punctuation.vocabulary import SpokenVocabulary
from asr_cli.transcript import Segment, Word
from tests.tools.small_punc import BIASES, CHINESE, ENGLISH, USER_WORDS, unspaced_texts, write_folder

FACTS = json.loads((Path(__file__).parent / "golden" / "funasr_punc.json").read_text(encoding="utf-8"))
POOL = [*CHINESE[:20], *(f" {word}" for word in ENGLISH), " Tom's", " 2024年", " hello,", " Stop.", " mr."]
MARKS = ",.?，。？、"


@pytest.fixture(scope="module")
def punctuators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CtPunctuator]:
    root = tmp_path_factory.mktemp("puncs")
    shapes = {v: {name: tuple(shape) for name, shape in FACTS[f"{v}/shapes"].items()} for v in BIASES}
    return {v: CtPunctuator.from_folder(write_folder(root / v, v, shapes[v])) for v in BIASES}


def spoken(*texts: str, pause: float = 0.1) -> tuple[Word, ...]:
    """Words of half a second each."""
    return tuple(Word(text, at * (0.5 + pause), at * (0.5 + pause) + 0.5) for at, text in enumerate(texts))


def bare(text: str) -> str:
    return text.strip().rstrip(MARKS).lower()


words = st.lists(st.sampled_from(POOL), max_size=120)
pauses = st.lists(st.sampled_from([0.0, 0.3, 0.9, LONG_PAUSE, 5.0]), min_size=120, max_size=120)
cuts = st.lists(st.integers(0, 120), max_size=10)
speakers = st.lists(st.sampled_from([None, "left", "right"]), min_size=12, max_size=12)


def cut(heard: Sequence[Word], at: Iterable[int], who: Sequence[str | None]) -> list[Segment]:
    edges = sorted({0, len(heard), *(place for place in at if place < len(heard))})
    return [Segment(tuple(heard[a:b]), speaker=who[n % 12]) for n, (a, b) in enumerate(pairwise(edges))]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(BIASES)), words, pauses, cuts, speakers)
def test_whatever_is_said_only_marks_and_capitals_change(
    punctuators: dict[str, CtPunctuator], variant: str, texts: list[str], gaps: list[float], at: list[int],
    who: list[str | None],
) -> None:  # fmt: skip
    moment, heard = 0.0, []
    for text, gap in zip(texts, gaps, strict=False):
        heard.append(Word(text, moment + gap, moment + gap + 0.4, 0.5))
        moment += gap + 0.4
    segments = cut(heard, at, who)
    result = list(punctuators[variant](segments))
    given_words = [(word, segment.speaker) for segment in segments for word in segment.words]
    found = [(word, segment.speaker) for segment in result for word in segment.words]
    assert len(found) == len(given_words)
    for (after, now), (before, then) in zip(found, given_words, strict=True):
        assert (after.start, after.end, after.confidence, now) == (before.start, before.end, 0.5, then)
        assert bare(after.text) == bare(before.text)
        assert after.text.count("\n") == 0 and "<unk>" not in after.text
    assert all(len(segment.words) <= LONGEST + 1 for segment in result)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["offline", "sparse", "rough"]), words, cuts)
def test_where_utterances_were_cut_does_not_show(
    punctuators: dict[str, CtPunctuator], variant: str, texts: list[str], at: list[int]
) -> None:
    heard = spoken(*texts)
    whole = list(punctuators[variant]([Segment(heard)]))
    assert list(punctuators[variant](cut(heard, at, [None] * 12))) == whole


class Never:
    """A recogniser's segments that never end; notes how many were pulled."""

    def __init__(self) -> None:
        self.n_pulled = 0

    def __iter__(self) -> Iterator[Segment]:
        while True:
            words = spoken(" and", " so", " on", " it", " goes", " without", " any", " end")
            start = 6.0 * self.n_pulled
            self.n_pulled += 1
            yield Segment(tuple(replace(w, start=w.start + start, end=w.end + start) for w in words))


@pytest.mark.parametrize("variant", list(BIASES))
def test_hours_are_not_held_back(punctuators: dict[str, CtPunctuator], variant: str) -> None:
    source = Never()
    sentences_of_it = punctuators[variant](source)
    next(sentences_of_it)
    assert source.n_pulled < (HOPELESS + 3 * BLOCK) / 8


def marked(*pairs: tuple[str, str]) -> list[Marked]:
    heard = spoken(*(text for text, _ in pairs))
    return [Marked(Token(word.text.strip(), (word,)), mark) for word, (_, mark) in zip(heard, pairs, strict=True)]


def text_of(*pairs: tuple[str, str]) -> list[str]:
    return [segment.text for segment in sentences(marked(*pairs))]


def test_marks_are_those_of_the_script_they_follow() -> None:
    assert text_of((" hello", "，"), (" world", "？"), ("你", ""), ("好", "、"), (" ok", "、"), ("了", "。")) == [
        "Hello, world?", "你好、 ok,了。",
    ]  # fmt: skip
    assert text_of((" 안녕", "，"), (" 여러분", "。")) == ["안녕, 여러분."]


def test_a_sentence_begins_with_a_capital_and_nothing_becomes_small() -> None:
    # FunASR writes "Ibm" and "Iphone" here.
    assert text_of((" IBM", "。"), (" iPhone", "。"), (" hello", "。"), (" 3rd", "。"), (" élan", "。")) == [
        "IBM.", "iPhone.", "Hello.", "3rd.", "Élan.",
    ]  # fmt: skip


def test_what_brought_its_own_marks_is_left_alone() -> None:
    assert text_of((" Hello,", "。"), (" mr.", ""), (" smith.", ""), (" you", "")) == ["Hello, mr. smith.", "You"]
    assert text_of((' "Really?"', "，"), (" yes", "。")) == ['"Really?"', "Yes."]


def test_a_price_ends_a_sentence_and_an_initial_does_not() -> None:
    said = (
        (" it", ""),
        (" cost", ""),
        (" $5.00.", ""),
        (" ask", ""),
        (" J.", ""),
        (" at", ""),
        (" 5", ""),
        (" a.m.", ""),
    )
    assert text_of(*said) == ["It cost $5.00.", "Ask J. at 5 a.m."]


def test_a_long_pause_and_another_speaker_end_a_sentence(punctuators: dict[str, CtPunctuator]) -> None:
    def heard(second: str | None, gap: float) -> list[str]:
        first = Segment((Word(" hello", 0, 1), Word(" world", 1, 2)), "left")
        then = Segment((Word("it's", 2 + gap, 3 + gap), Word(" a", 3 + gap, 4 + gap)), second)
        return [segment.text for segment in punctuators["sparse"]([first, then])]

    assert heard("left", 0.8) == ["Hello, world it's a."]
    assert heard("left", LONG_PAUSE) == heard("right", 0.8) == ["Hello, world.", "It's a."]


def test_a_tail_without_marks_is_given_away_before_it_grows_without_bound() -> None:
    longest = 0

    def label(tokens: Sequence[Token]) -> list[Marked]:
        nonlocal longest
        longest = max(longest, len(tokens))
        return [Marked(token, "") for token in tokens]

    tokens = [Token(str(n)) for n in range(5000)]
    found = list(mark_blocks(tokens, label))
    assert [one.token for one in found] == tokens
    assert longest <= HOPELESS + BLOCK


def test_a_very_long_sentence_ends_at_a_comma() -> None:
    def label(tokens: Sequence[Token]) -> list[Marked]:
        return [Marked(token, "，" if token.text == "90" else "") for token in tokens]

    found = list(mark_blocks([Token(str(n)) for n in range(300)], label))
    assert [one.token.text for one in found if one.mark == "。"] == ["90", "299"]


def test_whole_words_are_those_of_funasr(tmp_path: Path) -> None:
    (tmp_path / "jieba_usr_dict").write_text("\n".join(USER_WORDS) + "\n", encoding="utf-8")
    cut = chinese_cutter(tmp_path / "jieba_usr_dict")
    for text, theirs in zip(unspaced_texts(), FACTS["words"], strict=True):
        heard = spoken(*re.findall(r"\s*(?:[!-~]+|[^\x00-\x7f])", text))
        tokens = tokens_of(heard, cut)
        assert [token.text for token in tokens] == theirs
        assert [word for token in tokens for word in token.words] == list(heard)


def test_words_that_are_not_known_are_known_by_their_endings() -> None:
    vocabulary = SpokenVocabulary(["<unk>", "0", "*ing", "*g", "singing"])
    assert [vocabulary.id(word) for word in ("singing", "Pinging", "ring.", "dog", "7th", "2,000", "qx", "")] == [
        4, 2, 2, 3, 1, 1, 0, 0,
    ]  # fmt: skip
