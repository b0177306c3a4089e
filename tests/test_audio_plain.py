"""WAV files that need no decoder give the samples that ffmpeg gives."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asr_cli.audio.files as files
from asr_cli.audio.plain import find_samples
from asr_cli.errors import AsrError, InputError


def write_wav(path, samples, *, rate=16_000, n_channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())
    return path


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).integers(-32768, 32768, n_samples, dtype=np.int16)


def heard(path, **options):
    try:
        return np.concatenate([block.samples for block in files.read_blocks(str(path), **options)])
    except AsrError as error:
        return str(error)


def decoded(path, monkeypatch, **options):
    with monkeypatch.context() as patch:
        patch.setattr(files, "plain", lambda *_: None)
        return heard(path, **options)


@pytest.fixture
def no_decoder(monkeypatch):
    def started(*_, **__):
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(files, "Decoder", started)


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("options", [{}, {"start": 0.37}, {"start": 1.00003, "end": 1.5}, {"channel": 0}])
def test_the_samples_are_those_of_ffmpeg(tmp_path, monkeypatch, n_channels, options):
    path = write_wav(tmp_path / "a.wav", noise(32_001 * n_channels), n_channels=n_channels)
    assert np.array_equal(heard(path, **options), decoded(path, monkeypatch, **options))


def test_every_shared_wav_sounds_the_same(shared, monkeypatch):
    paths = sorted((shared / "data" / "audio" / "en" / "hifitts_6097").rglob("*.wav"))[:6]
    paths += sorted((shared / "data" / "audio" / "other").glob("*.wav"))
    assert paths
    for path in paths:
        assert np.array_equal(heard(path), decoded(path, monkeypatch)), path


def test_no_decoder_is_started_for_them(tmp_path, no_decoder):
    assert len(heard(write_wav(tmp_path / "a.wav", noise(16_000)))) == 16_000


@pytest.mark.parametrize(
    ("rate", "n_channels", "width"), [(8_000, 1, 2), (16_000, 3, 2), (16_000, 1, 1), (44_100, 2, 2)]
)
def test_anything_else_is_left_to_ffmpeg(tmp_path, no_decoder, rate, n_channels, width):
    path = write_wav(tmp_path / "a.wav", noise(24_000), rate=rate, n_channels=n_channels, width=width)
    with pytest.raises(AssertionError):
        heard(path)


def test_a_wav_that_says_more_than_it_holds_is_left_to_ffmpeg_which_warns(tmp_path, caplog):
    path = write_wav(tmp_path / "a.wav", noise(32_000))
    path.write_bytes(path.read_bytes()[:-20_000])
    assert len(heard(path)) == 22_000
    assert "looks truncated" in caplog.text


def test_a_start_behind_the_end_is_told(tmp_path):
    assert "ends at 1.00 s" in heard(write_wav(tmp_path / "a.wav", noise(16_000)), start=3.0)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(160_000))
    blocks = files.read_blocks(str(path))
    next(blocks)
    with path.open("r+b") as file:
        file.truncate(30_000)
    with pytest.raises(InputError, match="became shorter"):
        list(blocks)


chunks = st.lists(
    st.tuples(st.sampled_from([b"fmt ", b"data", b"LIST", b"fact"]), st.binary(max_size=40), st.integers(0, 2**32 - 1)),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(chunks=chunks, honest=st.booleans(), tail=st.binary(max_size=20))
def test_whatever_a_header_says_the_samples_lie_inside_the_file(chunks, honest, tail):
    body = b"".join(name + struct.pack("<I", len(data) if honest else size) + data for name, data, size in chunks)
    head = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body + tail
    found = find_samples("x", head, len(head))
    assert found is None or (0 < found.first <= found.first + found.size <= len(head) and found.n_frames > 0)


def test_a_usual_header_is_understood(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(100))
    data = Path(path).read_bytes()
    found = find_samples(str(path), data, len(data))
    assert found is not None and found.first == 44 and found.n_frames == 100
