"""A few hundred cases of the fuzz, what it has found before, and that it would notice."""

import shutil
import subprocess

import numpy as np
import pytest

from asr_cli.audio.decoder import FIRST_FRAME_SECONDS
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.audio.files import read_blocks
from tests.fuzz import corpus, hostile, trace
from tests.fuzz.run import play
from tests.fuzz.watch import bounded
from tests.fuzz.worker import Shard
from tests.fuzz.yard import open_yard, wave

FEW = ("s16.wav", "bare.mp3", "tagged.mp3", "flac.flac", "vorbis.ogg", "first.m4a", "pcm.mov", "video.mkv", "tta.tta")
SEED = 4


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus.build(folder, FEW)
    return folder


def shard(kind, n_cases, tmp_path, seeds):
    (tmp_path / "findings").mkdir()
    root = tmp_path / kind
    root.mkdir()
    return Shard(kind, SEED, 0, n_cases, str(root), str(seeds), str(root / "results.jsonl"), str(tmp_path / "findings"))


def findings(records):
    return {record["key"]: record["findings"] for record in records if record["findings"]}


@pytest.mark.parametrize(("kind", "n_cases"), [("media", 10), ("lists", 300)])
def test_mutated_input_ends_well_and_opens_nothing_but_itself(kind, n_cases, tmp_path, seeds):
    records = play(shard(kind, n_cases, tmp_path, seeds), traced=shutil.which("strace") is not None)
    assert len(records) == n_cases
    assert findings(records) == {}
    assert len({record["how"] for record in records}) > 1  # some are heard, some refused


@pytest.mark.parametrize(
    ("address", "seen"),
    [("{yard.canary}", "the canary was read"), ("http://127.0.0.1:{yard.port}/x.wav", "the canary's port was called")],
)
def test_a_playlist_that_is_followed_springs_the_trap(address, seen, tmp_path):
    """Without the lists of what may be opened, ffmpeg reads the canary and calls the port: the fuzz would see it."""
    yard = open_yard(tmp_path, [])
    playlist = tmp_path / "talk.m3u8"
    address = address.format(yard=yard)
    playlist.write_text(hostile.TEXTS["m3u8"].format(address, address))
    options = ["-nostdin", "-v", "quiet", "-protocol_whitelist", "file,http,tcp", "-allowed_extensions", "ALL"]
    command = [find_ffmpeg(), *options, "-rw_timeout", "200000", "-i", str(playlist), "-t", "2", "-f", "null", "-"]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=20)
    assert set(yard.sprung()) == {seen}
    assert yard.sprung() == []
    yard.trap.close()


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ('openat(AT_FDCWD, "{root}/cases/media-0/talk.wav", O_RDONLY) = 3', None),
        ('openat(AT_FDCWD, "{root}/cases/media-0/001.wav", O_RDONLY) = 3', "opened a file"),
        ('openat(AT_FDCWD, "../canary.wav", O_RDONLY) = 3', "opened a file"),
        ('openat(AT_FDCWD, "/etc/hostname", O_RDONLY <unfinished ...>', "opened a file"),
        ('openat(AT_FDCWD, "{root}/tmp/asr-x", O_RDWR|O_CREAT|O_EXCL) = 3', None),
        ('openat(AT_FDCWD, "{root}/cases/media-0/x", O_WRONLY|O_CREAT) = 3', "wrote a file"),
        ('openat(AT_FDCWD, "/usr/lib/libm.so.6", O_RDONLY) = 3', None),
        ("socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3", "made a socket"),
        ("connect(3, {{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}}, 16) = 0", "called"),
        ('execve("/bin/sh", ["sh", "-c", "touch x"], 0x7ffe /* 1 var */) = 0', "started a program"),
    ],
)  # fmt: skip
def test_a_trace_tells_what_was_named_from_what_was_not(call, wrong, tmp_path):
    log = tmp_path / "log"
    marks = '7 openat(AT_FDCWD, "/asr-fuzz/{}", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
    inside = f"7 {call.format(root=tmp_path)}\n"
    log.write_text(inside + marks.format("media:0") + inside + marks.format("-") + inside)
    scopes = {"media:0": trace.Scope(frozenset({f"{tmp_path}/cases/media-0/talk.wav"}))}
    found = list(trace.violations(log, tmp_path, scopes))
    assert len(found) == (wrong is not None)
    assert all(case == "media:0" and what.startswith(wrong) for case, what in found)


def encode(target, *arguments):
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-f", "lavfi", *arguments, str(target)], check=True)
    return target


def hear(path):
    return np.concatenate([block.samples for block in read_blocks(path)])


def test_a_first_frame_larger_than_a_pipe_does_not_wait(tmp_path):
    talk = encode(tmp_path / "talk.tta", "-i", "sine=300:r=16000:d=2", "-ac", "2")  # frames of a second: 128 kB
    with bounded(FIRST_FRAME_SECONDS / 2):
        assert len(hear(talk)) == 32_000


def test_a_title_like_the_decoder_s_own_words_changes_nothing(tmp_path):
    titles = (
        "-metadata",
        "title=#tb 0: 1/0",
        "-metadata",
        "artist=#tb 0: 1/1",
        "-metadata",
        "album=0, 0, 9, 1, 1, 0x00000000",
    )
    talk = encode(tmp_path / "talk.flac", "-i", "sine=300:r=16000:d=1", *titles)
    assert len(hear(talk)) == 16_000


@pytest.mark.parametrize(("jump", "expected"), [(60, 64), (1_000_000, 4)])
def test_a_gap_is_silence_unless_it_is_beyond_belief(jump, expected, tmp_path):
    late = f"asetpts='PTS+{jump}*SR*gt(T,2)'"
    talk = encode(tmp_path / "talk.mka", "-i", "sine=300:r=16000:d=4", "-af", late, "-c:a", "flac")
    assert len(hear(talk)) / 16_000 == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("late", "expected"), [("60", 61), ("1000000", 1)])
def test_sound_begins_late_unless_that_is_beyond_belief(late, expected, tmp_path):
    sound = ("-itsoffset", late, "-f", "lavfi", "-i", "sine=300:r=16000:d=1", "-map", "0", "-map", "1", "-c:a", "flac")
    film = encode(tmp_path / "film.mkv", "-i", "testsrc=s=32x32:r=5:d=1", *sound)
    assert len(hear(film)) / 16_000 == pytest.approx(expected, abs=0.1)


def test_infinities_of_two_channels_are_mixed_without_a_word(tmp_path):
    path = tmp_path / "talk.wav"
    samples = np.tile(np.array([np.inf, -np.inf, 3e38, 3e38], "<f4"), 4000)
    head = wave(b"")[:20] + np.array([3, 2], "<u2").tobytes() + np.array([16_000, 128_000], "<u4").tobytes()
    path.write_bytes(
        head + np.array([8, 32], "<u2").tobytes() + b"data" + np.uint32(samples.nbytes).tobytes() + samples.tobytes()
    )
    assert np.isfinite(hear(path)).all()
