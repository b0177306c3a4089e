"""What cannot be read, or only in part: the error's class, and the one sentence it says."""

import io
import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_cli.audio.ffmpeg import bundled_ffmpeg, find_ffmpeg
from asr_cli.audio.files import read_blocks
from asr_cli.errors import InputError, NoAudioError, NotFoundError


@pytest.fixture(autouse=True, params=["system", "bundled"])
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "bundled":
        monkeypatch.setenv("ASR_FFMPEG", bundled_ffmpeg())


def hear(source: object, **options: object) -> np.ndarray:
    return np.concatenate([block.samples for block in read_blocks(source, **options)])  # type: ignore[arg-type]


def encode(target: Path, *arguments: str, source: str = "sine=300:d=4") -> Path:
    command = [
        find_ffmpeg(),
        "-y",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        source,
        *arguments,
        str(target),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


def refused(source: object, kind: type[InputError], *, says: str) -> None:
    with pytest.raises(InputError) as caught:
        hear(source)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert re.search(says, message), message
    assert "\n" not in message and len(message) < 300


def test_a_missing_file_is_not_found_and_its_neighbor_is_named(tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").touch()
    refused(tmp_path / "tlak.mp3", NotFoundError, says=r"'.*/tlak\.mp3' not found; did you mean '.*/talk\.mp3'\?")
    refused(tmp_path / "talk.mp3" / "x", NotFoundError, says="not found")
    refused(tmp_path / "no" / "x.mp3", NotFoundError, says="nor is the directory")
    refused("", NotFoundError, says="not found")
    refused("a\0b", NotFoundError, says="not found")


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    refused(tmp_path, InputError, says="is a directory")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"buy milk, eggs", r"not an audio or video file \(ffmpeg: .+\); it looks like text, 14 bytes"),
        ("买牛奶".encode() * 999, "looks like text"),
        (b"<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"%PDF-1.7\n\0\1\2", "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (bytes(range(256)) * 9, "of no known kind"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "begins like WAV"),
        (b"#EXTM3U\n#EXTINF:1,\nother.wav\n", "is a playlist"),
        (b"ffconcat version 1.0\nfile other.wav\n", "is a playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n", "is a playlist"),
    ],
)
def test_what_is_no_recording_is_named_for_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "notes.mp3"
    path.write_bytes(content)
    refused(path, InputError, says=says)
    refused(content, InputError, says=says.removesuffix(", 14 bytes"))


def test_a_picture_and_a_silent_film_hold_no_audio(tmp_path: Path) -> None:
    film = encode(tmp_path / "clip.mp4", source="testsrc=d=1:s=32x32")
    refused(film, NoAudioError, says=r"'.*clip\.mp4' has video but no audio track")
    refused(encode(tmp_path / "x.png", "-frames:v", "1", source="testsrc=d=1"), InputError, says="a PNG picture")


def test_an_unknown_codec_is_named(tmp_path: Path) -> None:
    path = encode(tmp_path / "odd.mka", "-c:a", "flac")
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_QQQQ"))
    refused(path, InputError, says="no decoder for its audio codec")


def wav(rate: int, channels: int, data: bytes, *, announced: int | None = None, bits: int = 16) -> bytes:
    step = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * step, step, bits)
    body = head + struct.pack("<4sI", b"data", len(data) if announced is None else announced) + data
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


@pytest.mark.parametrize(("rate", "channels", "bits"), [(0, 1, 16), (16_000, 0, 16), (16_000, 1, 0), (0, 0, 0)])
def test_impossible_headers_are_an_error_and_not_a_crash(tmp_path: Path, rate: int, channels: int, bits: int) -> None:
    path = tmp_path / "zero.wav"
    path.write_bytes(wav(rate, channels, bytes(3200), bits=bits))
    refused(path, InputError, says="cannot")


def test_a_header_without_samples_holds_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    path.write_bytes(wav(16_000, 1, b""))
    with pytest.raises(InputError):
        hear(path)


def test_one_sample_is_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "one.wav"
    path.write_bytes(wav(16_000, 1, b"\0\x40"))
    assert hear(path).tolist() == [0.5]


