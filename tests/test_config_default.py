"""`asr models default`: the one option that the program writes, into a file that is somebody's."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.test_cli import asr, said
from tests.test_models_command import models, pulled, tiny_hub

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def hub(monkeypatch, tmp_path_factory):
    with tiny_hub(monkeypatch, tmp_path_factory) as hub:
        yield hub


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    monkeypatch.setenv("ASR_CONFIG", str(file))
    return file


@pytest.mark.parametrize(
    ("before", "name", "code", "says"),
    [
        ('langage = "en"\n', "tiny", 2, "did you mean 'language'"),
        ("", "fsmn-vad", 2, "is a VAD model, which --vad-model fsmn-vad takes"),
        ("", "", 2, "the name of a model is empty"),
        ("", "Tiny", 4, "did you mean 'tiny'"),
        ("", "./nowhere", 4, "there is no folder"),
    ],
)
def test_nothing_is_written_before_all_is_checked(hub, file, before, name, code, says):
    file.write_text(before)
    result = models("default", name)
    assert result.returncode == code and says in said(result) and file.read_text() == before


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_file_keeps_its_mode_and_its_line_ends(hub, file, mode):
    file.write_bytes(BOM + b'language = "en"\r\n')
    file.chmod(mode)
    assert models("default", "sphinx").returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert b'language = "en"\r\n' in file.read_bytes()


def test_a_byte_order_mark_is_no_mistake(hub, file):
    file.write_bytes(BOM + b'model = "sphinx"\n')
    assert models("default").stdout.decode().strip() == "sphinx"
    assert models("default", "tiny").returncode == 0 and models("default").stdout.decode().strip() == "tiny"


def test_a_default_that_is_not_here_yet_says_so(hub, file):
    first, second = models("default", "tiny").stdout.decode().splitlines()
    assert first == f"{file}: model = 'tiny'" and "asr models pull tiny" in second
    pulled()
    for name in ("tiny", "sphinx", "auto"):
        assert models("default", name).stdout.decode() == f"{file}: model = {name!r}\n"


def test_a_default_is_written_by_its_name(hub, file, tmp_path):
    (tmp_path / "tiny").mkdir()
    for name in ("funasr/tiny", "tiny"):
        assert asr("models", "default", name, cwd=tmp_path).returncode == 0
        assert file.read_text() == 'model = "tiny"\n'


def test_what_is_stronger_in_the_same_file_is_told(hub, file):
    file.write_text('[transcribe]\nmodel = "sphinx"\n')
    told = models("default", "tiny").stdout.decode()
    assert "but its section [transcribe] is stronger and says 'sphinx'" in told


@pytest.mark.parametrize(
    ("configured", "typed", "code", "says"),
    [
        (
            'model = "sphinx"',
            ["--language", "zh"],
            2,
            "model 'sphinx' (from {file}) hears en-US, not zh; name another --m",
        ),
        ('language = "zh"', ["--model", "sphinx"], 2, "hears en-US, not zh (from {file}); say which --language"),
        (
            'model = "spinx"',
            [],
            4,
            "the default model (from {file}): no model is named 'spinx'; did you mean 'sphinx'?",
        ),
        ('model = "sphinx"', ["--model", "sphinx", "--language", "zh"], 2, "model 'sphinx' hears en-US, not zh"),
    ],
)
def test_what_configuration_chose_and_is_unfit_is_told_with_its_file(hub, file, example, configured, typed, code, says):
    file.write_text(configured)
    for command in ("transcribe", "srt"):
        result = asr(command, example, *typed, "-o", file.parent / "out/")
        assert result.returncode == code and says.format(file=file) in said(result), said(result)
        assert len(said(result).splitlines()) == 1


def test_a_tilde_is_the_home_in_configuration_too(hub, tmp_path, monkeypatch):
    pulled()
    cache = Path(os.environ["ASR_CACHE"]) / "models"
    (tmp_path / "shelf").mkdir()
    (cache / "tiny").rename(tmp_path / "shelf" / "tiny")
    (tmp_path / "my.toml").write_text('model-dir = "~/shelf"\n')
    for how in ({"ASR_CONFIG": "~/my.toml"}, {"ASR_MODEL_DIR": "~/shelf"}):
        result = models("path", "tiny", env={"HOME": str(tmp_path), **how})
        assert result.stdout.decode().strip() == str(tmp_path / "shelf" / "tiny"), said(result)


def test_what_is_configured_for_other_models_refuses_nothing(example):
    unfit = {"ASR_HOTWORD_WEIGHT": "0.5", "ASR_SCRIPT": "hant", "ASR_COMPUTE_TYPE": "int8", "ASR_DEVICE": "cuda"}
    fitting = asr("transcribe", example, "-q", "--end", "2", "--no-punc", env=unfit)
    assert fitting.returncode == 0, said(fitting)
    assert asr("transcribe", example, "--compute-type", "int8", env=unfit).returncode == 2
    for unknown in ({"ASR_COMPUTE_TYPE": "int4"}, {"ASR_DEVICE": "tpu"}):
        assert asr("transcribe", example, env=unknown).returncode == 2


@pytest.mark.parametrize("threads", ["2.7", "0.4", "2.0"])
def test_a_number_of_things_is_whole(file, example, threads):
    file.write_text(f"threads = {threads}\n")
    result = asr("transcribe", example, "--end", "1", "-q")
    assert (result.returncode, "that is no int" in said(result)) == ((0, False) if threads == "2.0" else (2, True))


@pytest.mark.parametrize("option", ["--punc-model", "--vad-model", "--model-dir"])
def test_a_name_too_long_for_the_disk_is_unknown(example, option):
    result = asr("transcribe", example, option, "x" * 300)
    assert result.returncode in (2, 4) and "E-BUG" not in said(result)


def test_what_cannot_go_together_is_refused_before_anything_is_downloaded(hub, example):
    for arguments in (
        ["--model", "paraformer-en", "--script", "hans"],
        ["--model", "sphinx", "--punc-model", "ct-punc-c"],
    ):
        result = asr("transcribe", example, *arguments)
        assert result.returncode == 2, said(result)
    assert not hub.requests


def test_a_configuration_directory_may_be_this_one(tmp_path):
    result = asr("models", "default", cwd=tmp_path, env={"XDG_CONFIG_HOME": "."})
    assert result.returncode == 0 and result.stdout.decode().strip() == "auto"


def test_a_configured_folder_may_begin_at_home(example, tmp_path):
    (tmp_path / "words.txt").write_text("morning\n")
    configured = {"HOME": str(tmp_path), "ASR_HOTWORDS": "~/words.txt", "ASR_VAD_MODEL": "~/nowhere"}
    result = asr("transcribe", example, "--end", "2", env=configured)
    assert result.returncode == 4 and f"named '{tmp_path}/nowhere'" in said(result)
    result = asr("transcribe", example, "--end", "3", "-f", "json", env={**configured, "ASR_VAD_MODEL": "auto"})
    assert json.loads(result.stdout)["hotwords"] == [{"text": "morning", "hits": 1}]
