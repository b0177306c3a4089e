"""Recordings in stores that fsspec opens, here its own in memory, and files written as addresses."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from asr_cli.audio.address import is_address, local_path, without_password
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.audio.files import read_blocks
from asr_cli.audio.inputs import expand
from asr_cli.audio.probe import announced_duration, probe
from asr_cli.audio.remote import open_remote
from asr_cli.errors import AsrError, DependencyError, InputError, NotFoundError, UsageError
from asr_cli.jobs.manifest import check, read_items, size_of

SECONDS = 1.5


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "a talk.wav"
    samples = 0.3 * np.sin(np.arange(round(SECONDS * 16_000)) / 20)
    soundfile.write(path, samples, 16_000)
    return path


def seconds(source: object, **options: object) -> float:
    return sum(block.duration for block in read_blocks(source, **options))  # type: ignore[arg-type]


def refused(address: str, kind: type[AsrError], *, says: str) -> None:
    with pytest.raises(AsrError) as caught:
        seconds(address)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert says in message and "\n" not in message and len(message) < 400, message


def test_a_recording_in_a_store_is_heard(store: fsspec.AbstractFileSystem, talk: Path) -> None:
    store.pipe("/bucket/a talk.wav", talk.read_bytes())
    address = "memory://bucket/a talk.wav"
    assert expand([address]) == [address]
    assert seconds(address) == pytest.approx(SECONDS)
    assert seconds(address, start=0.5, end=1.25) == pytest.approx(0.75)
    assert probe(address).duration == pytest.approx(SECONDS)
    assert announced_duration(address) is None  # to know it, all would have to be fetched


def test_a_film_whose_index_comes_last_is_heard(store: fsspec.AbstractFileSystem, talk: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.m4a"
    command = [find_ffmpeg(), "-loglevel", "error", "-i", str(talk), "-c:a", "aac", str(film)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    store.pipe("/film.m4a", film.read_bytes())
    assert seconds("memory://film.m4a") == pytest.approx(SECONDS, abs=0.1)


def test_a_file_address_is_the_file(talk: Path) -> None:
    for address in (f"file://{talk}", f"FILE://{talk}", f"file://localhost{talk}", talk.as_uri()):
        assert expand([address]) == [str(talk)]
        assert seconds(address) == pytest.approx(SECONDS)
        assert announced_duration(address) == pytest.approx(SECONDS)
    refused("file:///no/such.wav", NotFoundError, says="'/no/such.wav' not found")
    assert local_path("file:///x/100%25.wav") == "/x/100%25.wav"


def test_what_a_store_has_against_it_is_one_sentence(store: fsspec.AbstractFileSystem) -> None:
    store.pipe("/empty.wav", b"")
    store.pipe("/notes.txt", b"some words\n" * 20)
    store.makedirs("/folder")
    refused("memory://none.wav", NotFoundError, says="'memory://none.wav' not found; check the address")
    refused("memory://empty.wav", InputError, says="is empty (0 bytes)")
    refused("memory://notes.txt", InputError, says="not an audio or video file")
    refused("memory://folder", InputError, says="")
    refused("ftp://me:pass@127.0.0.1:9/a.wav", InputError, says="'ftp://127.0.0.1:9/a.wav': Connection refused")


def test_a_scheme_that_nothing_installed_knows_says_what_to_install() -> None:
    refused("rtsp://127.0.0.1/x", DependencyError, says="nothing installed knows rtsp:// addresses")
    if find_spec("lakefs_spec"):
        pytest.skip("the package that is to be missing is installed")
    with pytest.raises(DependencyError, match=r"'lakefs://h/x' cannot be opened: a package .*\(.*install lakefs-spec"):
        expand(["lakefs://me:pass@h/x"])


def test_a_store_that_breaks_down_while_it_is_read_is_told(store: fsspec.AbstractFileSystem, talk: Path) -> None:
    store.pipe("/a.wav", talk.read_bytes() * 20)

    class ExpiredTokenError(Exception):
        """As the libraries of stores have them: no OSError."""

    says = r"cannot read 'memory://a.wav': The token=\.\.\. has expired; check"

    def breaks_down(n_bytes: int) -> bytes:
        raise ExpiredTokenError("The token=abc123 has expired.\nRequest id 7")

    with open_remote("memory://a.wav") as file, pytest.raises(InputError, match=says):
        assert file.read(4) == b"RIFF"
        file._file.read = breaks_down  # type: ignore[attr-defined]
        file.read(4)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://h/a@b.wav", "https://h/a@b.wav"),
        ("https:///me:pw@h/a.wav", "https://h/a.wav"),
        ("sftp://me:p@ss@h/a.wav", "sftp://h/a.wav"),
        ("https://h/a?X-Amz-Credential=AKIA&X-Amz-Signature=1f&v=2", "https://h/a?X-Amz-Credential=...&X-Amz-Signature=...&v=2"),
        ("https://h/a?sv=1&sig=abc%3D", "https://h/a?sv=1&sig=..."),
    ],
)  # fmt: skip
def test_no_password_and_no_key_is_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_a_drive_or_a_path_is_no_address() -> None:
    assert not any(map(is_address, ["C:\\a.wav", "C://a.wav", "a.wav", "./x://y", "/x/y://z"]))
    assert all(map(is_address, ["s3://b/x", "HTTPS://x", "svn+ssh://h/x"]))


def test_a_batch_takes_folders_patterns_and_lists_from_stores(
    store: fsspec.AbstractFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("/talks/b.wav", "/talks/a.mp3", "/talks/notes.txt", "/talks/deep/c d.wav"):
        store.pipe(path, b"x")
    assert [(item.key, item.name) for item in read_items(["memory://talks/"])] == [("a", "a"), ("b", "b")]
    deep = read_items(["memory://talks/"], recursive=True)
    assert ("deep/c_d", "deep/c d") in [(item.key, item.name) for item in deep] and len(deep) == 3
    assert [item.key for item in read_items(["memory://talks/*.wav"])] == ["b"]
    assert len(expand(["memory://talks/"])) == 2
    with pytest.raises(InputError, match=r"memory:///?talks/a\.mp3"):
        seconds(deep[0].source)

    store.pipe("/data/wav.scp", b"r1 a.wav\nr2 memory://talks/b.wav\n")
    store.pipe("/data/segments", b"u1 r1 0 1\n")
    store.pipe("/data/list.txt", b"memory://talks/b.wav\n")
    assert [item.source for item in read_items(["memory://data/wav.scp"])] == [
        "memory://data/a.wav",
        "memory://talks/b.wav",
    ]
    assert [item.key for item in read_items(["memory://data/wav.scp"], segments="memory://data/segments")] == ["u1"]
    assert [item.key for item in read_items(["@memory://data/list.txt"])] == ["b"]
    with pytest.raises(NotFoundError, match=r"'memory://data/none\.scp' not found"):
        read_items(["memory://data/none.scp"])
    with pytest.raises(InputError, match=r"'memory://none/' holds no audio or video file"):
        read_items(["memory://none/"])
    with pytest.raises(UsageError, match="download it"):
        read_items([], batch_file="https://me:pass@h/list.txt")


def test_a_batch_checks_whether_an_address_can_be_opened_at_all() -> None:
    known, unknown = read_items(["memory://x/a.wav", "nobody://x/b.wav"])
    assert check(known) is None and size_of(known) is None
    assert "nobody://" in str(check(unknown))
    with pytest.raises(UsageError, match=r"^'https://h/a.wav' and 'https://other/a.wav' would both be called 'a'"):
        read_items(["https://me:pass@h/a.wav", "https://other/a.wav"])


def test_the_package_of_stores_is_loaded_for_a_store_only() -> None:
    read = "import sys; from asr_cli.jobs.manifest import read_items; read_items(['https://h/x.wav'])"
    code = f"{read}; sys.exit('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
