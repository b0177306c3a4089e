"""Live sound: out of pipes without delay, paced like speech, resampled as it comes, at the times of the clock."""

import io
import os
import signal
import subprocess
import threading
import time
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.audio.command import Command
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.audio.files import read_blocks
from asr_cli.audio.live import paced, read_live
from asr_cli.audio.live_clock import Timeline
from asr_cli.audio.live_resample import Resampler
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.waiting import Interrupted, stop_waiting
from asr_cli.errors import InputError, NoAudioError, UsageError

RATE = 16_000
OURS = PcmFormat(RATE)


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).integers(-20_000, 20_000, n_samples, dtype=np.int16)


def joined(blocks):
    blocks = list(blocks)
    n_before = np.cumsum([0, *map(len, (block.samples for block in blocks))])
    assert np.allclose([block.start for block in blocks], n_before[:-1] / RATE)
    return np.concatenate([block.samples for block in blocks])


class Pieces(io.RawIOBase):
    """A stream that gives so many bytes at a time, as a pipe does."""

    def __init__(self, data, sizes):
        self.data, self.sizes, self.turn = data, sizes, 0

    def read(self, n_bytes=-1):
        n_given = min(self.sizes[self.turn % len(self.sizes)], n_bytes)
        self.turn += 1
        given, self.data = self.data[:n_given], self.data[n_given:]
        return given


