"""Microphones: found by name, heard without gaps, and what is told when something is wrong with them.

The first half runs on a sound server of its own with PortAudio in front, the second on a stand-in for PortAudio.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from asr_cli.audio import wav
from asr_cli.audio.files import read_blocks
from asr_cli.audio.microphone import MicrophoneStream, find_microphone, microphones
from asr_cli.audio.waiting import stop_waiting
from asr_cli.errors import DependencyError, InputError, UsageError
from tests.tools import pulse

RATE = 16_000

with_pulse = pytest.mark.skipif(pulse.missing() is not None, reason=str(pulse.missing()))


@pytest.fixture
def speech(example, tmp_path):
    """Three seconds of the example, as a file and as samples."""
    blocks = read_blocks(str(example), end=3.0)
    samples = np.concatenate([block.samples for block in blocks])
    wav.write(tmp_path / "speech.wav", samples)
    return SimpleNamespace(path=tmp_path / "speech.wav", samples=samples)


def found_at(heard, played):
    """Where in what was heard what was played begins, in samples."""
    n = 1 << (len(heard) + len(played)).bit_length()
    return int(np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(played, n)), n)[: len(heard)].argmax())


def likeness(heard, played):
    return float(np.corrcoef(heard, played)[0, 1])


def assert_without_gaps(heard, played):
    """Each half second of what was played, where the whole was found."""
    at = found_at(heard, played)
    for start in range(0, len(played) - RATE // 2, RATE // 2):
        piece = played[start : start + RATE // 2]
        if np.abs(piece).max() > 0.05:
            assert likeness(heard[at + start : at + start + len(piece)], piece) > 0.97


@with_pulse
def test_what_is_played_is_heard_before_and_after_the_device_was_gone(speech):
    with pulse.pulse_server() as server, server.listener() as listener:
        assert listener.wait("BEGUN") == "default"
        message = listener.wait("W-NO-SIGNAL")
        assert message == 'no signal from "default" for 3 s; try: asr stream --list-mics'
        server.play(speech.path)
        server.unplug()
        assert '"default" is gone' in listener.wait("W-DEVICE-GONE")
        time.sleep(1.5)
        server.plug_in()
        time.sleep(1.0)
        server.play(speech.path)
        assert "is heard again after" in listener.wait("BACK")
        heard = listener.stop()
    assert listener.codes.count("W-NO-SIGNAL") == listener.codes.count("W-DEVICE-GONE") == 1
    assert ["INFO", '"default" gives a signal again'] in listener.told

    assert np.allclose(np.diff(heard.starts), heard.durations[:-1])
    assert heard.durations[:-1].min() >= 0.02 and heard.durations.max() < 0.21
    assert len(heard.samples) / RATE == pytest.approx(heard.wall, abs=0.3)  # the clock's, through the gap
    before, after = np.split(heard.samples, [len(heard.samples) - RATE * 4])
    assert_without_gaps(before, speech.samples)
    assert_without_gaps(after, speech.samples)
    assert heard.levels.max() > -20 and heard.levels.min() == -120


@with_pulse
def test_a_server_that_hangs_neither_stops_the_clock_nor_the_end():
    with pulse.pulse_server() as server, server.listener("pulse") as listener:
        assert listener.wait("BEGUN") == "pulse"
        os.kill(server.process.pid, signal.SIGSTOP)
        assert "no sound comes any more" in listener.wait("W-DEVICE-GONE")
        heard = listener.stop()  # which insists on a good end of the process
        assert len(heard.samples) / RATE == pytest.approx(heard.wall, abs=0.3)


@with_pulse
def test_real_devices_are_found_by_name(tmp_path):
    program = (
        "from asr_cli.audio.microphone import *\n"
        "print([(one.name, one.is_default) for one in microphones()], find_microphone('PUL').name)"
    )
    with pulse.pulse_server() as server:
        done = subprocess.run([sys.executable, "-c", program], env=server.env, capture_output=True, text=True)
    assert done.stdout == "[('pulse', False), ('default', True)] pulse\n"


# The stand-in for PortAudio.


class PortAudioError(Exception):
    pass


class InputStream:
    """Refuses what `refused` says, and lets the test call as PortAudio would."""

    refused: ClassVar[dict[tuple[int, int], int]] = {}
    opened: ClassVar[list["InputStream"]] = []

    def __init__(self, *, device, channels, samplerate, callback, finished_callback, **options):
        if number := self.refused.get((channels, samplerate)):
            raise PortAudioError("PortAudio's words", number)
        self.device, self.channels, self.samplerate = device, channels, float(samplerate)
        self.callback, self.end = callback, finished_callback
        self.opened.append(self)

    def start(self):
        pass

    def close(self, ignore_errors=True):
        pass

    def bring(self, samples, *, overflow=False):
        frames = np.asarray(samples, np.float32).reshape(-1, self.channels)
        self.callback(frames, len(frames), None, SimpleNamespace(input_overflow=overflow))


def device(name, *, channels=1, rate=48_000.0, api=0):
    return {"name": name, "max_input_channels": channels, "default_samplerate": rate, "hostapi": api}


@pytest.fixture
def portaudio(monkeypatch):
    module = ModuleType("sounddevice")
    module.devices = [device("Speakers", channels=0), device("USB Audio CODEC"), device("Webcam", channels=2)]
    module.default = 1
    module.n_looks = 0
    module.PortAudioError = PortAudioError
    module.InputStream = type("Stream", (InputStream,), {"refused": {}, "opened": []})

    def query_devices(kind=None):
        if kind is None:
            return module.devices
        if module.default is None:
            raise PortAudioError("Error querying device -1")
        return module.devices[module.default] | {"index": module.default}

    def initialize():
        module.n_looks += 1

    module.query_devices = query_devices
    module.query_hostapis = lambda: ({"name": "MME"}, {"name": "Windows WASAPI"})
    module._initialize, module._terminate = initialize, lambda: None
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_microphones_are_the_devices_that_give_sound(portaudio):
    assert [(one.name, one.index, one.is_default) for one in microphones()] == [
        ("USB Audio CODEC", 1, True),
        ("Webcam", 2, False),
    ]


def test_a_part_of_the_name_in_any_case_finds_a_microphone(portaudio):
    assert find_microphone("usb audio").index == 1
    assert find_microphone("webcam").index == 2
    assert find_microphone().index == 1


def test_without_a_default_the_first_is_taken(portaudio):
    portaudio.default = None
    assert find_microphone().name == "USB Audio CODEC"


def test_a_whole_name_beats_a_longer_one_that_contains_it(portaudio):
    portaudio.devices.append(device("Webcam 2"))
    assert find_microphone("WEBCAM").index == 2
    with pytest.raises(UsageError, match=r'"Webcam", "Webcam 2"; write more of its name'):
        find_microphone("cam")


def test_a_device_shown_once_for_each_interface_is_one(portaudio):
    portaudio.devices.append(device("USB Audio CODEC (2- the whole name)", api=1))
    assert find_microphone("codec").index == 1


def test_an_unknown_name_is_told_with_those_there_are(portaudio):
    with pytest.raises(
        UsageError, match=r"no microphone 'Yeti'; there are \"USB Audio CODEC\" \(the default\), \"Webc"
    ):
        find_microphone("Yeti")


def test_no_microphone_at_all(portaudio):
    portaudio.devices, portaudio.default = [device("Speakers", channels=0)], None
    with pytest.raises(InputError, match="no microphone is here"):
        microphones()


@pytest.mark.parametrize(
    ("number", "words"),
    [(-9985, "another program holds it"), (-9996, "it was unplugged"), (-9999, "PortAudio's words")],
)
def test_why_a_device_cannot_be_opened(portaudio, number, words):
    portaudio.InputStream.refused[1, 16_000] = number
    with pytest.raises(InputError, match=words), MicrophoneStream():
        pass


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
        ("raise ImportError", "pip install 'asr-cli[mic]'"),
    ],
)
def test_what_is_not_installed_is_told_with_how_to_install_it(tmp_path, body, words):
    (tmp_path / "sounddevice.py").write_text(body)
    program = (
        "import asr_cli.audio.microphone as m, asr_cli.audio.live\n"
        "from asr_cli.errors import DependencyError\n"
        "try: m.microphones()\n"
        "except DependencyError as error: print(error)"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert words in done.stdout
    assert DependencyError.code == "E-DEPENDENCY"


def heard_from(stream, bring):
    """All samples of a stream to which `bring` gives, as a device does, and which is then stopped."""
    with stream:
        bring()
        stream.stop()
        blocks = list(stream)
    assert np.allclose([block.start for block in blocks], np.cumsum([0.0, *(b.duration for b in blocks)])[:-1])
    return np.concatenate([block.samples for block in blocks])


def tone(seconds, rate, *, frequency=440.0, loudness=0.3):
    return (loudness * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_what_was_captured_before_the_stop_is_given(portaudio):
    stream, sound = MicrophoneStream(), tone(1.0, RATE)
    heard = heard_from(stream, lambda: [portaudio.InputStream.opened[0].bring(p) for p in np.split(sound, 100)])
    assert np.array_equal(heard, sound)


def test_blocks_are_no_crumbs(portaudio):
    stream = MicrophoneStream()
    with stream:
        for piece in np.split(tone(1.0, RATE), 320):  # of 3 ms
            portaudio.InputStream.opened[0].bring(piece)
        stream.stop()
        assert min(block.duration for block in list(stream)[:-1]) >= 0.02


def test_a_device_with_a_rate_and_channels_of_its_own_is_resampled_and_mixed(portaudio):
    portaudio.InputStream.refused |= {(2, 16_000): -9997}
    sound = tone(1.0, 48_000)
    stereo = np.stack([sound, np.zeros_like(sound)], axis=1)
    heard = heard_from(MicrophoneStream("webcam"), lambda: portaudio.InputStream.opened[0].bring(stereo))
    assert portaudio.InputStream.opened[0].channels == 2
    assert len(heard) == RATE
    assert np.abs(heard - tone(1.0, RATE) / 2)[200:-200].max() < 1e-4


def test_a_device_of_many_channels_that_takes_no_less_is_opened_whole(portaudio):
    portaudio.devices[1] = device("USB Audio CODEC", channels=4, rate=44_100.0)
    portaudio.InputStream.refused |= {(1, 16_000): -9998, (1, 44_100): -9998, (4, 16_000): -9997}
    with MicrophoneStream():
        assert portaudio.InputStream.opened[0].channels == 4
        assert portaudio.InputStream.opened[0].samplerate == 44_100


def codes(caplog):
    return [getattr(record, "code", record.getMessage()) for record in caplog.records]


def bring_all(portaudio, *sounds, **options):
    def bring():
        for sound in sounds:
            for at in range(0, len(sound), 800):
                portaudio.InputStream.opened[0].bring(sound[at : at + 800], **options)

    return bring


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def test_zeros_are_told_once_a_spell(portaudio, caplog):
    caplog.set_level("INFO", "asr")
    noise = tone(1.0, RATE, loudness=1e-4)  # a quiet room is no missing signal
    sounds = (silence(2.9), noise, silence(8.0), noise, silence(3.1))
    heard_from(MicrophoneStream(), bring_all(portaudio, *sounds))
    assert codes(caplog) == ["W-NO-SIGNAL", '"USB Audio CODEC" gives a signal again', "W-NO-SIGNAL"]
    assert 'no signal from "USB Audio CODEC" for 3 s; try: asr stream --list-mics' in caplog.text


def test_a_microphone_that_is_too_loud_is_told_once_a_spell_and_still_heard(portaudio, caplog):
    loud = tone(3.0, RATE, loudness=3.0)
    sounds = (loud, tone(1.0, RATE), loud, tone(6.0, RATE), loud)
    heard = heard_from(MicrophoneStream(), bring_all(portaudio, *sounds))
    assert codes(caplog) == ["W-CLIPPING", "W-CLIPPING"]
    assert "turn the microphone down" in caplog.text
    assert np.abs(heard).max() == 1.0


def test_sound_lost_to_a_busy_machine_is_counted_and_told_once(portaudio, caplog):
    stream = MicrophoneStream()
    heard_from(stream, bring_all(portaudio, tone(1.0, RATE), overflow=True))
    assert stream.overflows == 20
    assert codes(caplog) == ["W-OVERFLOW"]


def test_the_level_is_that_of_the_last_tenth_of_a_second(portaudio):
    with MicrophoneStream() as stream:
        assert stream.level == -120
        portaudio.InputStream.opened[0].bring(tone(0.05, RATE, loudness=1.0))
        assert stream.level == pytest.approx(0, abs=0.1)
        time.sleep(0.15)
        portaudio.InputStream.opened[0].bring(tone(0.05, RATE, loudness=0.1))
        assert stream.level == pytest.approx(-20, abs=0.1)
        portaudio.InputStream.opened[0].bring(np.zeros(160))
        time.sleep(0.6)
        assert stream.level == -120  # nothing comes


def test_a_device_that_stopped_is_opened_again_under_its_name(portaudio, caplog):
    caplog.set_level("INFO", "asr")
    opened = portaudio.InputStream.opened
    blocks = []

    def play():
        opened[0].bring(tone(0.5, RATE))
        portaudio.devices.insert(0, device("Headset"))  # the numbers change
        opened[0].end()
        while len(opened) < 2:
            time.sleep(0.01)
        for _ in range(8):
            opened[1].bring(tone(0.05, RATE))
            time.sleep(0.05)
        stream.stop()

    with MicrophoneStream("codec") as stream:
        begun = time.monotonic()
        player = threading.Thread(target=play)
        player.start()
        blocks.extend(stream)
        took = time.monotonic() - begun
        player.join()
    assert opened[1].device == 2 and portaudio.n_looks == 1
    heard = np.concatenate([block.samples for block in blocks])
    assert len(heard) / RATE == pytest.approx(took + 0.5, abs=0.25)  # the first half second came at once
    assert not heard[8200:RATE].any() and heard[:8000].any() and heard[-6000:].any()
    assert max(block.duration for block in blocks) <= 0.5
    assert codes(caplog)[0] == "W-DEVICE-GONE" and "is heard again after" in caplog.text


def test_a_stop_during_a_wait_is_no_interruption(portaudio):
    def asked(*_):
        stream.stop()
        stop_waiting()

    before = signal.signal(signal.SIGALRM, asked)
    try:
        with MicrophoneStream() as stream:
            portaudio.InputStream.opened[0].bring(tone(0.5, RATE))
            signal.setitimer(signal.ITIMER_REAL, 0.15)
            blocks = list(itertools.islice(stream, 1000))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sum(block.duration for block in blocks) == 0.5
