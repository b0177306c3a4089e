import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr_cli.hub import places
from asr_cli.hub.manifest import RECORD, Manifest, RemoteFile

CACHES = ("MODELSCOPE_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
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
        ("HUGGINGFACE_HUB_CACHE", "models--funasr--fsmn-vad/snapshots/abc"),
        ("HOME", ".cache/modelscope/models/iic/speech_fsmn_vad"),
    ],
)
def test_a_model_somebody_else_downloaded_is_found(tmp_path, monkeypatch, variable, below):
    if variable == "HOME":
        monkeypatch.delenv("MODELSCOPE_CACHE")
    monkeypatch.setenv(variable, str(tmp_path))
    folder = model_at(tmp_path / below)
    assert places.find("fsmn-vad", **IDS) == folder


def test_the_caches_are_where_the_hubs_libraries_have_them(tmp_path):
    code = """
from huggingface_hub import constants
from modelscope_hub.config import HubConfig
from asr_cli.hub import places
assert places.modelscope_cache().resolve() == HubConfig().cache_dir, HubConfig().cache_dir
assert str(places.huggingface_cache()) == constants.HF_HUB_CACHE, constants.HF_HUB_CACHE
"""
    named = {name: str(tmp_path / name.lower()) for name in (
        "MODELSCOPE_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME",
    )}  # fmt: skip
    while named:  # each of them rules until it is gone
        others = {name: value for name, value in os.environ.items() if name not in (*CACHES, "HOME")}
        result = subprocess.run([sys.executable, "-c", code], env={**others, **named}, capture_output=True, check=False)
        assert result.returncode == 0, result.stderr.decode()
        named.pop(next(iter(named)))


@pytest.mark.parametrize(
    "files", [{"encoder.onnx": 9, "vocab.txt": 1}, {"model-00001-of-00002.safetensors": 9, "config.json": 2}]
)
def test_what_we_downloaded_is_a_model_whatever_its_weights_are_called(tmp_path, monkeypatch, files):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    folder = tmp_path / "models/third"
    folder.mkdir(parents=True)
    for name, size in files.items():
        (folder / name).write_bytes(b"x" * size)
    assert places.find("third") is None
    listed = tuple(RemoteFile(name, size) for name, size in files.items())
    (folder / RECORD).write_text(Manifest("hf", "o/third", "main", listed).as_json())
    assert places.find("third") == folder
    (folder / next(iter(files))).unlink()
    assert places.find("third") is None


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
