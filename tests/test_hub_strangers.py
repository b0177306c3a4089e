"""What is not the file is never taken for it: pages of a network, half copies, sizes and locks that nobody has."""

import errno
import fcntl
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from asr_cli import catalog
from asr_cli.errors import DownloadError
from asr_cli.hub import patience
from asr_cli.hub.care import verify
from asr_cli.hub.manifest import Manifest, RemoteFile, recorded
from asr_cli.hub.places import models_folder
from asr_cli.hub.pull import mend, unfinished
from asr_cli.hub.transfer import OutdatedError, git_sha1
from tests.test_hub_pull import CARD, FILES, WEIGHTS, part_of_weights, pulled, tiny_hub
from tests.tools.hub_server import Trouble

PAGE = b"<html>please log in</html>"
TOKENS = b'["' + b"a" * 5000 + b'"]'


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(patience, "WAITS", (0.0,) * 6)
    with tiny_hub(monkeypatch) as hub:
        for model in hub.models.values():
            model["tokens.json"] = TOKENS
        yield hub


@pytest.mark.parametrize("key", ["ms", "hf"])
@pytest.mark.parametrize("page", [PAGE, PAGE * 1000], ids=["shorter", "longer"])
@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"chunked": True, "content_type": "text/html; charset=utf-8"}])
def test_the_page_of_a_network_that_wants_a_login_is_not_the_file(hub, key, page, how):
    hub.troubles.append(Trouble("tokens.json", times=1, body=page, **how))
    folder, _ = pulled(key)
    assert (folder / "tokens.json").read_bytes() == TOKENS
    assert not [verdict for verdict in verify(folder, recorded(folder)) if verdict.problem]


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_page_that_stays_is_told_and_what_had_come_is_kept(hub, key):
    hub.troubles.append(Trouble("model.pt", times=1, break_off_after=100_000))
    hub.troubles.append(Trouble("model.pt", body=PAGE, ignores_range=True))
    with pytest.raises(DownloadError, match=r"sends 26 bytes for model\.pt, which has 262144; try again later"):
        pulled(key)
    begun = part_of_weights().stat().st_size
    assert begun > 0
    hub.troubles.clear()
    assert (pulled(key)[0] / "model.pt").read_bytes() == WEIGHTS and hub.ranges[-1] in ("", f"bytes={begun}-")
    assert f"bytes={begun}-" in hub.ranges


def test_a_part_of_another_file_is_not_put_behind_what_has_come(hub):
    hub.troubles.append(Trouble("model.pt", times=1, break_off_after=100_000))
    hub.troubles.append(Trouble("model.pt", times=1, body=WEIGHTS + b"more"))
    assert (pulled()[0] / "model.pt").read_bytes() == WEIGHTS


def test_a_file_whose_length_is_told_by_the_list_only_comes_all_the_same(hub):
    hub.troubles.append(Trouble("/resolve/", chunked=True))
    folder, _ = pulled("hf")
    assert all((folder / name).read_bytes() == data for name, data in FILES.items() if name == "model.pt")


