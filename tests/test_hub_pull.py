"""Models come from a hub whole, checked, or not at all. The hub is a server on this machine that can have bad days."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from asr_cli import catalog
from asr_cli.errors import DownloadError, ModelError
from asr_cli.hub import patience, places
from asr_cli.hub.manifest import recorded
from asr_cli.hub.pull import pull, unfinished
from asr_cli.hub.transfer import CHUNK_BYTES
from asr_cli.registry import ModelCard
from tests.tools.hub_server import Trouble, serving

CARD = ModelCard(
    name="tiny",
    summary="for tests",
    languages=("zh",),
    license="none",
    modelscope="iic/speech_tiny",
    huggingface="funasr/tiny",
)
WEIGHTS = bytes(range(256)) * 1024  # a few of the chunks in which it comes
FILES = {
    "config.yaml": b"model: Tiny\n",
    "model.pt": WEIGHTS,
    "tokens.json": b"[]",
    "example/asr_example.wav": b"RIFF",
    "README.md": b"",
}
NEEDED = {"config.yaml", "model.pt", "tokens.json", "README.md"}


@contextmanager
def tiny_hub(monkeypatch):
    with serving({"iic/speech_tiny": dict(FILES), "funasr/tiny": dict(FILES)}) as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture
def hub(monkeypatch):
    with tiny_hub(monkeypatch) as hub:
        yield hub


def pulled(hub_key="ms", **asked):
    answer = catalog.question(CARD, hub=hub_key, **asked)
    steps, seen = pull(CARD.name, answer.manifest), []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


def visible() -> set[str]:
    """What a look into the cache shows, but for what is hidden."""
    home = places.models_folder()
    return {path.name for path in home.iterdir() if not path.name.startswith(".")} if home.is_dir() else set()


def part_of_weights() -> Path:
    return unfinished(CARD.name) / "model.pt.part"


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_model_comes_with_the_files_it_needs_and_is_found_again(hub, key):
    folder, seen = pulled(key)
    names = {path.name for path in folder.iterdir()} - {".asr.json"}
    assert names == NEEDED
    assert all((folder / name).read_bytes() == FILES[name] for name in NEEDED)
    assert catalog.find_folder(CARD) == folder
    assert {path.name for path in places.models_folder().iterdir()} == {"tiny", ".tiny.lock"}
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert seen[-1].done == seen[-1].total == sum(len(FILES[name]) for name in NEEDED)
    assert {file.sha256 for file in recorded(folder).files} == {
        hashlib.sha256(FILES[name]).hexdigest() for name in NEEDED
    }


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_what_broke_off_goes_on_where_it_stopped(hub, key):
    hub.troubles.append(Trouble("model.pt", times=1, break_off_after=100_000))
    folder, _ = pulled(key)
    assert (folder / "model.pt").read_bytes() == WEIGHTS
    (resumed,) = [asked for asked in hub.ranges if asked]
    assert 0 < int(resumed.removeprefix("bytes=").rstrip("-")) <= 100_000


def test_a_line_that_breaks_off_again_and_again_is_borne_with_as_long_as_something_comes(hub, monkeypatch):
    monkeypatch.setattr(patience, "WAITS", (0.0, 0.0))
    hub.troubles.append(Trouble("model.pt", times=5, break_off_after=CHUNK_BYTES * 3 // 2))
    assert (pulled()[0] / "model.pt").read_bytes() == WEIGHTS
    hub.troubles.append(Trouble("tokens.json", break_off_after=0))
    shutil.rmtree(places.models_folder() / CARD.name)
    with pytest.raises(DownloadError, match=r"broke off in tokens\.json .*, 2 times; try again later"):
        pulled()


def test_a_download_that_was_given_up_goes_on_the_next_time(hub):
    steps = pull(CARD.name, catalog.question(CARD, hub="ms").manifest)
    while next(steps).file != "model.pt":
        pass
    steps.close()
    begun = part_of_weights().stat().st_size
    assert 0 < begun < len(WEIGHTS) and not visible() and catalog.find_folder(CARD) is None
    folder, _ = pulled()
    assert (folder / "model.pt").read_bytes() == WEIGHTS
    assert f"bytes={begun}-" in hub.ranges
    assert hub.ranges.count("") == 3  # the files that were whole came once; an empty one is not asked for


@pytest.mark.parametrize("bad_day", [{"ignores_range": True}, {"wrong_range": True}])
def test_a_server_that_cannot_continue_begins_again(hub, bad_day):
    hub.troubles.append(Trouble("model.pt", times=1, break_off_after=100_000))
    hub.troubles.append(Trouble("model.pt", times=1, **bad_day))
    folder, _ = pulled()
    assert (folder / "model.pt").read_bytes() == WEIGHTS


@pytest.mark.parametrize("key", ["ms", "hf"])
@pytest.mark.parametrize("where", ["model.pt", "/api/"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_is_borne_with(hub, key, where, status):
    hub.troubles.append(Trouble(where, times=2, status=status, retry_after="0"))
    folder, _ = pulled(key)
    assert (folder / "model.pt").read_bytes() == WEIGHTS


def test_a_hub_is_given_the_time_it_asks_for(hub):
    hub.troubles.append(Trouble("model.pt", times=1, status=429, retry_after="1"))
    begun = time.monotonic()
    pulled()
    assert time.monotonic() - begun >= 1


def test_a_hub_that_asks_for_an_hour_is_told_of(hub):
    hub.troubles.append(Trouble("model.pt", status=429, retry_after="3600"))
    with pytest.raises(DownloadError, match=r"ModelScope is busy \(429\) and asks to come back in 3600 s"):
        pulled()
    assert not visible()


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_hash_that_differs_names_the_file_and_both_hashes(hub, key):
    hub.lies["model.pt"] = "f" * 64
    with pytest.raises(DownloadError) as raised:
        pulled(key)
    assert "model.pt" in str(raised.value) and "f" * 64 in str(raised.value)
    assert hashlib.sha256(WEIGHTS).hexdigest() in str(raised.value)
    assert not visible() and not part_of_weights().exists() and not (unfinished(CARD.name) / "model.pt").exists()
    hub.lies.clear()
    assert (pulled(key)[0] / "model.pt").read_bytes() == WEIGHTS


def test_a_part_that_went_bad_on_this_disk_is_fetched_again(hub):
    steps = pull(CARD.name, catalog.question(CARD, hub="ms").manifest)
    while next(steps).file != "model.pt":
        pass
    steps.close()
    with part_of_weights().open("r+b") as part:
        part.write(b"\xff" * 100)
    assert (pulled()[0] / "model.pt").read_bytes() == WEIGHTS


@pytest.mark.parametrize("body", [WEIGHTS + b"more", WEIGHTS[:-1] + b"?"])
def test_a_server_that_sends_something_else_is_not_believed(hub, body):
    hub.troubles.append(Trouble("model.pt", body=body))
    with pytest.raises(DownloadError, match=r"model\.pt"):
        pulled()
    assert not visible()


def test_without_a_hash_the_size_is_what_can_be_checked(hub):
    hub.tells_sha256 = False
    folder, _ = pulled()
    assert (folder / "model.pt").read_bytes() == WEIGHTS and all(file.sha256 for file in recorded(folder).files)


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_model_that_is_not_on_the_hub_is_told_by_its_id(hub, key):
    hub.models.clear()
    with pytest.raises(DownloadError, match=r"has no \S+tiny of revision (master|main) \(404\)"):
        pulled(key)


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_file_that_the_hub_lists_and_does_not_have_is_told(hub, key):
    hub.troubles.append(Trouble("tokens.json", status=404))
    with pytest.raises(DownloadError, match=r"lists tokens.json but does not have it \(404\)"):
        pulled(key)
    assert not visible()


@pytest.mark.parametrize(("key", "variable"), [("ms", "MODELSCOPE_ENDPOINT"), ("hf", "HF_ENDPOINT")])
def test_a_hub_that_cannot_be_reached_names_the_mirror_s_variable(monkeypatch, key, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    with pytest.raises(DownloadError, match=rf"cannot be reached: .*refused.*{variable} names a mirror"):
        pulled(key)


def test_paths_that_lead_out_of_the_folder_are_never_written(hub):
    hub.models["iic/speech_tiny"] |= {"../evil.yaml": b"bad", "/tmp/evil.yaml": b"bad", "a/../../evil.yaml": b"bad"}
    folder, _ = pulled()
    assert {file.path for file in recorded(folder).files} == NEEDED
    assert not (folder.parent / "evil.yaml").exists() and not (unfinished(CARD.name).parent / "evil.yaml").exists()


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_what_is_no_hub_at_all_is_told(hub, key):
    hub.troubles.append(Trouble("/api/", status=200, body=b"<html>please log in to this network</html>"))
    with pytest.raises(DownloadError, match=r"lists no files|does not answer as a hub does"):
        catalog.question(CARD, hub=key)


def test_a_model_without_weights_is_no_model(hub):
    del hub.models["iic/speech_tiny"]["model.pt"]
    with pytest.raises(DownloadError, match="has no weights"):
        pulled()


def test_a_disk_without_room_is_told_before_anything_is_asked_for(hub):
    hub.lies["model.pt"] = "0" * 64
    hub.models["iic/speech_tiny"]["model.pt"] = Huge()
    with pytest.raises(DownloadError, match=r"bytes are needed in .* are free; make room, or set ASR_CACHE"):
        pulled()
    assert not hub.ranges


class Huge(bytes):
    def __len__(self):
        return 1 << 60


def test_the_token_goes_to_its_hub(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-secret")
    pulled("hf")
    assert hub.tokens == {"Bearer hf_secret"}
    hub.tokens.clear()
    pulled("ms", revision="v2")
    assert hub.tokens == {"Bearer ms-secret"} and "FilePath=model.pt" in "".join(hub.requests)
    assert "Revision=v2" in "".join(hub.requests)


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_token_is_not_told_to_where_a_hub_leads(hub, monkeypatch, key):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-secret")
    hub.troubles.append(Trouble("model.pt", times=1, leads_elsewhere=True))
    assert (pulled(key)[0] / "model.pt").read_bytes() == WEIGHTS
    assert ("localhost", "") in hub.secrets
    assert all(told for host, told in hub.secrets if host == "127.0.0.1")
    assert not any(told for host, told in hub.secrets if host == "localhost")


@pytest.mark.parametrize("variable", ["ASR_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_nothing_is_asked(hub, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ModelError, match=r"asr models pull tiny"):
        catalog.fetch(CARD)
    assert not hub.requests


PULL = """
import sys
from tests.test_hub_pull import pulled
print(pulled()[0])
"""


def another_process(limit=None):
    return subprocess.Popen(
        [sys.executable, "-c", PULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1], env=dict(os.environ), preexec_fn=limit,
    )  # fmt: skip


def test_two_processes_that_want_the_same_model_download_it_once(hub):
    hub.troubles.append(Trouble("model.pt", seconds_per_chunk=0.05))
    processes = [another_process(), another_process()]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0] and len(hub.ranges) == 3
    assert (Path(said[0][0].strip()) / "model.pt").read_bytes() == WEIGHTS


def test_a_disk_that_fills_up_leaves_what_can_be_continued(hub):
    import resource

    process = another_process(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    _, said = process.communicate(timeout=60)
    assert process.returncode and "is full; what was downloaded is kept there" in said
    assert not visible() and part_of_weights().stat().st_size <= 100_000
    assert (pulled()[0] / "model.pt").read_bytes() == WEIGHTS
    assert [asked for asked in hub.ranges if asked]
