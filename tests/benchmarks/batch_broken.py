"""Recordings that cannot be transcribed, each broken in a way that is known, and commands that give none."""

import os
import random
import shlex
import shutil
import subprocess
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr_cli.audio.ffmpeg import find_ffmpeg

RATE = 16_000
POISON = 32767  # a sample that kills the fake recogniser


@dataclass(frozen=True, slots=True)
class Recording:
    """A line of the list, and what is to become of it.

    kind: what is the matter with it. codes: what may be reported of it, none if it is to be transcribed.
    seconds: its length, if that is known.
    """

    kind: str
    source: str
    codes: tuple[str, ...] = ()
    seconds: float | None = None
    key: str = ""


def write_wav(path: Path, samples: np.ndarray) -> None:
    """samples: int16, 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def ffmpeg(*arguments: str) -> None:
    subprocess.run(["nice", find_ffmpeg(), "-v", "error", "-nostdin", "-y", *arguments], check=True)


def broken(folder: Path, good_ones: Sequence[Recording], times: int, rng: random.Random) -> Iterator[Recording]:
    """Each way of being broken, that many times."""
    folder.mkdir()
    wavs = [one for one in good_ones if one.source.endswith(".wav") and 2 < (one.seconds or 0) < 20]
    movies = [one for one in good_ones if one.source.endswith((".mp4", ".m4a")) and (one.seconds or 0) > 2]
    for number in range(times):
        yield from unreadable(folder, number, Path(rng.choice(movies).source))
        yield from halved(folder, number, rng.choice(wavs), rng.choice(movies))
        yield from no_files(folder, number)
        if number < 4:
            yield from commands(number, rng.choice(wavs))
            yield from deadly(folder, number)
            # Some read here, some by ffmpeg.
            long = folder.parent / ("long a.wav", "long d.flac")[number % 2]
            yield from moving(folder, number, Path(rng.choice(wavs).source), long)


def unreadable(folder: Path, number: int, movie: Path) -> Iterator[Recording]:
    contents = {
        "empty": b"",
        "text": b"I am no recording, whatever my name says.\n" * 20,
        "noise": random.Random(number).randbytes(4000),
        "page": b"<!DOCTYPE html><html><body>404</body></html>",
        "header": header_only(),
    }
    for kind, content in contents.items():
        path = folder / f"{kind} {number}.wav"
        path.write_bytes(content)
        yield Recording(kind, str(path), ("E-INPUT", "E-NO-AUDIO") if kind == "header" else ("E-INPUT",))
    path = folder / f"silent film {number}.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=2", "-c:v", "mpeg4", str(path))
    yield Recording("no sound", str(path), ("E-NO-AUDIO",))


def header_only() -> bytes:
    return b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + bytes.fromhex("10000000010001008 03e0000007d0000"
        "02001000".replace(" ", "")) + b"data" + bytes(4)  # fmt: skip


def halved(folder: Path, number: int, sound: Recording, movie: Recording) -> Iterator[Recording]:
    """Without its index, at its end, a film is nothing; of samples, half is what it is, with a warning."""
    for kind, whole, codes in (("half a film", movie, ("E-INPUT",)), ("half a wav", sound, ())):
        content = Path(whole.source).read_bytes()
        path = folder / f"{kind} {number}{Path(whole.source).suffix}"
        path.write_bytes(content[: len(content) // 2])
        yield Recording(kind, str(path), codes, seconds=(whole.seconds or 0) / 2 if not codes else None)


def no_files(folder: Path, number: int) -> Iterator[Recording]:
    yield Recording("missing", str(folder / f"missing {number}.wav"), ("E-NOT-FOUND",))
    (folder / f"folder {number}.wav").mkdir()
    yield Recording("directory", str(folder / f"folder {number}.wav"), ("E-INPUT",))
    dangling = folder / f"dangling {number}.wav"
    dangling.symlink_to(folder / "nowhere.wav")
    yield Recording("dangling link", str(dangling), ("E-NOT-FOUND",))
    loop = folder / f"loop {number}.wav"
    loop.symlink_to(loop)
    yield Recording("link to itself", str(loop), ("E-INPUT",))
    os.mkfifo(folder / f"fifo {number}.wav")
    yield Recording("fifo", str(folder / f"fifo {number}.wav"), ("E-INPUT",))
    if number < 4:
        yield Recording("name too long", str(folder / ("x" * 300 + f"{number}.wav")), ("E-INPUT",))
        yield Recording("nobody answers", f"http://127.0.0.1:9/{number}.wav", ("E-INPUT",))


def commands(number: int, sound: Recording) -> Iterator[Recording]:
    path = shlex.quote(sound.source)
    yield Recording("command", f"cat {path} |", seconds=sound.seconds)
    yield Recording("failing command", f"cat /nowhere/{number}.wav |", ("E-INPUT",))
    yield Recording("command that fails midway", f"head -c 20000 {path}; exit 3 |", ("E-INPUT",))
    yield Recording("no such command", f"no-such-program-{number} |", ("E-INPUT",))
    yield Recording("mute command", "true |", ("E-INPUT",))
    yield Recording("killed command", "kill -9 $$ |", ("E-INPUT",))


def deadly(folder: Path, number: int) -> Iterator[Recording]:
    samples = (np.random.default_rng(number).standard_normal(RATE * 3) * 3000).clip(-9000, 9000)
    tone = np.sin(np.arange(RATE * 3) * 0.05) * 3000 * (1 + np.sin(np.arange(RATE * 3) * 0.0007))
    samples = samples * 0.02 + tone
    samples[RATE : RATE * 2 : 7] = POISON
    path = folder / f"poisoned {number}.wav"
    write_wav(path, samples)
    yield Recording("poisoned", str(path), ("E-WORKER",))


def moving(folder: Path, number: int, short: Path, long: Path) -> Iterator[Recording]:
    """What whoever runs the trial is to change, in good time."""
    for kind, whole, codes in (
        ("vanishes", short, ("E-NOT-FOUND",)), ("vanishes in hand", long, ("E-CHANGED", "E-NOT-FOUND")),
        ("replaced in hand", long, ("E-CHANGED",)),
    ):  # fmt: skip
        path = folder / f"{kind} {number}{whole.suffix}"
        shutil.copyfile(whole, path)
        yield Recording(kind, str(path), codes)
