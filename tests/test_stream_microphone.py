"""asr stream --mic beside a real sound server: what is played is captioned as the file would be."""

import json
import signal
import subprocess
import sys
import threading
import time

import pytest
import soundfile

from asr_cli.audio.files import read_blocks
from asr_cli.scoring.distance import CORRECT, steps
from asr_cli.text.normalize import scored_words
from tests.tools import pulse

pytestmark = pytest.mark.skipif(pulse.missing() is not None, reason=str(pulse.missing()))
SECONDS = 8.5  # of the example: two sentences


class Stream:
    """The program at work; its JSON lines as they come."""

    def __init__(self, server, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asr", "stream", "--mic", "--jsonl", *map(str, arguments)],
            env={**server.env, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.events, self.said = [], []
        self.readers = [threading.Thread(target=target, daemon=True) for target in (self.read, self.listen)]
        for reader in self.readers:
            reader.start()

    def read(self):
        self.events.extend(json.loads(line) for line in self.process.stdout)

    def listen(self):
        self.said.extend(self.process.stderr)

    def wait(self, condition, seconds=60.0):
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, (self.said, self.events[-3:])
            time.sleep(0.05)

    def is_told(self, text):
        return any(text in line for line in self.said)

    @property
    def text(self):
        return " ".join(event["text"] for event in self.events if event["type"] == "final")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        for reader in self.readers:
            reader.join(10)
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="module")
def talk(example, tmp_path_factory):
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    blocks = list(read_blocks(example, end=SECONDS))
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        for block in blocks:
            file.write(block.samples)
    return path


@pytest.fixture(scope="module")
def text(talk):
    command = [sys.executable, "-m", "asr", "transcribe", str(talk), "-q"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def n_wrong(expected, found):
    return sum(step != CORRECT for step in steps(scored_words(expected), scored_words(found)))


@pytest.mark.slow  # it is heard as fast as it is played
def test_what_is_said_into_a_microphone_is_captioned_as_the_file_is_and_so_after_it_was_unplugged(talk, text, tmp_path):
    kept = tmp_path / "live.wav"
    with pulse.pulse_server() as server:
        stream = Stream(server, "--stats", "--save-audio", kept, "-o", tmp_path / "live.srt")
        try:
            stream.wait(lambda: stream.is_told("listening to"))
            time.sleep(3.5)  # the sink's monitor takes two seconds to begin, and is silent then
            server.play(talk)
            time.sleep(0.5)
            server.unplug()
            stream.wait(lambda: stream.is_told("W-DEVICE-GONE"))
            server.plug_in()
            stream.wait(lambda: stream.is_told("heard again"))
            time.sleep(1.0)
            server.play(talk)
            assert stream.stop() == 0
        finally:
            stream.close()
    n_words = len(scored_words(text))
    assert n_words > 15
    assert n_wrong(f"{text} {text}", stream.text) <= 0.3 * 2 * n_words
    stats = stream.events[-1]
    assert stats["type"] == "stats"
    assert stats["duration"] == pytest.approx(soundfile.info(kept).duration, abs=0.2)
    starts = [event["start"] for event in stream.events if event["type"] == "final"]
    assert starts == sorted(starts)
    assert starts[-1] > SECONDS + 3.5  # by the clock, through the gap
    assert not stream.is_told("Traceback")


def test_a_name_that_is_none_lists_what_there_is(tmp_path):
    with pulse.pulse_server() as server:
        command = [sys.executable, "-m", "asr", "stream", "--mic=Nessie"]
        result = subprocess.run(command, env=server.env, capture_output=True, text=True, check=False)
        listed = subprocess.run(
            [*command[:4], "--list-mics"], env=server.env, capture_output=True, text=True, check=True
        )
    assert result.returncode == 2
    assert "Nessie" in result.stderr and "pulse" in result.stderr
    assert "* default" in listed.stdout
