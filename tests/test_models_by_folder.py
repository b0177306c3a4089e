"""--model takes a folder: the backend that can read it says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from asr_cli import catalog, registry
from asr_cli.errors import ModelError, UsageError
from asr_cli.options import ModelOptions
from asr_cli.recognizers import choose
from asr_cli.registry import Backend, ModelCard

CARD = ModelCard(
    name="mine",
    summary="for tests",
    languages=("zh",),
    license="none",
    modelscope="iic/speech_mine",
    huggingface="me/mine",
)


def card_of(folder: Path) -> ModelCard | None:
    return replace(CARD, name=folder.name) if (folder / "mine.yaml").is_file() else None


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    blind = Backend(name="blind", models=(), load=lambda card, folder, options: None)
    mine = Backend(name="mine", models=(CARD,), load=lambda card, folder, options: None, card_of=card_of)
    monkeypatch.setattr(registry, "backends", lambda: {"blind": blind, "mine": mine})


def folder_with(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_a_folder_is_taken_by_the_backend_that_can_read_it(tmp_path):
    folder = folder_with(tmp_path / "tuned", "mine.yaml")
    backend, card, where = choose(ModelOptions(model=str(folder)), "zh")
    assert (backend.name, card.name, where) == ("mine", "tuned", folder)


def test_a_folder_here_needs_no_path_before_it(tmp_path, monkeypatch):
    folder_with(tmp_path / "tuned", "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert registry.find("tuned")[1].name == "tuned"


def test_a_model_s_name_stays_its_own_beside_a_folder_of_that_name(tmp_path, monkeypatch):
    folder_with(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    assert registry.find("mine")[1] is CARD


def test_a_folder_that_nobody_can_read_is_answered_with_what_it_holds(tmp_path):
    folder = folder_with(tmp_path / "other", *(f"{index}.bin" for index in range(12)))
    with pytest.raises(ModelError, match=r"no installed backend can read .*0\.bin, 1\.bin.* and 4 more"):
        registry.find(str(folder))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"there is no folder '.*nowhere'"):
        registry.find(str(tmp_path / "nowhere"))


def test_the_nearest_name_is_suggested():
    with pytest.raises(ModelError, match="did you mean 'mine'"):
        registry.find("mime")


def test_capitals_are_a_matter_of_spelling():
    with pytest.raises(ModelError, match="did you mean 'mine'"):
        registry.find("MINE")


@pytest.mark.parametrize("model_id", ["iic/speech_mine", "me/mine"])
def test_an_id_on_a_hub_is_a_name_too(tmp_path, monkeypatch, model_id):
    assert registry.find(model_id)[1] is CARD and catalog.find(model_id).card is CARD
    assert catalog.find("funasr/fsmn-vad").card.name == "fsmn-vad"
    folder = tmp_path / model_id
    folder.parent.mkdir()
    folder_with(folder, "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert registry.find(model_id)[1].name == folder.name  # who has it under that very path means that


def test_an_id_that_nobody_knows_is_told_from_a_folder_that_is_not_there():
    with pytest.raises(ModelError, match=r"no folder 'me/mina' and no model that is known has that id.*mean 'me/mine'"):
        registry.find("me/mina")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fsmn-vad", "is a VAD model, which --vad-model fsmn-vad takes"),
        ("FSMN-VAD", "is a VAD model, which --vad-model fsmn-vad takes"),
        ("funasr/ct-punc", "is a punctuation model, which --punc-model ct-punc takes"),
        ("", "is empty"),
        ("  ", "is empty"),
    ],
)
def test_what_can_be_no_recogniser_is_told_what_it_is(name, says):
    with pytest.raises(UsageError, match=says):
        registry.find(name)


@pytest.mark.parametrize("name", ["x" * 5000, "a/" + "x" * 5000, "nul\0"])
def test_what_can_be_no_file_s_name_is_no_model_s_either(name):
    with pytest.raises(ModelError):
        registry.find(name)