def test_samples_that_are_not_numbers_become_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = np.full(32_000, 0.25, dtype=np.float32)
    samples[[100, 20_000, 30_000]] = np.nan, np.inf, -np.inf
    path = tmp_path / "nan.wav"
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    heard = hear(path)
    assert heard[100] == heard[20_000] == heard[30_000] == 0 and heard[101] == 0.25
    assert [record.code for record in caplog.records] == ["W-NAN"]  # type: ignore[attr-defined]


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.wav"
    path.write_bytes(wav(16_000, 1, bytes(3200)))
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65_534)  # root may read everything, nobody may not
        refused(path, InputError, says="Permission denied; check its permissions")
    finally:
        os.seteuid(user)


CONTAINERS = (
    ["cut.mp3"], ["cut.wav"], ["cut.flac"], ["cut.m4a", "-movflags", "+faststart"], ["cut.mka"], ["cut.aiff"]
)  # fmt: skip


@pytest.mark.parametrize("arguments", CONTAINERS, ids=lambda arguments: arguments[0])
def test_truncated_recordings_are_told_and_heard_as_far_as_they_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, arguments: list[str]
) -> None:
    path = encode(tmp_path / arguments[0], *arguments[1:])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    assert 1.5 < len(hear(path)) / 16_000 < 3.2
    [record] = caplog.records
    assert record.code == "W-TRUNCATED"  # type: ignore[attr-defined]
    assert re.search(r"looks truncated: \d\.\d\d s decoded of 4\.\d\d s", record.getMessage())


def test_a_stretch_of_a_truncated_recording_is_no_reason_to_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / "cut.wav")
    path.write_bytes(path.read_bytes()[:200_000])
    assert len(hear(path, end=1.0)) == 16_000
    assert not caplog.records


def test_an_mp4_cut_before_its_index_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "cut.m4a")
    path.write_bytes(path.read_bytes()[:9000])
    refused(path, InputError, says="cut off before its index")
    refused(path.read_bytes(), InputError, says="cut off before its index")


@pytest.mark.parametrize("announced", [0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF - 36])
def test_headers_of_streams_that_could_not_know_their_length_are_believed_to_be_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, announced: int
) -> None:
    path = tmp_path / "stream.wav"
    path.write_bytes(wav(16_000, 1, bytes(64_000), announced=announced))
    assert len(hear(path)) == 32_000
    assert len(hear(path.read_bytes())) == 32_000
    assert not caplog.records


def test_damage_in_the_middle_does_not_end_the_recording(tmp_path: Path) -> None:
    path = encode(tmp_path / "hurt.mp3")
    data = bytearray(path.read_bytes())
    data[8000:9000] = bytes(1000)
    path.write_bytes(data)
    assert len(hear(path)) / 16_000 == pytest.approx(4, abs=0.2)


NAMES: list[str | bytes] = [
    "-i", "-", "a:b.wav", "http:x.wav", "50%.wav", "%03d.wav", "what?.wav", "[a]*.wav", "two\nlines.wav",
    "  Duration: 00:00:09.00", "concat:a|b", "日本語.wav", "'q\".wav", "~.wav", "x.m3u8", "\\.wav",
    b"\xff\xfe.wav",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_just_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | bytes) -> None:
    text = os.fsdecode(name)
    (tmp_path / text).write_bytes(wav(16_000, 1, bytes(6400)))
    monkeypatch.chdir(tmp_path)
    for source in [tmp_path / text] if text == "-" else [text, Path(text)]:
        assert len(hear(source)) == 3200


def test_a_reader_that_gives_nothing_is_empty() -> None:
    refused(io.BytesIO(), InputError, says="is empty")


def test_garbage_never_crashes_the_reader(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    whole: Callable[[str], bytes] = lambda suffix: encode(tmp_path / f"x.{suffix}").read_bytes()  # noqa: E731
    for data in (whole("mp3"), whole("flac"), whole("m4a"), whole("ogg")):
        torn = bytearray(data)
        for position in rng.integers(0, len(torn), 60):
            torn[position] ^= 0xFF
        try:
            hear(bytes(torn))
        except InputError as error:
            assert "\n" not in str(error)
