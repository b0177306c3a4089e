"""Recordings of every kind through the real ffmpeg: what comes out, and that nothing is left behind."""

import io
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.audio.channels import read_channels
from asr_cli.audio.ffmpeg import bundled_ffmpeg, find_ffmpeg
from asr_cli.audio.files import PcmFormat, read_blocks
from asr_cli.audio.probe import announced_duration, probe
from asr_cli.errors import DependencyError, InputError, UsageError

ENCODERS = ("wav", "flac", "mp3", "m4a", "ogg", "opus", "aiff", "mka", "wma", "ts", "mp4", "au", "caf", "w64")


def hear(source: object, **options: object) -> np.ndarray:
    return np.concatenate([block.samples for block in read_blocks(source, **options)])  # type: ignore[arg-type]


def encode(target: Path, *arguments: str, seconds: float = 2.0, rate: int = 44_100) -> Path:
    tone = f"sine=300:r={rate}:d={seconds}"
    command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "lavfi", "-i", tone, *arguments, str(target)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tones")
    return {suffix: encode(folder / f"tone.{suffix}") for suffix in ENCODERS}


@pytest.fixture(params=["system", "bundled"])
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "bundled":
        monkeypatch.setenv("ASR_FFMPEG", bundled_ffmpeg())
    return find_ffmpeg()


@pytest.fixture
def noise(tmp_path: Path) -> tuple[Path, np.ndarray]:
    samples = np.random.default_rng(7).integers(-32768, 32768, 40_001, dtype=np.int16)
    path = tmp_path / "noise.wav"
    soundfile.write(path, samples, 16_000, subtype="PCM_16")
    return path, samples.astype(np.float32) / 32768


def test_every_container_gives_its_two_seconds_of_tone(each_ffmpeg: str, tones: dict[str, Path]) -> None:
    for suffix, path in tones.items():
        samples = hear(path)
        assert abs(len(samples) / 16_000 - 2) < 0.1, suffix
        middle = samples[8000:24_000]
        assert np.argmax(np.abs(np.fft.rfft(middle))) == 300, suffix


def test_every_container_can_be_streamed_through_standard_input(each_ffmpeg: str, tones: dict[str, Path]) -> None:
    for suffix, path in tones.items():
        with path.open("rb") as file:
            assert abs(len(hear(file)) / 16_000 - 2) < 0.1, suffix


def test_sixteen_kilohertz_mono_comes_through_bit_exact(each_ffmpeg: str, noise: tuple[Path, np.ndarray]) -> None:
    path, samples = noise
    assert np.array_equal(hear(path), samples)
    assert np.array_equal(hear(path.read_bytes()), samples)


def test_whole_recordings_are_not_called_truncated(
    each_ffmpeg: str, tones: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    low = [encode(tmp_path / f"{rate}.mp3", rate=rate) for rate in (8000, 16_000, 24_000)]
    for path in [*tones.values(), *low]:
        hear(path)
    assert not caplog.records


@settings(max_examples=15, deadline=None)
@given(n_block=st.integers(min_value=37, max_value=50_000))
def test_any_block_size_gives_the_same_samples(n_block: int, tones: dict[str, Path]) -> None:
    expected = hear(tones["wav"])
    blocks = list(read_blocks(tones["wav"], block_seconds=n_block / 16_000))
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), expected)
    assert all(len(block.samples) == n_block for block in blocks[:-1])
    assert [block.start for block in blocks] == [index * n_block / 16_000 for index in range(len(blocks))]


def test_a_stretch_keeps_the_times_of_the_whole(noise: tuple[Path, np.ndarray]) -> None:
    path, samples = noise
    for source in (path, path.read_bytes()):
        blocks = list(read_blocks(source, start=0.5, end=1.75, block_seconds=0.5))
        assert [block.start for block in blocks] == [0.5, 1.0, 1.5]
        assert np.array_equal(np.concatenate([block.samples for block in blocks]), samples[8000:28_000])


def test_an_end_beyond_the_end_is_the_end(noise: tuple[Path, np.ndarray]) -> None:
    assert len(hear(noise[0], end=100.0)) == 40_001


def test_a_start_beyond_the_end_is_an_error(noise: tuple[Path, np.ndarray]) -> None:
    for source in (noise[0], noise[0].read_bytes()):
        with pytest.raises(InputError, match=r"ends at 2\.50 s"):
            hear(source, start=60)
    with pytest.raises(UsageError):
        hear(noise[0], start=2, end=1)


