"""asr stream as a user runs it: pipes, files, signals, a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import SimpleNamespace

import pyte
import pytest
import soundfile
from asr.captions import File, Lines, tell
from asr.streaming import finishing

from asr_cli.errors import OutputError
from asr_cli.live.events import Final
from asr_cli.live.stats import Stats
from asr_cli.subtitles.writers import Layout
from asr_cli.transcript import Segment, Word

ROOT = Path(__file__).resolve().parents[1]
SPOKEN = SimpleNamespace(language="en", card=SimpleNamespace(name="quick"), hotwords=(), written=())
QUICK = ("--model", "quick", "--no-punc", "-q")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "fixtures" / "quick"), "OMP_NUM_THREADS": "1"}


def asr(*arguments, stdin=None, timeout=120):
    return subprocess.run(
        [sys.executable, "-m", "asr", *map(str, arguments)],
        input=stdin, capture_output=True, env=ENVIRONMENT, timeout=timeout, check=False,
    )  # fmt: skip


def started(*arguments, **given):
    return subprocess.Popen(
        [sys.executable, "-m", "asr", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**ENVIRONMENT, **given},
    )  # fmt: skip


@pytest.fixture(scope="module")
def raw(example):
    """The example as 16 kHz samples of 16 bits."""
    command = ["-v", "error", "-i", example, "-ar", "16000", "-ac", "1", "-f", "s16le", "-"]
    from asr_cli.audio.ffmpeg import find_ffmpeg

    return subprocess.run([find_ffmpeg(), *command], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def talk(raw, tmp_path_factory):
    """Its first ten seconds, as a file."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, memoryview(raw[: 2 * 16_000 * 10]).cast("h"), 16_000)
    return path


@pytest.fixture(scope="module")
def lines(raw):
    """What a pipe of raw samples says with the quick recogniser."""
    result = asr("stream", "-", "--pcm", "16000:1:s16le", *QUICK, stdin=raw)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


def test_a_stream_says_what_the_file_says(raw, lines, tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, memoryview(raw).cast("h"), 16_000)
    file = asr("transcribe", path, *QUICK)
    assert lines == file.stdout.decode()
    assert lines.count("\n") > 1
    assert asr("stream", path, *QUICK).stdout.decode() == lines
    with path.open("rb") as container:
        assert asr("stream", "-", *QUICK, stdin=container.read()).stdout.decode() == lines


def test_the_builtin_recogniser_captions_a_fresh_machine_as_it_transcribes(talk):
    stream, file = asr("stream", talk, "--jsonl", "--stats", "-q"), asr("transcribe", talk, "-q")
    events = [json.loads(line) for line in stream.stdout.decode().splitlines()]
    finals = [event for event in events if event["type"] == "final"]
    text = " ".join(event["text"] for event in finals)
    assert bare(text) == bare(file.stdout.decode())
    assert [event["segment"] for event in finals] == list(range(len(finals)))
    for event in finals:
        assert event["start"] <= event["words"][0]["start"] <= event["words"][-1]["end"] <= event["end"] + 1e-6
        assert "".join(word["word"] for word in event["words"]).strip() == event["text"]
    partials = [event for event in events if event["type"] == "partial"]
    assert any(event["text"] for event in partials)
    stats = events[-1]
    assert stats.keys() == {
        "type",
        "duration",
        "late_chunks",
        "without_drafts",
        "headroom",
    }  # no delays: it is not paced
    assert (stats["type"], stats["duration"]) == ("stats", 10.0)


def bare(text):
    return [word.strip(".,?!").lower() for word in text.split()]


def test_captions_and_sound_are_kept_in_files(raw, lines, tmp_path):
    srt, txt, flac = tmp_path / "live.srt", tmp_path / "live.txt", tmp_path / "live.flac"
    arguments = ("stream", "-", "--pcm", "16000:1:s16le", "-o", srt, "-o", txt, "--save-audio", flac, *QUICK)
    result = asr(*arguments, stdin=raw)
    assert result.returncode == 0, result.stderr.decode()
    assert txt.read_text() == lines == result.stdout.decode()
    assert asr("lint", srt).returncode == 0
    assert len(soundfile.read(flac)[0]) == len(raw) // 2
    again = asr(*arguments, stdin=raw)
    assert again.returncode == 2
    assert b"--overwrite" in again.stderr
    assert txt.read_text() == lines
    assert asr(*arguments, "--overwrite", stdin=raw).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], b"--mic"),
        (["-", "--mic"], b"leave one of them out"),
        (["-", "--simulate"], b"--simulate"),
        (["-", "--chunk-size", "1,2"], b"0,10,5"),
        (["-", "--chunk-size", "0,10,5"], b"does nothing"),
        (["-", "--refresh", "3"], b"does nothing"),
        (["-", "--batch-seconds", "3"], b"does nothing"),
        (["-", "--max-line-width", "30"], b"-o captions.srt"),
        (["-", "-o", "live.docx"], b".srt"),
        (["-", "--final-model", "quick"], b"already"),
        (["-", "--mode", "fast"], b"has no modes"),
        (["-", "--pcm", "x"], b"16000:1:s16le"),
        (["-", "--save-audio", "live.docx"], b"live.docx"),
        (["nowhere.wav"], b"nowhere.wav"),
    ],
)
def test_what_contradicts_itself_or_would_do_nothing_is_refused(arguments, word):
    result = asr("stream", *arguments, *QUICK, stdin=b"")
    assert result.returncode in (2, 5)
    assert word in result.stderr
    assert b"Traceback" not in result.stderr
    assert not result.stdout


