"""Pieces to words: what is spelled, what is spaced, and that nothing is lost."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_cli.text.vocabulary import Vocabulary
from asr_cli.text.words import SPECIAL, Piece, join
from asr_cli.transcript import Word

# What is heard as these pieces (apart here by spaces) reads as these words (apart by bars).
MATRIX = {
    "zh": ("你 好 世 界", "你|好|世|界"),
    "zh beyond the first plane": ("𫖯 首 㐂", "𫖯|首|㐂"),
    "zh iteration mark and zero": ("人 々 二 〇 二 四", "人|々|二|〇|二|四"),
    "zh several characters in a piece": ("你好 吗", "你|好|吗"),
    "zh marks": ("你 ， 「 好 」 。", "你，|「好」。"),
    "ja": ("コ ー ヒ ー を 飲 む", "コ|ー|ヒ|ー|を|飲|む"),
    "ja half width": ("ｶ ﾞ ｷ ﾞ ｰ", "ｶﾞ|ｷﾞ|ｰ"),
    "ja with en": ("今 日 は test だ", "今|日|は|test|だ"),
    "ko is spaced": ("안녕 하세요 hello", "안녕| 하세요| hello"),
    "full width": ("Ａ Ｉ １ ２", "Ａ|Ｉ|１|２"),
    "en": ("hello world", "hello| world"),
    "en in pieces": ("hel@@ lo wor@@ l@@ d", "hello| world"),
    "en first person": ("i think i'm here i've i'll i'd", "I| think| I'm| here| I've| I'll| I'd"),
    "en contractions in pieces": ("i 'm tom 's did n't we 're", "I'm| tom's| didn't| we're"),
    "en possessive plural": ("boys ' toys", "boys'| toys"),
    "en begins with an apostrophe": ("just '@@ cause", "just| 'cause"),
    "en hyphen": ("e@@ -@@ mail well -@@ known", "e-mail| well-known"),
    "accents": ("caf@@ é e\u0301t e \u0301t", "café| e\u0301t| e\u0301t"),
    "dangling at the end": ("好 hel@@", "好|hel"),
    "dangling before zh": ("hel@@ 你 ok", "hel|你|ok"),
    "mixed": ("我 用 py@@ thon 写 hello world 了", "我|用|python|写|hello| world|了"),
    "mixed in one piece": ("卡拉ok吧", "卡|拉|ok|吧"),
    "digits": ("2 0 2 4 年", "2024|年"),
    "digits in pieces": ("2@@ 0 2@@ 4 5 1@@ 0 a@@ 4", "20| 24| 5| 10| a4"),
    "digits and numbers": ("20 5 5 30", "20| 55| 30"),
    "digits and words": ("version 2 is 9", "version| 2| is| 9"),
    "digits piece before zh": ("你 5@@ a", "你|5a"),
    "decimals and times": ("3 . 1 4 8 : 3 0", "3.148:30"),
    "symbols": ("5 0 % $ 5 r@@ & b a @ b # 1", "50%| $5| r&| b| a@b| #1"),
    "symbol alone": ("%", "%"),
    "symbol after zh": ("百 % 好", "百%|好"),
    "ampersand": ("johnson & johnson", "johnson| &| johnson"),
    "abbreviation": ("i b m 你 好", "IBM|你|好"),
    "abbreviation of three": ("a b c", "ABC"),
    "abbreviation in zh": ("一 个 c e o 说", "一|个|CEO|说"),
    "abbreviation in en": ("the u s a is", "the| USA| is"),
    "abbreviation after an article": ("a d v d and a u turn on a 4 g", "a| DVD| and| a| u| turn| on| a| 4G"),
    "abbreviation that begins as an article": ("use a p i or a t m", "use| API| or| ATM"),
    "abbreviation before a first person": ("at 5 p m i left", "at| 5| PM| I| left"),
    "a letter before a first person": (
        "plan b i think vitamin c i don't",
        "plan| b| I| think| vitamin| c| I| don't",
    ),
    "a letter before an article": (
        "with plan b a lot of vitamin e a day",
        "with| plan| b| a| lot| of| vitamin| e| a| day",
    ),
    "a letter before a count": ("vitamin c 3 times a day", "vitamin| c| 3| times| a| day"),
    "a letter and a digit at the end": ("see the g 8", "see| the| G8"),
    "abbreviation of two that ends as a word": (
        "the u i of a c i job in l a was",
        "the| UI| of| a| CI| job| in| LA| was",
    ),
    "abbreviation of two that ends as a word in zh": ("用 b i 做", "用|BI|做"),
    "abbreviation before more first persons": ("on t v i saw the u s i love", "on| TV| I| saw| the| US| I| love"),
    "abbreviation that only seems to end as a word": ("the f b i said h r a is", "the| FBI| said| HRA| is"),
    "abbreviation with a in zh": ("用 a p k 和 a d v d", "用|APK|和|ADVD"),
    "abbreviation with numbers": ("一 m p 3 一 4 g 一 g 2 0 一 r & b", "一|MP3|一|4G|一|G20|一|R&B"),
    "abbreviation beside zh letters": ("a 和 b", "a|和|b"),
    "one letter is no abbreviation": ("x 光 vitamin c", "x|光|vitamin| c"),
    "a long number is no abbreviation": ("2024 b", "2024| b"),
    "a is a word": ("5 a day", "5| a| day"),
    "special tokens": ("<s> 你 <unk> <blank> hel@@ <OOV> lo </s>", "你|hello"),
    "nothing": ("<s> </s>", ""),
}
SENTENCEPIECE = {
    "en": ("▁hel lo ▁wor ld", "hello| world"),
    "a mark of its own": ("▁a nd ▁ hel lo", "and| hello"),
    "two words in a piece": ("▁new▁yo rk▁is", "new| york| is"),
    "contractions": ("▁i 'm ▁to m ' s ▁i", "I'm| tom's| I"),
    "mixed": ("▁你好 吗 ▁o k ay 好", "你|好|吗|okay|好"),
    "marks": ("▁well , ▁so . ▁5 0 %", "well,| so.| 50%"),
    "abbreviation": ("▁i ▁b ▁m ▁is", "IBM| is"),
}


def pieces(text: str) -> list[Piece]:
    return [Piece(token, float(i), i + 1.0, 0.5) for i, token in enumerate(text.split())]


@pytest.mark.parametrize("case", MATRIX)
def test_pieces_read_as_these_words(case: str) -> None:
    spoken, expected = MATRIX[case]
    assert "|".join(word.text for word in join(pieces(spoken))) == expected


@pytest.mark.parametrize("case", SENTENCEPIECE)
def test_sentencepieces_read_as_these_words(case: str) -> None:
    spoken, expected = SENTENCEPIECE[case]
    assert "|".join(word.text for word in join(pieces(spoken), sentencepiece=True)) == expected


def test_a_word_is_from_its_first_piece_to_its_last_and_as_sure_as_the_least_sure() -> None:
    heard = [Piece("hel@@", 0.1, 0.2, 0.9), Piece("lo", 0.3, 0.4, 0.7), Piece("你", 0.5, 0.6, 0.8)]
    assert join(heard) == (Word("hello", 0.1, 0.4, 0.7), Word("你", 0.5, 0.6, 0.8))


def test_an_abbreviation_is_from_its_first_letter_to_its_last() -> None:
    heard = [Piece("i", 0.0, 0.1, 1.0), Piece("b", 0.1, 0.2, 0.5), Piece("m", 0.2, 0.3, 1.0)]
    assert join(heard) == (Word("IBM", 0.0, 0.3, 0.5),)


def test_a_piece_without_confidence_leaves_its_word_without() -> None:
    assert join([Piece("a@@", 0, 1, 0.9), Piece("b", 1, 2)])[0].confidence is None


def test_the_characters_of_one_piece_share_its_time() -> None:
    assert join([Piece("你好ok", 0.0, 4.0)]) == (Word("你", 0, 1), Word("好", 1, 2), Word("ok", 2, 4))


ALPHABET = st.text(
    st.sampled_from("你好々〇𫖯ーカｶﾞが한글aiIéз059%.,'’-@&$()「」，。… \u0301\u200d"), min_size=1, max_size=5
)
TOKENS = st.tuples(st.sampled_from(("", "▁")), ALPHABET, st.sampled_from(("", "@@"))).map("".join)
TIMES = st.floats(0, 1, allow_subnormal=False)


@st.composite
def utterances(draw: st.DrawFn) -> list[Piece]:
    heard, now = [], 0.0
    for token in draw(st.lists(TOKENS | st.sampled_from(sorted(SPECIAL)), max_size=12)):
        start = now + draw(TIMES)
        now = start + draw(TIMES)
        heard.append(Piece(token, start, now, draw(st.none() | st.floats(0, 1))))
    return heard


@given(utterances(), st.booleans())
def test_no_character_is_lost_and_no_time_goes_backwards(heard: list[Piece], sentencepiece: bool) -> None:
    words = join(heard, sentencepiece=sentencepiece)
    assert letters("".join(word.text for word in words)) == letters("".join(map(body, heard)))
    check_times(heard, words)


def check_times(heard: Sequence[Piece], words: Sequence[Word]) -> None:
    assert all(word.start <= word.end and word.text.strip() for word in words)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))
    if words:
        assert not words[0].text[0].isspace()
        assert heard[0].start <= words[0].start and words[-1].end <= heard[-1].end
    assert {word.confidence for word in words} <= {piece.confidence for piece in heard}


def body(piece: Piece) -> str:
    if piece.text in SPECIAL:
        return ""
    return piece.text.removesuffix("@@") if piece.text != "@@" else piece.text


def letters(text: str) -> str:
    return "".join(c for c in text if not c.isspace() and c != "▁").lower()


@pytest.fixture(scope="session")
def paraformer(shared: Path) -> Vocabulary:
    return Vocabulary.from_file(shared / "data/configs/paraformer-large-8404/tokens.txt")


@pytest.mark.shared
def test_every_token_of_a_published_vocabulary_is_a_word_with_its_times(paraformer: Vocabulary) -> None:
    assert len(paraformer) == 8404 and not paraformer.sentencepiece
    for token in paraformer.tokens:
        words = join([Piece(token, 1.0, 2.0, 0.5)])
        said = "" if token in SPECIAL else token.removesuffix("@@")
        assert [word.text.lower() for word in words] == ([said] if said else [])
        assert all((word.start, word.end, word.confidence) == (1.0, 2.0, 0.5) for word in words)


@pytest.mark.shared
@given(st.lists(st.integers(0, 8403) | st.integers(0, 8403).map(lambda i: i * 47 % 8404), max_size=30))
def test_tokens_of_a_published_vocabulary_in_any_order_lose_nothing(paraformer: Vocabulary, ids: list[int]) -> None:
    heard = [Piece(token, float(i), i + 1.0) for i, token in enumerate(map(paraformer.piece, ids))]
    words = join(heard)
    assert letters("".join(word.text for word in words)) == letters("".join(map(body, heard)))
    check_times(heard, words)
    for one, other in pairwise(words):  # a space wherever two Latin words meet, and nowhere else
        meet = one.text[-1].isascii() and other.text.strip()[0].isascii()
        assert other.text.startswith(" ") == meet


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("am i a fool", "am I a fool"),
        ("should i i i mean", "should I I I mean"),
        ("it was a a good day", "it was a a good day"),
        ("a i is here", "AI is here"),
    ],
)
def test_words_of_one_letter_stay_words(said, written):
    assert "".join(word.text for word in join(Piece(text, 0, 0) for text in said.split())) == written
