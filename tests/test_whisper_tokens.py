"""Whisper's tokens by what they mean, and words from them."""

import json
from pathlib import Path
from typing import Any

import pytest
from asr_plugins.whisper.cards import LANGUAGES
from asr_plugins.whisper.tokens import Tokens, read_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from asr_cli.errors import ModelError, UsageError
from tests.tools.small_whisper import write_small_tokenizer

MANY = {"is_multilingual": True}
ONE = {"is_multilingual": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_small_tokenizer(folder, 6.0, True)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return read_tokenizer(folder)


@pytest.fixture(scope="module")
def tokens(tokenizer: Tokenizer) -> Tokens:
    return Tokens(tokenizer, tokenizer.get_vocab_size(), MANY)


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "data/configs/whisper-hf/whisper-tiny"


def configured(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return tuple(json.loads((folder / f"{name}.json").read_text()) for name in ("config", "generation_config"))


def tokens_of(tokenizer: Tokenizer, **config: Any) -> Tokens:
    return Tokens(tokenizer, config.pop("n_tokens", tokenizer.get_vocab_size()), config)


# -- prompts


def test_a_prompt_says_language_task_and_whether_there_are_timestamps(tokens: Tokens) -> None:
    sot, german, japanese = tokens.sot, tokens.languages["de"], tokens.languages["ja"]
    assert tokens.prompt("de", timestamps=True, limit=448) == [sot, german, tokens.transcribe]
    asked = tokens.prompt("ja", "translate", timestamps=False, limit=448)
    assert asked == [sot, japanese, tokens.translate, tokens.no_timestamps]


def test_an_english_only_model_is_told_neither_language_nor_task(tokenizer: Tokenizer) -> None:
    tokens = tokens_of(tokenizer, **ONE)
    assert tokens.languages == {}
    assert tokens.prompt(None, timestamps=False, limit=448) == [tokens.sot, tokens.no_timestamps]
    assert tokens.prompt("en-US", timestamps=True, limit=448) == [tokens.sot]
    with pytest.raises(UsageError, match="knows English only, not 'de'"):
        tokens.prompt("de", timestamps=False, limit=448)
    with pytest.raises(UsageError, match="translates nothing"):
        tokens.prompt("en", "translate", timestamps=False, limit=448)


def test_of_what_was_said_before_the_end_is_kept(tokens: Tokens) -> None:
    start = tokens.prompt("en", timestamps=False, limit=20)
    before = list(range(30))
    assert tokens.prompt("en", timestamps=False, previous=before, limit=20) == [
        tokens.start_of_prev, *before[-9:], *start,
    ]  # fmt: skip
    assert tokens.prompt("en", timestamps=False, previous=[1], limit=20) == [tokens.start_of_prev, 1, *start]
    assert tokens.prompt("en", timestamps=False, previous=[1], limit=3) == start


@pytest.mark.parametrize(("asked", "known"), [("zh-CN", "zh"), ("en-US", "en"), ("yue", "zh"), ("DE", "de")])
def test_a_language_goes_by_its_code(tokens: Tokens, asked: str, known: str) -> None:
    assert tokens.language(asked) == known


def test_a_language_that_the_model_does_not_know_is_refused(tokens: Tokens) -> None:
    with pytest.raises(UsageError, match="does not know the language 'fr'; it knows de, en, ja, zh"):
        tokens.language("fr")


def test_cantonese_is_its_own_where_the_model_knows_it(tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path, 1.0, True, ("en", "zh", "yue"))
    assert tokens_of(read_tokenizer(tmp_path), **MANY).language("yue") == "yue"


@pytest.mark.parametrize(
    ("config", "is_multilingual"),
    [
        ({}, True),
        ({"n_tokens": 51_864}, False),
        ({"forced_decoder_ids": [[1, 7], [2, 8], [3, 9]], "n_tokens": 51_864}, True),
        ({"forced_decoder_ids": [[1, 9]]}, False),
        ({"forced_decoder_ids": None, "lang_to_id": {"<|en|>": 1}, "n_tokens": 51_864}, True),
        ({"is_multilingual": False, "lang_to_id": {"<|en|>": 1}}, False),
    ],
)
def test_older_configurations_tell_whether_there_is_a_language_to_choose(
    tokenizer: Tokenizer, config: dict[str, Any], is_multilingual: bool
) -> None:
    assert bool(tokens_of(tokenizer, **config).languages) is is_multilingual


# -- ids


def test_timestamps_are_found_where_no_token_names_them(folder: Path) -> None:
    named = json.loads((folder / "tokenizer.json").read_text())
    times = [token for token in named["added_tokens"] if token["content"][2].isdigit()]
    named["added_tokens"] = [token for token in named["added_tokens"] if token not in times]
    nameless = Tokenizer.from_str(json.dumps(named))
    first = times[0]["id"]
    with_times = tokens_of(nameless, n_tokens=first + len(times))
    assert with_times.timestamp_begin == first == tokens_of(read_tokenizer(folder)).timestamp_begin
    assert with_times.decode([first + 5]) == ""
    assert tokens_of(nameless, n_tokens=first).timestamp_begin is None


def test_a_tokenizer_without_whispers_tokens_is_refused(tokenizer: Tokenizer) -> None:
    plain = json.loads(tokenizer.to_str())
    plain["added_tokens"], plain["post_processor"] = [], None
    with pytest.raises(ModelError, match=r"has no <\|startoftranscript\|>"):
        tokens_of(Tokenizer.from_str(json.dumps(plain)))


def test_a_text_that_names_special_tokens_is_a_text(tokens: Tokens) -> None:
    text = " <|endoftext|> and <|en|>"
    ids = tokens.encode(text)
    assert not any(map(tokens.is_special, ids))
    assert tokens.decode(ids) == text
    assert tokens.decode(tokens.encode("a<|0.00|>b")) == "ab"


def test_the_ids_are_those_of_the_released_files(tiny: Path) -> None:
    config, generation = configured(tiny)
    tokens = Tokens(read_tokenizer(tiny), config["vocab_size"], config, generation)
    assert (tokens.sot, tokens.eot) == (config["decoder_start_token_id"], config["eos_token_id"])
    assert tokens.no_timestamps == generation["no_timestamps_token_id"]
    assert tokens.timestamp_begin == tokens.no_timestamps + 1
    assert {f"<|{code}|>": id for code, id in tokens.languages.items()} == generation["lang_to_id"]
    assert set(tokens.languages) == set(LANGUAGES)
    assert {"transcribe": tokens.transcribe, "translate": tokens.translate} == generation["task_to_id"]
    assert list(tokens.suppress) == generation["suppress_tokens"]
    assert list(tokens.begin_suppress) == generation["begin_suppress_tokens"]
    assert (tokens.start_of_prev, tokens.no_speech) == (50361, 50362)


def test_what_is_never_written_is_known_without_a_configuration(tiny: Path) -> None:
    """As openai-whisper computes it; the released configurations hold the same."""
    config, generation = configured(tiny)
    tokens = Tokens(read_tokenizer(tiny), config["vocab_size"])
    assert list(tokens.suppress) == generation["suppress_tokens"]
    assert list(tokens.begin_suppress) == generation["begin_suppress_tokens"]


def test_the_older_files_make_the_same_tokenizer(tiny: Path, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt", "added_tokens.json"):
        (tmp_path / name).symlink_to(tiny / name)
    n_tokens = configured(tiny)[0]["vocab_size"]
    new, old = (Tokens(read_tokenizer(one), n_tokens) for one in (tiny, tmp_path))
    text = " It's 3.5 €, naïve 今天天气很好。 – ok?\n\n  x"
    assert old.encode(text) == new.encode(text)
    assert (old.sot, old.eot, old.languages, old.timestamp_begin, old.suppress, old.no_speech) == (
        new.sot, new.eot, new.languages, new.timestamp_begin, new.suppress, new.no_speech,
    )  # fmt: skip


def test_texts_and_prompts_are_those_of_transformers(tiny: Path) -> None:
    from transformers.models.whisper.tokenization_whisper import WhisperTokenizer

    theirs = WhisperTokenizer.from_pretrained(tiny)
    tokens = Tokens(read_tokenizer(tiny), configured(tiny)[0]["vocab_size"])
    for text in (
        " Hello, world! It's “fine”.",
        " 今天天气很好，我们去公园走走吧。",
        " Ça va ? Où çà ?",
        " 한국어 문장입니다.",
    ):
        ids = tokens.encode(text)
        assert ids == theirs(text, add_special_tokens=False).input_ids
        assert tokens.decode([tokens.sot, *ids, tokens.eot]) == text
    theirs.set_prefix_tokens(language="zh", task="translate", predict_timestamps=False)
    assert tokens.prompt("zh", "translate", timestamps=False, limit=448) == theirs.prefix_tokens
    named = theirs.get_prompt_ids("Names: Anna", return_tensors=None)
    previous = tokens.prompt("zh", timestamps=True, previous=tokens.encode(" Names: Anna"), limit=448)
    assert previous[: len(named)] == list(named)


# -- words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" Hello, world! It's fine.", [" Hello,", " world!", " It's", " fine."]),
        (' She said: "Go (now)!"', [" She", " said:", ' "Go', ' (now)!"']),
        (" Quoi ? Oui « bien sûr ».", [" Quoi ?", " Oui", " « bien", " sûr »."]),
        (" one - two – three", [" one", " - two", " – three"]),
        (" 5 % of $5, A & B", [" 5", " %", " of", " $5,", " A", " &", " B"]),
        (" 今天很好，去“公园”吧。", [" 今", "天", "很", "好，", "去", "“公", "园”", "吧。"]),
        (" 用python写，OK？", [" 用", "python", "写，", "OK？"]),
        ("「東京」です——はい", ["「東", "京」", "で", "す——", "は", "い"]),
        (" 한국어 문장입니다.", [" 한국어", " 문장입니다."]),
        ("สวัสดีครับ", ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]),
        (" ok 👩‍👧 é", [" ok", " 👩‍👧", " é"]),
        ("...", ["..."]),
        (" end ", [" end "]),
        ("", []),
    ],
)
def test_words_are_divided_as_their_scripts_are(tokens: Tokens, text: str, words: list[str]) -> None:
    assert [word for word, _ in tokens.words(tokens.encode(text))] == words