def test_raw_samples_are_read_as_told(each_ffmpeg: str) -> None:
    samples = np.arange(-500, 500, dtype=np.int16)
    raw = PcmFormat.parse("16000:2:s16be")
    assert np.array_equal(hear(np.repeat(samples, 2).astype(">i2").tobytes(), pcm=raw), samples / np.float32(32768))
    assert len(hear(io.BytesIO(bytes(8000)), pcm=PcmFormat.parse("8000:1:mulaw"))) == 16_000


@pytest.mark.parametrize("text", ["", "0:1:s16le", "16000:0", "16000:1:mp3", "16k", "-1", "16000:1:s16le:x"])
def test_a_raw_format_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="rate:channels:format"):
        PcmFormat.parse(text)


def test_channels_can_be_mixed_and_chosen(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    loud = np.full((8000, 2), 0.9, dtype=np.float32)
    loud[:, 1] = 0.5
    soundfile.write(path, loud, 16_000, subtype="FLOAT")
    assert np.allclose(hear(path), 0.7)
    assert np.allclose(hear(path, channel="left"), 0.9)
    assert np.allclose(hear(path, channel="right"), 0.5)
    with pytest.raises(InputError, match="no channel 2; it has 2"):
        hear(path, channel=2)


@pytest.mark.parametrize("n_channels", [3, 8, 12, 64])
def test_channels_without_a_known_layout_are_averaged(each_ffmpeg: str, tmp_path: Path, n_channels: int) -> None:
    path = tmp_path / "many.wav"
    frames = np.random.default_rng(1).uniform(-0.9, 0.9, (16_000, n_channels)).astype(np.float32)
    soundfile.write(path, frames, 16_000, subtype="FLOAT")
    assert np.allclose(hear(path), frames.mean(axis=1), atol=1e-6)
    assert np.array_equal(hear(path, channel=n_channels - 1), frames[:, -1])


def test_split_hears_each_channel_and_names_it(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).uniform(-0.9, 0.9, (20_000, 2)).astype(np.float32)
    path = tmp_path / "call.wav"
    soundfile.write(path, frames, 16_000, subtype="FLOAT")
    for source in (path, io.BytesIO(path.read_bytes())):
        with read_channels(source, channels="split") as voices:
            assert [speaker for speaker, _ in voices] == ["left", "right"]
            # one after the other: what waits is not kept in memory
            for index, (_, blocks) in enumerate(voices):
                assert np.array_equal(np.concatenate([block.samples for block in blocks]), frames[:, index])


def test_a_track_of_a_video_can_be_chosen(each_ffmpeg: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    picture = "testsrc=d=1:s=32x32"
    inputs = ["-f", "lavfi", "-i", "sine=800:d=1", "-f", "lavfi", "-i", picture]
    languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=jpn"]
    encode(path, *inputs, "-map", "0:a", "-map", "1:a", "-map", "2:v", *languages, seconds=1)
    assert np.argmax(np.abs(np.fft.rfft(hear(path, track=1)[:16_000]))) == 800
    info = probe(path)
    assert [(track.index, track.language, track.channels) for track in info.tracks] == [
        (0, "eng", 1),
        (1, "jpn", 1),
    ]
    assert info.has_video and info.duration is not None and abs(info.duration - 1) < 0.1
    with pytest.raises(InputError, match=r"no audio track 2; it has tracks 0 \(eng, .*\), 1 \(jpn"):
        hear(path, track=2)


def test_late_sound_keeps_its_place_in_the_video(each_ffmpeg: str, tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    delayed = ["-itsoffset", "1", "-f", "lavfi", "-i", "sine=300:d=1"]
    encode(path, "-f", "lavfi", "-i", "testsrc=d=2:s=32x32", *delayed, "-map", "1:v", "-map", "2:a")
    samples = hear(path)
    assert np.abs(samples[:15_500]).max() < 1e-3 < np.abs(samples[16_500:]).max()


def test_a_recording_whose_rate_and_channels_change_keeps_its_times(each_ffmpeg: str, tmp_path: Path) -> None:
    """As joined MP3s do, and television between a programme and its advertisements."""
    whole = b""
    for name, hertz, rate, channels in (("a", 300, 44_100, 2), ("b", 600, 22_050, 1), ("c", 900, 48_000, 2)):
        encode(
            tmp_path / f"{name}.mp3",
            "-f",
            "lavfi",
            "-i",
            f"sine={hertz}:d=2",
            "-map",
            "1:a",
            "-ar",
            str(rate),
            "-ac",
            str(channels),
        )
        whole += (tmp_path / f"{name}.mp3").read_bytes()
    (tmp_path / "whole.mp3").write_bytes(whole)
    samples = hear(tmp_path / "whole.mp3")
    assert len(samples) == pytest.approx(6 * 16_000, abs=4000)
    for half, hertz in ((1, 300), (5, 600), (9, 900)):
        spectrum = np.abs(np.fft.rfft(samples[half * 8000 : half * 8000 + 16_000]))
        assert abs(int(spectrum.argmax()) - hertz) <= 2


def test_announced_durations_are_known_where_they_can_be(tones: dict[str, Path]) -> None:
    for suffix in ("wav", "flac", "mp3", "m4a", "ogg", "mka"):
        assert announced_duration(tones[suffix]) == pytest.approx(2, abs=0.06), suffix
    assert announced_duration(tones["wav"].read_bytes()) == pytest.approx(2)
    assert announced_duration("-") is None
    assert announced_duration("no such file") is None


def test_stopping_early_leaves_no_process_thread_or_file(tones: dict[str, Path]) -> None:
    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "asr-ffmpeg"]

    before, others = len(list(Path("/proc/self/fd").iterdir())), children()
    for source in (tones["wav"], tones["mp3"].read_bytes(), tones["m4a"].read_bytes()):
        blocks: Iterator[Audio] = read_blocks(source, block_seconds=0.1)
        next(blocks)
        assert threads()
        blocks.close()  # type: ignore[attr-defined]
        assert not threads()
        assert children() <= others
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def children() -> set[str]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(path.read_text().split())


def test_a_source_that_never_ends_can_be_heard_in_part() -> None:
    class Endless:
        def read(self, n_bytes: int) -> bytes:
            return bytes(n_bytes)

    assert len(hear(Endless(), pcm=PcmFormat(16_000), end=3.0)) == 48_000


def test_a_failing_source_is_an_error() -> None:
    class Failing(io.RawIOBase):
        def read(self, n_bytes: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="Input/output error"):
        hear(Failing(), pcm=PcmFormat(16_000))


def test_what_is_no_source_is_refused(tones: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="5 is no recording"):
        hear(5)
    with pytest.raises(UsageError, match="counted from 0"):
        hear(tones["wav"], track=-1)
    with pytest.raises(UsageError, match="no channel"):
        hear(tones["wav"], channel="center")


def test_a_file_opened_as_text_is_an_error(tones: dict[str, Path]) -> None:
    with tones["caf"].open(encoding="latin-1") as file, pytest.raises(InputError, match="binary mode"):
        hear(file)


def test_a_fifo_is_read_as_it_comes(noise: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(noise[0].read_bytes()))
    writer.start()
    assert np.array_equal(hear(fifo), noise[1])
    writer.join()


def test_raw_samples_that_are_none_hold_no_audio(tmp_path: Path) -> None:
    (tmp_path / "empty.raw").touch()
    for source in (b"", tmp_path / "empty.raw"):
        with pytest.raises(InputError, match=r"is empty|without a sample"):
            hear(source, pcm=PcmFormat(16_000))


def test_a_picture_beside_the_sound_is_no_video(tmp_path: Path) -> None:
    cover = ["-f", "lavfi", "-i", "testsrc=d=0.1:s=32x32", "-map", "0", "-map", "1", "-frames:v", "1"]
    path = encode(tmp_path / "song.m4a", *cover, "-c:v", "mjpeg", "-disposition:v", "attached_pic")
    assert not probe(path).has_video


def test_a_missing_ffmpeg_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_FFMPEG", "/no/such/ffmpeg")
    with pytest.raises(DependencyError, match="apt install ffmpeg") as caught:
        find_ffmpeg()
    assert caught.value.code == "E-FFMPEG"


def test_an_ffmpeg_that_does_not_work_is_not_the_recording_s_fault(monkeypatch, tones: dict[str, Path]) -> None:
    monkeypatch.setenv("ASR_FFMPEG", "false")
    with pytest.raises(DependencyError, match="does not work"):
        hear(tones["wav"])


def test_a_link_that_leads_nowhere_says_so(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").symlink_to("gone.wav")
    with pytest.raises(InputError, match=r"is a link to 'gone\.wav', which is not there"):
        hear(tmp_path / "talk.wav")


def test_without_a_system_ffmpeg_the_bundled_one_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ASR_FFMPEG", raising=False)
    assert "imageio_ffmpeg" in find_ffmpeg()


def test_every_shared_recording_decodes(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_FFMPEG", bundled_ffmpeg())  # starts faster than a system's
    suffixes = {".wav", ".mp3", ".m4a", ".flac", ".opus", ".aiff", ".mp4"}
    paths = [path for path in sorted((shared / "data/audio").rglob("*")) if path.suffix in suffixes]
    assert len(paths) > 100
    for path in paths:
        assert sum(len(block.samples) for block in read_blocks(path)), path