def test_small_files_of_hugging_face_are_checked_by_git_s_hash(hub, tmp_path):
    hub.troubles.append(Trouble("tokens.json", body=TOKENS.replace(b"a", b"b")))
    with pytest.raises(
        DownloadError, match=r"tokens\.json from Hugging Face is damaged: its SHA-1 in Git is [0-9a-f]{40}"
    ):
        pulled("hf")
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_sha1(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"  # what git hash-object says


def test_another_program_s_small_files_are_compared_by_git_s_hash_too(hub, tmp_path):
    manifest = catalog.question(CARD, hub="hf").manifest
    for file in manifest.files:
        (tmp_path / file.path).write_bytes(hub.models["funasr/tiny"][file.path])
    (tmp_path / "tokens.json").write_bytes(TOKENS.replace(b"a", b"b"))
    assert [verdict.path for verdict in verify(tmp_path, manifest) if verdict.problem] == ["tokens.json"]
    assert all(verdict.hashed for verdict in verify(tmp_path, manifest))


def mended(manifest, present, damaged):
    steps = mend(CARD.name, manifest, present, damaged)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.fixture
def on_another_disk(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refuse)


def a_copy(folder: Path) -> Path:
    folder.mkdir()
    for name, data in {**FILES, "tokens.json": TOKENS}.items():
        if "/" not in name:
            (folder / name).write_bytes(data)
    return folder


def test_a_copy_that_broke_off_is_not_taken_for_the_file(hub, tmp_path, monkeypatch, on_another_disk):
    def breaks_off(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:50])
        if Path(source).name == "model.pt":
            raise KeyboardInterrupt

    present, manifest = a_copy(tmp_path / "theirs"), catalog.question(CARD, hub="ms").manifest
    with monkeypatch.context() as broken:
        broken.setattr(shutil, "copyfile", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            mended(manifest, present, ["tokens.json"])
    folder = mended(manifest, present, ["tokens.json"])
    assert (folder / "model.pt").read_bytes() == WEIGHTS and not list(folder.glob("*.part"))
    assert not [verdict for verdict in verify(folder, manifest) if verdict.problem]


@pytest.mark.parametrize("stump", [WEIGHTS[:50], WEIGHTS[::-1]], ids=["short", "other"])
def test_a_file_of_an_earlier_run_is_looked_at_again(hub, tmp_path, stump):
    present, manifest = a_copy(tmp_path / "theirs"), catalog.question(CARD, hub="ms").manifest
    unfinished(CARD.name).mkdir(parents=True)
    (unfinished(CARD.name) / ".asr.json").write_text(manifest.as_json())
    (unfinished(CARD.name) / "model.pt").write_bytes(stump)
    assert (mended(manifest, present, ["tokens.json"]) / "model.pt").read_bytes() == WEIGHTS


@pytest.mark.parametrize("files", [("*.safetensors", "*.json"), ("*.onnx", "vocab.txt")])
def test_what_a_card_lists_comes_and_is_found_whatever_it_is_called(hub, files):
    names = {
        "*.safetensors": ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json"),
        "*.onnx": ("encoder.onnx", "vocab.txt"),
    }[files[0]]
    hub.models["o/third"] = {name: name.encode() * 9 for name in names}
    card = replace(CARD, name="third", modelscope=None, huggingface="o/third", files=files)
    folder = catalog.fetch(card)
    assert catalog.find_folder(card) == folder and {file.path for file in recorded(folder).files} == set(names)
    n_ranges = len(hub.ranges)
    assert catalog.fetch(card) == folder and len(hub.ranges) == n_ranges
    with pytest.raises(DownloadError, match=r"has none of \*\.bin"):
        catalog.question(replace(card, files=("*.bin",)))


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_a_hub_that_does_not_tell_sizes_is_told(hub, key):
    hub.tells_size = False
    with pytest.raises(DownloadError, match=r"does not tell the size of \S+, without which no download can be checked"):
        pulled(key)


def test_where_neither_size_nor_hash_is_told_nothing_is_taken_for_empty(hub):
    hub.tells_size = hub.tells_sha256 = False
    with pytest.raises(OutdatedError, match=r"sends \d+ bytes for config\.yaml, which has 0"):
        pulled("ms")
    assert not (models_folder() / CARD.name).exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_warned_of_and_used(hub, monkeypatch, number, caplog):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert (pulled()[0] / "model.pt").read_bytes() == WEIGHTS
    if number != errno.ENOSYS:  # there the library has a way of its own
        assert [getattr(record, "code", None) for record in caplog.records] == ["W-NO-LOCK"]


def test_records_without_git_s_hash_can_be_read():
    text = Manifest("hf", "o/m", "main", (RemoteFile("model.pt", 1),)).as_json()
    assert Manifest.from_json(text.replace(',\n      "git_sha1": null', "")).files == (RemoteFile("model.pt", 1),)
    assert RemoteFile("a", 0, git_sha1=hashlib.sha1(b"blob 0\0").hexdigest()).is_hashed


@pytest.mark.parametrize("value", ["²", "9" * 400, "Wed, 99 Oct 99999 07:28:00 GMT", "-1", "", "٣"])
def test_no_retry_after_is_too_strange(value):
    seconds = patience.retry_after(value)
    assert seconds is None or seconds >= 0
