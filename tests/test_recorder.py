"""Live sound into files: there while it is written, and after whatever ends the program."""

import os
import resource
import signal
import subprocess
import sys
import time
import wave
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.audio.recorder import Recorder
from asr_cli.errors import OutputError, UsageError

RATE = 16_000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


def pieces(samples, n_block=800):
    return [Audio(samples[at : at + n_block], at / RATE) for at in range(0, len(samples), n_block)]


def heard(path):
    return np.concatenate([block.samples for block in read_blocks(str(path))])


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac"])
def test_what_is_recorded_without_loss_comes_back(tmp_path, suffix):
    path, samples = tmp_path / f"live{suffix}", noise(2.03)
    with Recorder(path) as recorder:
        for audio in pieces(samples):
            recorder.add(audio)
    assert np.abs(heard(path) - samples).max() <= 0.5 / 32768


@pytest.mark.parametrize("suffix", [".mp3", ".ogg", ".opus", ".m4a", ".mka"])
def test_any_format_of_ffmpegs_can_be_recorded(tmp_path, suffix):
    path = tmp_path / f"live{suffix}"
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    with Recorder(path) as recorder:
        for audio in pieces(tone):
            recorder.add(audio)
    back = heard(path)
    assert len(back) / RATE == pytest.approx(2.0, abs=0.15)
    assert np.sqrt(np.mean(back[4000:28_000] ** 2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_full_scale_does_not_turn_over(tmp_path):
    with Recorder(tmp_path / "a.wav") as recorder:
        recorder.add(Audio(np.array([1.0, -1.0, 0.0], np.float32)))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == [32767, -32768, 0]


def test_an_existing_file_is_written_over(tmp_path):
    (tmp_path / "a.wav").write_bytes(bytes(100_000))
    with Recorder(tmp_path / "a.wav") as recorder:
        recorder.add(Audio(noise(0.5)))
    assert (tmp_path / "a.wav").stat().st_size == 44 + 16_000


def test_nothing_heard_is_a_recording_of_nothing(tmp_path):
    Recorder(tmp_path / "a.wav").close()
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() == 0


PROGRAM = """
import sys, time
import numpy as np
from asr_cli.audio import Audio
from asr_cli.audio.recorder import Recorder
samples = np.random.default_rng(0).uniform(-0.5, 0.5, 48000).astype(np.float32)
recorder = Recorder(sys.argv[1])
for at in range(0, 48000, 800):
    recorder.add(Audio(samples[at : at + 800], at / 16000))
    time.sleep(0.005)
print("all", flush=True)
time.sleep(60)
"""


def children(pid=None):
    return [child.pid for child in psutil.Process(pid).children()]


@pytest.mark.parametrize("with_encoder", [False, True], ids=["the program alone", "and its encoder"])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a"])
def test_what_was_heard_is_there_after_a_kill(tmp_path, suffix, with_encoder):
    path = tmp_path / f"live{suffix}"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True)
    with program:
        assert program.stdout.readline() == "all\n"
        time.sleep(0.3)
        encoders = children(program.pid)
        assert len(encoders) == (suffix != ".wav")
        for pid in [*encoders, program.pid] if with_encoder else [program.pid]:
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 5  # an encoder that was left alone finishes what it has
    while encoders and not with_encoder and psutil.pid_exists(encoders[0]) and time.monotonic() < until:
        time.sleep(0.02)
    back = heard(path)
    assert len(back) / RATE >= (1.9 if with_encoder else 2.9 if encoders else 2.5)
    if suffix == ".wav":  # and its header says so, for readers that believe it
        with wave.open(str(path)) as file:
            assert file.getnframes() >= 2.5 * RATE
    if suffix != ".m4a":
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32)
        assert np.abs(back - samples[: len(back)]).max() <= 0.5 / 32768


@pytest.mark.parametrize("name", ["a.txt", "live", "a.srt", ".wav"])
def test_a_name_that_does_not_say_the_format_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"end it in \.flac, \.wav"):
        Recorder(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_format_that_ffmpeg_cannot_write_is_refused_at_once(tmp_path):
    with pytest.raises(OutputError, match=r"\.wav and \.flac always work"):
        Recorder(tmp_path / "a.ape")
    assert not (tmp_path / "a.ape").exists()


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_folder_that_is_not_there_is_told_at_once(tmp_path, name):
    with pytest.raises(OutputError, match="there is no folder"):
        Recorder(tmp_path / "nowhere" / name)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_folder_of_that_name_is_told_at_once(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        Recorder(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_full_disk_is_told_at_once(tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        Recorder(tmp_path / name)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_disk_that_fills_is_told_once(tmp_path, name):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    try:
        recorder = Recorder(tmp_path / name)
        failures = []
        for step in [*[partial(recorder.add, audio) for audio in pieces(noise(20.0))], recorder.close]:
            try:
                step()
            except OutputError as error:
                failures.append(str(error))
            time.sleep(0.002)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(failures) == 1 and failures[0].startswith(f"cannot write '{tmp_path / name}': ")
    assert len(heard(tmp_path / name)) > RATE


def test_adding_never_waits_for_the_encoder(tmp_path):
    before = children()
    recorder = Recorder(tmp_path / "a.flac")
    (pid,) = set(children()) - set(before)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    for audio in pieces(noise(30.0)):
        recorder.add(audio)
    assert time.monotonic() - began < 1.0
    os.kill(pid, signal.SIGCONT)
    recorder.close()
    assert len(heard(tmp_path / "a.flac")) == 30 * RATE
