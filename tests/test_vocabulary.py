"""Vocabularies in every shape they come in, and what is said of broken ones."""

import json
from pathlib import Path

import pytest

from asr_cli.errors import ModelError
from asr_cli.text.vocabulary import Vocabulary

TOKENS = ("<blank>", "你", "hel@@", "\u3000", "\x85", "<unk>")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokens.txt", "\n".join(TOKENS).encode()),
        ("tokens.txt", ("\n".join(TOKENS) + "\n\n").encode()),
        ("tokens.txt", "\r\n".join(TOKENS).encode() + b"\r\n"),
        ("tokens.txt", b"\xef\xbb\xbf" + "\n".join(TOKENS).encode()),
        ("tokens.json", json.dumps(TOKENS).encode()),
        ("tokens.json", b"\xef\xbb\xbf" + json.dumps(TOKENS, ensure_ascii=False, indent=1).encode()),
    ],
)
def test_a_vocabulary_is_the_same_however_it_is_written(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert Vocabulary.from_file(tmp_path / name).tokens == TOKENS


def test_ids_may_stand_beside_the_tokens(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("<blank> 0\n好\t2\n你 1\n", encoding="utf-8")
    assert Vocabulary.from_file(tmp_path / "words.txt").tokens == ("<blank>", "你", "好")


@pytest.mark.parametrize("blank", ["\u3000", "\x85", "\xa0", " ", "a b"])
def test_a_token_beside_its_id_may_be_blank_or_have_blanks(tmp_path: Path, blank: str) -> None:
    (tmp_path / "tokens.txt").write_text(f"<blank> 0\n你 1\n{blank} 2\n<unk> 3\n", encoding="utf-8")
    assert Vocabulary.from_file(tmp_path / "tokens.txt").tokens == ("<blank>", "你", blank, "<unk>")


def test_a_few_tokens_with_numbers_are_no_ids(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("<blank>\nwindows 11\n好\n<unk>\n", encoding="utf-8")
    assert Vocabulary.from_file(tmp_path / "tokens.txt").tokens == ("<blank>", "windows 11", "好", "<unk>")


def test_an_inline_list_is_a_vocabulary() -> None:
    assert Vocabulary.from_list(["a", "b"], source="config.yaml").id("b") == 1


def test_tokens_and_ids_find_each_other() -> None:
    vocabulary = Vocabulary(TOKENS)
    assert [vocabulary.id(token) for token in TOKENS] == list(range(len(vocabulary)))
    assert tuple(map(vocabulary.piece, range(len(vocabulary)))) == TOKENS
    assert vocabulary.id("她") == vocabulary.unknown == 5
    assert "你" in vocabulary and "她" not in vocabulary


def test_other_names_for_what_is_unknown_are_known() -> None:
    assert Vocabulary(["<blank>", "<OOV>"]).id("她") == 1
    with pytest.raises(ModelError, match="neither '她' nor"):
        Vocabulary(["<blank>"]).id("她")


def test_sentencepiece_shows_in_the_tokens() -> None:
    assert Vocabulary(["<s>", "▁a", "b"]).sentencepiece
    assert not Vocabulary(["<s>", "a@@", "b"]).sentencepiece


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("tokens.txt", b"", "no tokens"),
        ("tokens.txt", b"\n\r\n", "no tokens"),
        ("tokens.txt", b"a\nb\na\n", "'a' more than once"),
        ("tokens.txt", b"a\n\nb\n", "line 2 of .* is empty"),
        ("tokens.txt", b"a 1\nb 2\n", "are not 0, 1, 2"),
        ("tokens.txt", b"a 0\nb 1\n 2\nc 3\n", "line 3 of .* is ' 2', no token with its id"),
        ("tokens.txt", b"a 0\nb 1\nc\n", "line 3 of .* is 'c', no token with its id"),
        ("tokens.txt", b"a 0\n\nb 1\n", "line 2 of .* is '', no token with its id"),
        ("tokens.txt", b"\xff\xfe\x00", "cannot read"),
        ("tokens.json", b"{}", "holds dict, not a list"),
        ("tokens.json", b'"abc"', "holds str, not a list"),
        ("tokens.json", b"[]", "no tokens"),
        ("tokens.json", b'["a", 4]', "has 4 where a token should be"),
        ("tokens.json", b'["a", null]', "has None where a token should be"),
        ("tokens.json", b'["a",', "is no JSON"),
    ],
)
def test_what_is_wrong_with_a_vocabulary_is_said(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=complaint):
        Vocabulary.from_file(tmp_path / name)


def test_a_missing_vocabulary_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no vocabulary"):
        Vocabulary.from_file(tmp_path / "tokens.json")


@pytest.mark.parametrize("index", [-1, 6])
def test_an_id_beyond_the_vocabulary_is_said(index: int) -> None:
    with pytest.raises(ModelError, match="do not belong together"):
        Vocabulary(TOKENS).piece(index)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "size"),
    [("paraformer-large-8404/tokens.txt", 8404), ("paraformer-large-8404/wenet_paraformer.words.txt", 8404)],
)
def test_published_vocabularies_are_read(shared: Path, path: str, size: int) -> None:
    vocabulary = Vocabulary.from_file(shared / "data/configs" / path)
    assert len(vocabulary) == size and vocabulary.unknown == size - 1