def test_a_pipe_that_closes_in_the_middle_of_a_sample_loses_half_a_sample(raw, lines):
    result = asr("stream", "-", "--pcm", "16000:1:s16le", *QUICK, stdin=raw + b"x")
    assert (result.returncode, result.stdout.decode()) == (0, lines)


def test_nothing_at_all_is_told(raw):
    result = asr("stream", "-", "--pcm", "16000:1:s16le", *QUICK, stdin=b"")
    assert result.returncode == 5
    assert b"empty" in result.stderr


@pytest.mark.parametrize("minutes", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_silence_says_nothing(minutes):
    result = asr("stream", "-", "--pcm", "16000:1:s16le", *QUICK, stdin=bytes(2 * 16_000 * 60 * minutes))
    assert (result.returncode, result.stdout) == (0, b"")


def test_ctrl_c_makes_the_last_words_of_a_pipe_final(raw):
    process = started("stream", "-", "--pcm", "16000:1:s16le", "--jsonl", *QUICK)
    process.stdin.write(raw[: 2 * 16_000 * 2])  # in the middle of a sentence, and the pipe stays open
    process.stdin.flush()
    seen = []
    while not any('"partial"' in line for line in seen):
        seen.append(process.stdout.readline().decode())
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    events = [json.loads(line) for line in [*seen, *rest.decode().splitlines()]]
    assert events[-1]["type"] == "final"
    assert process.returncode == 0, errors.decode()


def test_ctrl_c_in_a_recording_is_told_by_the_exit_code(talk):
    process = started("stream", talk, "--simulate", "--jsonl", *QUICK)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_reader_that_has_seen_enough_ends_the_stream_and_files_are_whole(raw, tmp_path):
    process = started("stream", "-", "--pcm", "16000:1:s16le", "-o", tmp_path / "live.json", *QUICK)
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(raw)
        process.stdin.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert not process.stderr.read()
    json.loads((tmp_path / "live.json").read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is full here")
def test_a_full_disk_is_told_once_and_the_other_file_is_whole(tmp_path):
    full, other = tmp_path / "full.srt", tmp_path / "other.json"
    full.symlink_to("/dev/full")
    final = Final(0, Segment((Word(" hello", 0.0, 1.0),)))
    with pytest.raises(OutputError, match="No space left"), contextlib.ExitStack() as stack:
        files = [File(path, Layout(), stack) for path in (other, full)]
        with finishing(files, SimpleNamespace(session=SPOKEN), Stats()):
            for _ in range(3):
                tell(final, files)
    assert "hello" in json.loads(other.read_text())["segments"][0]["text"]
    with Path("/dev/full").open("w") as out, pytest.raises(OutputError, match="standard output"):
        try:
            Lines(out).final(final)
        finally:
            with contextlib.suppress(OSError):
                out.close()


def test_a_terminal_keeps_the_finals_and_nothing_else(talk):
    lines, width = asr("stream", talk, *QUICK).stdout.decode(), 40
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 200, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", "stream", talk, "--simulate", *QUICK[:-1]],
        stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env={**ENVIRONMENT, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    screen = pyte.Screen(width, 200)
    stream, drafts = pyte.ByteStream(screen), 0
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        stream.feed(data)
        drafts += b"\x1b[2m" in data
    os.close(master)
    assert process.wait(timeout=30) == 0
    shown = "".join("".join(screen.display).split())
    told, _, captions = shown.partition("Ctrl-Cstops")
    assert "listeningto" in told
    texts = "".join(part.partition("]")[2] for part in captions.split("[") if part)
    assert texts == "".join(lines.split())
    assert drafts > 3
