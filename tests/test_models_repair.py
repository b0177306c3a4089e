"""Models that are mended and taken away: what is here stays until there is better, and others' things stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import said, wait_for
from tests.test_models_command import COMMIT, FILES, WEIGHTS, listed, models, pulled, somebody_else_s, tiny_hub
from tests.tools.hub_server import Trouble


@pytest.fixture
def hub(monkeypatch, tmp_path_factory):
    with tiny_hub(monkeypatch, tmp_path_factory) as hub:
        yield hub


@pytest.fixture
def cache():
    return Path(os.environ["ASR_CACHE"]) / "models"


def damage(folder):
    (folder / "model.pt").write_bytes(WEIGHTS[:-1] + b"?")


def pulling(*arguments):
    """Another process, in the middle of a download."""
    command = [sys.executable, "-m", "asr", "models", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def stopped(process):
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_damaged_model_stays_until_a_whole_one_takes_its_place(hub, cache):
    pulled()
    damage(cache / "tiny")
    for trouble in (Trouble("model.pt", status=403), Trouble("model.pt", body=b"x" * len(WEIGHTS))):
        hub.troubles[:] = [trouble]
        result = models("verify", "tiny", "--fix")
        assert result.returncode == 4 and listed()["tiny"]["here"], said(result)
        assert {path.name for path in (cache / "tiny").iterdir()} == {
            "config.yaml", "model.pt", "tokens.json", ".asr.json"
        }  # fmt: skip
    hub.troubles.clear()
    assert models("verify", "tiny", "--fix").returncode == 0
    assert models("verify", "tiny").returncode == 0


@pytest.mark.parametrize("word", [["verify", "tiny", "--fix"], ["pull", "tiny"]])
@pytest.mark.parametrize("change", ["content", "length", "gone"])
def test_where_the_hub_has_moved_on_a_damaged_model_becomes_what_is_there_now(hub, cache, word, change):
    pulled()
    (cache / "tiny" / "model.pt").write_bytes(b"short")
    now = {**FILES, "model.pt": WEIGHTS[::-1] + (b"" if change == "content" else b"more")}
    if change == "gone":
        now["model.safetensors"] = now.pop("model.pt")
    hub.models["iic/speech_tiny"] = now
    n_fetched = len(hub.ranges)
    result = models(*word)
    assert result.returncode == 0, said(result)
    assert "ModelScope no longer has what was downloaded; taking what ModelScope has now" in said(result)
    name = "model.safetensors" if change == "gone" else "model.pt"
    assert (cache / "tiny" / name).read_bytes() == now[name] and models("verify", "tiny").returncode == 0
    assert "here already" in said(models("pull", "tiny"))
    assert {path.name for path in cache.iterdir()} == {"tiny", ".tiny.lock"}
    assert len(hub.ranges) - n_fetched <= 4  # what has not changed is not fetched again


def test_a_hub_that_lists_what_it_does_not_have_is_told_and_asked_no_further(hub, cache):
    pulled()
    damage(cache / "tiny")
    hub.troubles.append(Trouble("model.pt", status=404))
    result = models("verify", "tiny", "--fix")
    assert result.returncode == 4 and "lists model.pt but does not have it (404)" in said(result)
    assert len([asked for asked in hub.requests if "FilePath=model.pt" in asked]) == 2
    damaged_here = models("pull", "tiny")
    assert "here already" in said(damaged_here)  # its sizes fit: reading all of it is for verify


def test_what_nobody_can_compare_is_told(hub, tmp_path, example):
    for name, content in {"config.yaml": "model: Paraformer\n", "tokens.json": "[]", "model.pt": ""}.items():
        (tmp_path / name).write_text(content)
    result = models("verify", str(tmp_path))
    assert result.returncode == 4 and f"there is nothing to compare {tmp_path} with" in said(result), said(result)
    assert len(said(result).splitlines()) == 1 and not hub.requests


def test_offline_what_comes_with_the_program_is_not_called_missing(hub):
    result = models("pull", "sphinx", env={"ASR_OFFLINE": "1"})
    assert result.returncode == 4 and "comes with the program; there is nothing to download" in said(result)


def test_a_copy_that_hugging_face_cannot_make_out_is_not_called_deleted(hub):
    folder = somebody_else_s()
    (folder / "tokens.json").resolve().unlink()
    result = models("rm", "tiny", "-y")
    assert result.returncode == 4 and "freed" not in said(result) and len(said(result).splitlines()) == 1
    assert f"{folder} was not deleted" in said(result) and str(folder.parents[1]) in said(result)
    assert (folder / "model.pt").exists()


def test_a_repair_that_was_stopped_goes_on(hub, cache):
    pulled()
    damage(cache / "tiny")
    hub.troubles.append(Trouble("model.pt", times=1, seconds_per_chunk=0.1))
    process = pulling("verify", "tiny", "--fix")
    part = cache / ".tiny.part" / "model.pt.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 100_000)
    stopped(process)
    n_fetched, size = len(hub.ranges), part.stat().st_size
    assert models("verify", "tiny", "--fix").returncode == 0 and models("verify", "tiny").returncode == 0
    assert hub.ranges[n_fetched:] == [f"bytes={size}-"]


def test_offline_nothing_is_mended_and_nothing_is_lost(hub, cache):
    pulled()
    assert models("verify", "tiny", "--offline", "--fix").returncode == 0
    damage(cache / "tiny")
    hub.requests.clear()
    for flags, how in ((["--offline"], {}), ([], {"ASR_OFFLINE": "1"}), ([], {"HF_HUB_OFFLINE": "1"})):
        result = models("verify", "tiny", "--fix", "-q", *flags, env=how)
        assert result.returncode == 4 and "offline nothing is downloaded" in said(result)
        assert len(said(result).splitlines()) == 1 and listed()["tiny"]["here"]
    assert not hub.requests


def test_what_is_whole_of_another_program_s_copy_is_not_fetched_again(hub, cache):
    folder = somebody_else_s({**FILES, "tokens.json": b"[?]"})
    n_fetched = len(hub.ranges)
    assert models("verify", "tiny", "--fix").returncode == 0
    assert len(hub.ranges) == n_fetched + 1
    assert (cache / "tiny" / "model.pt").read_bytes() == WEIGHTS and not (cache / "tiny" / "model.pt").is_symlink()
    assert (folder / "tokens.json").read_bytes() == b"[?]"


def test_of_a_link_to_a_model_only_the_link_goes(hub, cache, tmp_path):
    pulled()
    (cache / "tiny").rename(tmp_path / "elsewhere")
    (cache / "tiny").symlink_to(tmp_path / "elsewhere")
    refused = models("rm", "tiny")
    assert refused.returncode == 2 and f"deletes the link {cache / 'tiny'}" in said(refused)
    gone = models("rm", "tiny", "-y")
    assert gone.returncode == 0 and f"the model stays in {tmp_path / 'elsewhere'}" in said(gone), said(gone)
    assert not os.path.lexists(cache / "tiny") and (tmp_path / "elsewhere" / "model.pt").read_bytes() == WEIGHTS
    assert {path.name for path in cache.iterdir()} == {".tiny.lock"}


def test_a_link_is_mended_by_a_model_and_what_it_led_to_stays(hub, cache, tmp_path):
    pulled()
    (cache / "tiny").rename(tmp_path / "elsewhere")
    (cache / "tiny").symlink_to(tmp_path / "elsewhere")
    damage(tmp_path / "elsewhere")
    assert models("verify", "tiny", "--fix").returncode == 0
    assert not (cache / "tiny").is_symlink() and (cache / "tiny" / "model.pt").read_bytes() == WEIGHTS
    assert (tmp_path / "elsewhere" / "model.pt").read_bytes() != WEIGHTS
    assert {path.name for path in cache.iterdir()} == {"tiny", ".tiny.lock"}


@pytest.mark.parametrize("here", [False, True])
def test_what_another_process_downloads_is_not_taken_from_under_it(hub, cache, here):
    if here:
        pulled()
    hub.troubles.append(Trouble("model.pt", times=1, seconds_per_chunk=0.1))
    process = pulling("pull", "tiny", "--hub", "hf", "--revision", COMMIT)
    part = cache / ".tiny.part" / "model.pt.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 50_000)
    result = models("rm", "tiny", "-y")
    assert result.returncode == 4 and len(said(result).splitlines()) == 1
    assert "another process is downloading model 'tiny'" in said(result) and listed()["tiny"]["here"] == here
    assert process.wait(60) == 0 and (cache / "tiny" / "model.pt").read_bytes() == WEIGHTS


def test_a_download_deletes_nothing_that_somebody_else_put_there(hub, cache):
    (cache / "tiny" / "notes").mkdir(parents=True)
    (cache / "tiny" / "notes" / "mine.txt").write_text("mine")
    (cache / "tiny" / "tokens.json").write_text("mine, too")
    (cache / "tiny" / "config.yaml").symlink_to("nowhere")
    told = said(pulled())
    folder = cache / "tiny"
    assert (folder / "notes" / "mine.txt").read_text() == "mine" and (folder / "tokens.json").read_bytes() == b"[]"
    assert (folder / "tokens.json.old").read_text() == "mine, too" and "it is kept as tokens.json.old" in told
    assert (folder / "config.yaml.old").is_symlink() and (folder / "config.yaml").read_bytes() == b"model: Tiny\n"
    (folder / "hotwords.txt").write_text("mine, later")
    damage(folder)
    assert models("verify", "tiny", "--fix").returncode == 0
    assert (folder / "hotwords.txt").exists() and (folder / "notes" / "mine.txt").exists()
    assert (folder / "model.pt").read_bytes() == WEIGHTS and not (folder / "model.pt.old").exists()


def test_a_folder_of_models_in_the_environment_is_known_to_every_word(hub, cache, tmp_path):
    pulled()
    (cache / "tiny").rename(tmp_path / "tiny")
    mine = {"ASR_MODEL_DIR": str(tmp_path)}
    assert models("path", "tiny").returncode == 4
    assert models("path", "tiny", env=mine).stdout.decode().strip() == str(tmp_path / "tiny")
    for word in ([], ["info", "tiny"]):
        assert str(tmp_path / "tiny") in models(*word, env=mine).stdout.decode()
    assert f"here already, in {tmp_path / 'tiny'}" in said(models("pull", "tiny", env=mine))
    assert models("verify", "tiny", env=mine).returncode == 0
    damage(tmp_path / "tiny")
    for words, says in (
        (["verify", "tiny"], "is damaged"), (["verify", "tiny", "--fix"], "and a folder of yours: take it away"),
        (["rm", "tiny", "-y"], "is a folder of yours; delete it as you delete any other"),
    ):  # fmt: skip
        result = models(*words, env=mine)
        assert result.returncode in (2, 4) and says in said(result), said(result)
    assert (tmp_path / "tiny" / "model.pt").exists() and not cache.joinpath("tiny").exists()
    assert "is no directory" in said(models("path", "tiny", env={"ASR_MODEL_DIR": "nowhere"}))
    home = {"ASR_MODEL_DIR": "~", "HOME": str(tmp_path)}
    assert models("path", "tiny", env=home).stdout.decode().strip() == str(tmp_path / "tiny")
