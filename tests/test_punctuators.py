from pathlib import Path

import pytest

from asr_cli.catalog import PUNC_CARDS
from asr_cli.errors import ModelError, UsageError
from asr_cli.options import ModelOptions
from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.punctuators import choose, load_punctuator
from asr_cli.registry import ModelCard
from asr_cli.transcript import Segment, Word
from tests.test_punctuation_parity import shapes
from tests.tools.small_punc import write_folder

PUBLIC, CHINESE, OURS = (card.name for card in PUNC_CARDS)
SPOKEN = ("en-US", "zh-CN", "ja")
HEARS = {language: ModelCard(name="x", summary="", languages=(language,), license="") for language in SPOKEN}
WRITES_MARKS = ModelCard(name="y", summary="", languages=("en",), license="", punctuation=True)


def chosen(recognizer: ModelCard, **options: object) -> str | None:
    choice = choose(ModelOptions(**options), recognizer, recognizer.languages[0])  # type: ignore[arg-type]
    return choice.name if choice else None


def test_english_is_punctuated_by_ours_until_the_public_model_is_here(tmp_path: Path) -> None:
    assert chosen(HEARS["en-US"]) == OURS
    write_folder(tmp_path / PUBLIC, "offline", shapes("offline"))
    assert chosen(HEARS["en-US"], model_dir=tmp_path) == PUBLIC
    assert chosen(HEARS["zh-CN"], model_dir=tmp_path) == PUBLIC


def test_where_no_model_fits_the_text_stays_bare_unless_punctuation_was_asked_for() -> None:
    assert chosen(HEARS["zh-CN"]) is chosen(HEARS["ja"]) is None
    with pytest.raises(ModelError, match="asr models pull ct-punc"):
        chosen(HEARS["zh-CN"], punc=True)
    with pytest.raises(ModelError, match="--punc-model"):
        chosen(HEARS["ja"], punc=True)


def test_a_recogniser_that_writes_marks_is_left_alone_unless_asked() -> None:
    assert chosen(WRITES_MARKS) is None
    assert chosen(WRITES_MARKS, punc=True) == OURS
    assert chosen(HEARS["en-US"], punc=False) is None


def test_a_model_is_taken_by_name_or_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", "realtime", shapes("realtime"))
    found, name = load_punctuator(ModelOptions(punc_model=str(folder)), HEARS["ja"], None)
    assert isinstance(found, CtPunctuator) and found.net.config.realtime and name == str(folder)
    assert load_punctuator(ModelOptions(punc_model=OURS), WRITES_MARKS, None)[1] == OURS
    with pytest.raises(UsageError, match="is for zh"):
        load_punctuator(ModelOptions(punc_model=CHINESE), HEARS["en-US"], "en-US")
    with pytest.raises(ModelError, match=r"no punctuation model is named .*did you mean .ct-punc"):
        load_punctuator(ModelOptions(punc_model="CT-Punk"), HEARS["en-US"], None)
    with pytest.raises(UsageError, match="does nothing"):
        ModelOptions(punc=False, punc_model=OURS)


@pytest.fixture(scope="module")
def ours() -> CtPunctuator:
    return CtPunctuator.built_in()


def said(punctuator: CtPunctuator, text: str, pauses: tuple[int, ...] = ()) -> list[str]:
    """pauses: behind which words there is one."""
    moment, words = 0.0, []
    for at, word in enumerate(text.split()):
        words.append(Word(f" {word}", moment, moment + 0.3))
        moment += 0.35 + 0.8 * (at in pauses)
    return [segment.text for segment in punctuator([Segment(tuple(words))])]


def test_ours_ends_sentences_and_knows_who_has_a_capital(ours: CtPunctuator) -> None:
    text = "hello how are you i am fine thank you what is your name my name is john and i live in london"
    found = said(ours, text)
    assert found[0] == "Hello, how are you?"
    assert found[-1] in ("My name is John, and I live in London.", "My name is John and I live in London.")


def test_ours_hears_a_pause(ours: CtPunctuator) -> None:
    text = "good morning and welcome to the show today we are going to talk about the news"
    assert said(ours, text, pauses=(6,)) == [
        "Good morning and welcome to the show.", "Today we are going to talk about the news.",
    ]  # fmt: skip
    assert len(said(ours, text)) == 1