@settings(deadline=None)
@given(data=st.data())
def test_words_run_together_are_the_text_whatever_the_ids(tokens: Tokens, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokens.n_tokens - 1), max_size=40))
    words = tokens.words(ids)
    assert "".join(word for word, _ in words) == tokens.decode(ids)
    assert sum(n_ids for _, n_ids in words) == len(ids)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("ab1é今天，。「」“'\"(-–. ?한กำ👩\u200d\n"), max_size=30))
def test_every_word_begins_after_a_space_or_a_character_that_needs_none(tokens: Tokens, text: str) -> None:
    ids = tokens.encode(text)
    words = [word for word, _ in tokens.words(ids)]
    assert "".join(words) == text
    assert all(word.strip() for word in words) or not text.strip()
    assert not any(word.strip() in "，。」?" for word in words[1:])


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_no_character_is_divided(tokens: Tokens, text: str) -> None:
    text = text.encode(errors="ignore").decode()
    ids = tokens.encode(text)
    assert "\ufffd" in text or not any("\ufffd" in word for word, _ in tokens.words(ids))
    assert tokens.decode(ids) == text


@settings(deadline=None)
@given(data=st.data())
def test_a_text_is_decoded_as_tokenizers_does(tokens: Tokens, tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokens.sot - 1), max_size=20))
    assert tokens.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_special_tokens_count_where_they_stand(tokens: Tokens) -> None:
    first = tokens.timestamp_begin
    assert first is not None
    one, two = tokens.encode(" one"), tokens.encode(" two.")
    ids = [first, *one, first + 50, first + 50, *two, first + 90]
    assert tokens.words(ids) == [("", 1), (" one", len(one)), ("", 2), (" two.", len(two)), ("", 1)]


def test_characters_of_one_token_share_it(tokens: Tokens) -> None:
    ids = tokens.encode(" 今天的天气")
    words = tokens.words(ids)
    assert [word for word, _ in words] == [" 今", "天", "的", "天", "气"]
    assert sum(n_ids for _, n_ids in words) == len(ids)
    assert min(n_ids for _, n_ids in words) == 0  # the small vocabulary knows some of them together


# -- files


def test_a_folder_without_a_tokenizer_says_which_files_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer; put tokenizer.json \(or vocab.json, merges.txt"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "1.0"}'])
def test_a_broken_tokenizer_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer.json' is broken or cut short"):
        read_tokenizer(tmp_path)


def test_broken_older_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b c\n")
    with pytest.raises(ModelError, match=r"vocab.json' is broken or cut short"):
        read_tokenizer(tmp_path)


def test_numbers_left_out_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    (tmp_path / "added_tokens.json").write_text('{"<|endoftext|>": 3}')
    with pytest.raises(ModelError, match="leaves numbers out"):
        read_tokenizer(tmp_path)
