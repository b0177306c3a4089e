from pathlib import Path

import pytest

from asr_cli.hub import places

IDS = {"modelscope": "iic/speech_fsmn_vad", "huggingface": "funasr/fsmn-vad"}


def model_at(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    return folder


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("ASR_CACHE", "models/fsmn-vad"),
        ("MODELSCOPE_CACHE", "hub/models/iic/speech_fsmn_vad"),
        ("MODELSCOPE_CACHE", "hub/damo/speech_fsmn_vad"),
        ("MODELSCOPE_CACHE", "models/iic/speech_fsmn_vad"),
        ("HF_HOME", "hub/models--funasr--fsmn-vad/snapshots/abc"),
        ("HF_HUB_CACHE", "models--funasr--fsmn-vad/snapshots/abc"),
    ],
)
def test_a_model_somebody_else_downloaded_is_found(tmp_path, monkeypatch, variable, below):
    monkeypatch.setenv(variable, str(tmp_path))
    folder = model_at(tmp_path / below)
    assert places.find("fsmn-vad", **IDS) == folder


def test_the_revision_in_use_is_preferred(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository = tmp_path / "hub/models--funasr--fsmn-vad"
    model_at(repository / "snapshots/aaa")
    current = model_at(repository / "snapshots/bbb")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("bbb\n")
    assert places.find("fsmn-vad", **IDS) == current


def test_a_download_that_broke_off_is_no_model(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    (tmp_path / "models/fsmn-vad").mkdir(parents=True)
    (tmp_path / "models/fsmn-vad/model.pt.incomplete").write_bytes(b"")
    assert places.find("fsmn-vad", **IDS) is None


def test_the_folder_the_user_names_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "cache"))
    model_at(tmp_path / "cache/models/fsmn-vad")
    mine = model_at(tmp_path / "mine/fsmn-vad")
    assert places.find("fsmn-vad", model_dir=tmp_path / "mine") == mine
    assert places.find("fsmn-vad", model_dir=mine) == mine


def test_one_model_s_own_folder_is_no_other_model(tmp_path):
    other = model_at(tmp_path / "paraformer")
    assert places.find("paraformer", model_dir=other) == other
    assert places.find("fsmn-vad", **IDS, model_dir=other) is None


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b""])
def test_a_broken_note_in_another_programs_cache_is_passed_over(tmp_path, monkeypatch, content):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository = tmp_path / "hub/models--funasr--fsmn-vad"
    folder = model_at(repository / "snapshots/aaa")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_bytes(content)
    assert places.find("fsmn-vad", **IDS) == folder
    (repository / "refs/main").unlink()
    (repository / "refs/main").mkdir()  # as unreadable as anybody's, also for root
    assert places.find("fsmn-vad", **IDS) == folder


@pytest.mark.parametrize(
    ("variable", "where"),
    [
        ("ASR_CACHE", places.cache_folder),
        ("XDG_CACHE_HOME", places.user_cache),
        ("HF_HUB_CACHE", places.huggingface_cache),
        ("HF_HOME", lambda: places.huggingface_cache().parent),
        ("MODELSCOPE_CACHE", places.modelscope_cache),
    ],
)
def test_a_tilde_in_a_variable_is_the_home(tmp_path, monkeypatch, variable, where):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("~/models", "$HOME/models"):
        monkeypatch.setenv(variable, value)
        assert where() == tmp_path / "models"