@settings(max_examples=60, deadline=None)
@given(n_bytes=st.integers(2, 20_000), sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=6))
def test_however_raw_samples_are_split_they_are_the_same(n_bytes, sizes):
    data = noise(10_000).tobytes()[:n_bytes]
    blocks = list(read_live(Pieces(data, sizes), pcm=OURS))
    whole = np.frombuffer(data[: n_bytes // 2 * 2], "<i2").astype(np.float32) / 32768
    assert np.array_equal(joined(blocks), whole)  # a byte that is half a sample is dropped
    assert all(0.02 <= block.duration <= 0.1 for block in blocks[:-1])


def wav_bytes(samples, *, rate=RATE, n_channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(n_channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("size", [7, 50_000])
@pytest.mark.parametrize("announced", ["right", "none", "endless"])
def test_a_wav_in_a_pipe_is_the_samples_in_it(size, announced):
    samples = noise(30_000)
    data = bytearray(wav_bytes(samples))
    if announced == "right":
        data += b"LIST" + (8).to_bytes(4, "little") + b"INFOxxxx"  # which is no sound
    else:
        data[40:44] = bytes(4) if announced == "none" else b"\xff\xff\xff\xff"
    heard = joined(read_live(Pieces(bytes(data), [size])))
    assert np.array_equal(heard, samples.astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("wav", "-ar 44100 -ac 2"), ("wav", "-c:a pcm_f32le -ar 48000 -ac 1"), ("wav", "-c:a pcm_s24le -ac 2"),
        ("wav", "-c:a adpcm_ms -ac 1"), ("flac", ""), ("mp3", ""), ("ogg", "-c:a libopus"), ("m4a", ""), ("ts", ""),
    ],
)  # fmt: skip
def test_a_pipe_gives_the_sound_of_the_file(example, tmp_path, name, options):
    path = tmp_path / f"a.{name}"
    subprocess.run([find_ffmpeg(), "-v", "error", "-t", "3", "-i", example, *options.split(), path], check=True)
    whole = joined(read_blocks(str(path)))
    with path.open("rb", buffering=0) as file:
        heard = joined(read_live(file))
    n = min(len(heard), len(whole))
    assert abs(len(heard) - len(whole)) < 0.05 * RATE
    assert np.abs(heard[:n] - whole[:n]).max() < 2e-3


def test_a_file_and_a_command_are_sources_too(tmp_path):
    samples = noise(8000)
    (tmp_path / "a.wav").write_bytes(wav_bytes(samples))
    whole = samples.astype(np.float32) / 32768
    assert np.array_equal(joined(read_live(str(tmp_path / "a.wav"))), whole)
    assert np.array_equal(joined(read_live(Command(f"cat {tmp_path}/a.wav"))), whole)


@pytest.mark.parametrize("pcm", [None, OURS, PcmFormat(48_000, 2)])
def test_an_empty_pipe_is_told_as_an_empty_file_is(pcm):
    with pytest.raises(InputError) as told:
        list(read_live(io.BytesIO(), pcm=pcm))
    assert told.value.code in ("E-INPUT", "E-NO-AUDIO")
    if pcm in (None, OURS):
        assert "the open file is empty (0 bytes)" in str(told.value)


def test_half_a_sample_is_no_sound():
    with pytest.raises(NoAudioError, match="half a sample"):
        list(read_live(b"x", pcm=OURS))


def test_what_is_no_sound_is_told_with_what_it_looks_like():
    with pytest.raises(InputError, match=r"not an audio or video file.*it looks like text"):
        list(read_live(b"good morning " * 50))


def spoken(data, seconds):
    """The reading end of a pipe into which data is written at the pace of speech, in pieces of 20 ms."""
    reading, writing = os.pipe()

    def speak():
        begun, n_given = time.monotonic(), 0
        with open(writing, "wb", buffering=0) as file:  # noqa: PTH123
            while n_given < len(data):
                n_due = int((time.monotonic() - begun) / seconds * len(data))
                file.write(data[n_given:n_due])
                n_given = max(n_given, n_due)
                time.sleep(0.02)

    threading.Thread(target=speak, daemon=True).start()
    return open(reading, "rb", buffering=0)  # noqa: PTH123


def encoded(options, seconds):
    command = [
        find_ffmpeg(),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        f"anoisesrc=d={seconds}:a=0.1",
        *options.split(),
        "pipe:1",
    ]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("options", "pcm", "first", "later"),
    [
        ("-ac 1 -ar 16000 -f s16le", OURS, 0.4, 0.15),
        ("-ac 1 -ar 16000 -f wav", None, 0.4, 0.15),
        ("-ac 2 -ar 48000 -f s16le", PcmFormat(48_000, 2), 0.6, 0.2),
        ("-ac 2 -ar 48000 -f wav", None, 0.6, 0.2),
        ("-ac 1 -ar 44100 -b:a 64k -f mp3", None, 0.8, 0.3),
        ("-ac 1 -ar 44100 -b:a 64k -f adts", None, 0.8, 0.3),
    ],
    ids=["raw", "wav", "raw 48 kHz", "wav 48 kHz", "mp3", "aac"],
)
def test_sound_comes_out_of_a_pipe_as_soon_as_it_is_in(options, pcm, first, later):
    seconds = 1.5
    lags = []
    with spoken(encoded(options, seconds), seconds) as pipe:
        begun = time.monotonic()
        for block in read_live(pipe, pcm=pcm):
            lags.append(time.monotonic() - begun - block.end)
    # Ten times what an idle machine takes. A file's reading would begin to give after 1 to 2 s here.
    assert lags[0] < first
    assert np.median(lags[len(lags) // 2 :]) < later


def test_whoever_waits_for_a_pipe_can_be_interrupted():
    reading, writing = os.pipe()
    before = signal.signal(signal.SIGALRM, lambda *_: stop_waiting())
    try:
        with open(reading, "rb", buffering=0) as file, open(writing, "wb", buffering=0) as end:  # noqa: PTH123
            end.write(noise(RATE).tobytes())
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            heard = []
            with pytest.raises(Interrupted):
                heard.extend(block.duration for block in read_live(file, pcm=OURS))
            assert sum(heard) == pytest.approx(1.0)  # all that came before
    finally:
        signal.signal(signal.SIGALRM, before)


# Pacing.


class Clock:
    def __init__(self):
        self.now, self.naps = 100.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds + 0.003  # sleep is never exact


def blocks(n_blocks, seconds=0.1, start=0.0):
    samples = np.zeros(round(seconds * RATE), np.float32)
    return [Audio(samples, start + at * seconds) for at in range(n_blocks)]


@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("start", [0.0, 7.0])
def test_blocks_come_when_they_would_have_been_spoken(speed, start):
    clock = Clock()
    for n_given, block in enumerate(paced(blocks(1000, start=start), speed=speed, clock=clock, sleep=clock.sleep), 1):
        late = clock.now - 100.0 - n_given * 0.1 / speed
        assert -1e-9 <= late < 0.01, block  # after a thousand naps, too


def test_whoever_was_late_gets_the_next_at_once():
    clock = Clock()
    for n_given, _ in enumerate(paced(blocks(100), clock=clock, sleep=clock.sleep), 1):
        if n_given == 10:
            clock.now += 5.0
    assert clock.now - 100.0 == pytest.approx(10.0, abs=0.01)


def test_pacing_ends_early_when_asked():
    stop = threading.Event()
    threading.Timer(0.25, stop.set).start()
    begun = time.monotonic()
    assert 1 <= len(list(paced(blocks(100), stop=stop))) <= 3
    assert time.monotonic() - begun < 1.0


def test_no_speed_is_refused():
    with pytest.raises(UsageError, match="gets nowhere"):
        list(paced(blocks(1), speed=0.0))


# Resampling.

RATES = [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]


def resampled(samples, rate, cuts=()):
    resampler = Resampler(rate)
    made = [resampler.feed(piece) for piece in np.split(samples, sorted(cuts))]
    return np.concatenate([*made, resampler.flush()])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 6000), st.lists(st.integers(0, 6000), max_size=8))
def test_however_the_sound_is_split_the_resampled_is_the_same(rate, n_samples, cuts):
    samples = (noise(n_samples) / 32768).astype(np.float32)
    whole = resampled(samples, rate)
    assert len(whole) == -(-n_samples * RATE // rate)
    assert np.array_equal(resampled(samples, rate, cuts), whole)


def tone(frequency, rate, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [100, 1000, 3400])
def test_a_tone_keeps_its_pitch_loudness_and_time(rate, frequency):
    made = resampled(tone(frequency, rate), rate)
    assert np.abs(made - tone(frequency, RATE))[500:-500].max() < 1e-3


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100, 48_000, 96_000])
def test_what_we_cannot_hold_is_not_folded_back(rate):
    frequency = 8800 if rate > 2 * 8800 else 8400
    assert np.abs(resampled(tone(frequency, rate), rate))[500:-500].max() < 1e-4  # 80 dB down


def test_resampled_sound_waits_for_no_more_than_the_filter():
    assert len(Resampler(48_000).feed(np.zeros(4800, np.float32))) >= 1600 - 34


# The clock.


def arrivals(*steps):
    """(seconds of sound, when it arrived) through a timeline -> what came out, as (start, end, is silence)."""
    timeline = Timeline()
    given = [block for n, at in steps for block in timeline.hear(np.ones(round(n * RATE), np.float32), at)]
    given += timeline.release()
    return [(round(block.start, 3), round(block.end, 3), not block.samples.any()) for block in given]


def test_sound_that_comes_steadily_is_left_alone():
    # A clock that is off by a thousandth: nothing is put in.
    steps = [(0.1, 5.0 + 0.1001 * n) for n in range(1000)]
    given = arrivals(*steps)
    assert len(given) == 1000 and given[-1] == (99.9, 100.0, False)


def test_lost_sound_becomes_silence_in_small_blocks():
    given = arrivals((0.1, 5.0), *[(0.1, 7.3 + 0.1 * n) for n in range(6)])
    silent = [(start, end) for start, end, is_silence in given if is_silence]
    assert silent[0][0] == 0.1 and silent[-1][1] == pytest.approx(2.3, abs=0.01)
    assert all(end - start <= 0.101 for start, end in silent)
    assert given[-1][1] == pytest.approx(0.1 + 7.8 - 5.0, abs=0.01)


def test_sound_that_was_only_late_is_not_filled_twice():
    # A program that was stopped for 3 s gets from its sound server all that was said meanwhile.
    late = [(0.1, 8.0 + 0.001 * n) for n in range(30)]
    given = arrivals((0.1, 5.0), *late, *[(0.1, 8.1 + 0.1 * n) for n in range(10)])
    assert not any(is_silence for *_, is_silence in given)
    assert given[-1][1] == pytest.approx(0.1 + 4.0, abs=0.01)


def test_a_device_that_is_gone_is_silence_until_a_little_before_now():
    timeline = Timeline()
    list(timeline.hear(np.ones(1600, np.float32), 5.0))
    silent = [*timeline.fill(5.2), *timeline.fill(7.0), *timeline.fill(8.0)]
    assert silent[-1].end == pytest.approx(0.1 + 2.5)
    back = [block for n in range(8) for block in timeline.hear(np.ones(1600, np.float32), 9.0 + 0.1 * n)]
    assert back[-1].end == pytest.approx(0.1 + 4.7)
