"""From what was typed to the list of recordings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr_cli.audio.inputs import expand, natural
from asr_cli.errors import InputError, NotFoundError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "part10.mp3",
        "part9.MP3",
        "notes.txt",
        ".hidden.mp3",
        "deep/film.mkv",
        "deep/er/a.wav",
        "[x].ogg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_addresses_and_standard_input_are_kept_as_typed(folder: Path) -> None:
    typed = ["./part10.mp3", "notes.txt", "-", "http://127.0.0.1/*.mp3", "HTTPS://x/y?z"]
    assert expand(typed) == typed


def test_a_directory_means_the_recordings_in_it_in_natural_order(folder: Path) -> None:
    assert expand(["."]) == ["./[x].ogg", "./part9.MP3", "./part10.mp3"]
    assert expand(["."], recursive=True) == [
        "./[x].ogg", "./deep/er/a.wav", "./deep/film.mkv", "./part9.MP3", "./part10.mp3",
    ]  # fmt: skip


def test_a_pattern_is_taken_as_one_only_where_no_file_has_that_name(folder: Path) -> None:
    assert expand(["part*.mp3"]) == ["part10.mp3"]
    assert expand(["**/*.mkv"]) == ["deep/film.mkv"]
    assert expand(["[x].ogg"]) == ["[x].ogg"]
    assert expand(["d*"]) == ["deep/film.mkv"]


def test_each_recording_is_taken_once(folder: Path) -> None:
    (folder / "link.mp3").symlink_to("part10.mp3")
    assert expand(["part10.mp3", str(folder / "part10.mp3"), "link.mp3", ".", "-", "-"]) == [
        "part10.mp3", "./[x].ogg", "./part9.MP3", "-",
    ]  # fmt: skip


def test_a_missing_path_is_not_found_and_its_neighbor_is_named(folder: Path) -> None:
    with pytest.raises(NotFoundError, match=r"^'prat10.mp3' not found; did you mean 'part10.mp3'\?$"):
        expand(["prat10.mp3"])
    with pytest.raises(NotFoundError, match="matches no file"):
        expand(["*.flac"])
    for text in ("", "a\0b", "nowhere/x.mp3", "part10.mp3/x"):
        with pytest.raises(NotFoundError):
            expand([text])


def test_a_directory_without_recordings_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    (folder / "outer" / "inner").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds no audio or video file$"):
        expand(["empty"])
    with pytest.raises(InputError, match="--recursive looks into"):
        expand(["outer"])


def test_names_that_are_no_utf8_are_found(folder: Path) -> None:
    odd = os.fsdecode(b"\xff.wav")
    (folder / odd).touch()
    assert odd in expand([odd]) and f"./{odd}" in expand(["."])


def test_natural_order_survives_any_name() -> None:
    names = ["²", "a1b", "1a", "a", "", "٣", "A01", "a1"]
    assert sorted(sorted(names, key=natural)) == sorted(names)


def test_expanding_loads_nothing_heavy() -> None:
    code = "import sys, asr_cli.audio.inputs; print(*{'numpy', 'torch', 'ffmpeg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
