"""A corpus to try `asr batch` on: thousands of recordings in many formats and lengths, and some broken in known ways.

usage: batch_corpus.py DIR
Real speech, end to end, is cut at random into files of each format, so one ffmpeg makes a hundred recordings.
Writes DIR/wav.scp and DIR/expected.jsonl, which says of each line what is to become of it.
"""

import json
import os
import random
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from batch_broken import RATE, Recording, broken, ffmpeg, write_wav

from asr_cli.audio.files import read_blocks

ROOT = Path(__file__).resolve().parents[2]
AUDIO = ROOT.parent / "shared" / "data" / "audio"
LOUDNESS = 0.5  # so that no codec overshoots into what kills the fake recogniser
MEDIA = {".wav", ".flac", ".mp3", ".m4a", ".opus", ".aiff", ".mp4"}
# Shares of short, middling and long recordings, and between how many seconds they are.
LENGTHS = ((0.50, 0.3, 3.0), (0.38, 3.0, 15.0), (0.12, 15.0, 120.0))
LONG_SECONDS = 660
REEL_SECONDS = 1100  # makes about 2,000 recordings


@dataclass(frozen=True, slots=True)
class Format:
    """How ffmpeg writes the files of one folder. seconds: how much speech it gets."""

    name: str
    suffix: str
    options: str
    seconds: float = 1e9


FORMATS = (
    Format("wav-16k", ".wav", "-c:a pcm_s16le -ar 16000"),
    Format("wav-8k", ".wav", "-c:a pcm_s16le -ar 8000"),
    Format("wav-mulaw", ".wav", "-c:a pcm_mulaw -ar 8000"),
    Format("wav-8bit", ".wav", "-c:a pcm_u8 -ar 16000"),
    Format("wav-44k-stereo", ".WAV", "-c:a pcm_s16le -ar 44100 -ac 2"),
    Format("wav-48k-24bit", ".wav", "-c:a pcm_s24le -ar 48000 -ac 2", 400),
    Format("wav-float", ".wav", "-c:a pcm_f32le -ar 44100", 400),
    Format("aiff", ".aiff", "-c:a pcm_s16be -ar 22050"),
    Format("mp3", ".mp3", "-c:a libmp3lame -ar 44100 -b:a 64k"),
    Format("mp3-low", ".mp3", "-c:a libmp3lame -ar 16000 -b:a 24k"),
    Format("flac", ".flac", "-c:a flac -ar 16000"),
    Format("flac-44k", ".flac", "-c:a flac -ar 44100 -ac 2"),
    Format("opus", ".opus", "-c:a libopus -b:a 32k"),
    Format("vorbis", ".ogg", "-c:a libvorbis -ar 32000"),
    Format("aac", ".m4a", "-c:a aac -ar 44100 -b:a 64k"),
    Format("adts", ".aac", "-c:a aac -ar 24000 -b:a 48k"),
    Format("video", ".mp4", "-c:a aac -b:a 64k -c:v mpeg4 -g 1"),
    Format("webm", ".webm", "-c:a libopus -b:a 32k -c:v libvpx -deadline realtime -g 1", 600),
    Format("mkv", ".mkv", "-c:a flac -ar 48000"),
)
WITH_PICTURE = ("video", "webm")
# What people call their files; {} is a number.
NAMES = (
    "{}", "take {}", "会议 记录 {}", "録音「{}」", "it's \"{}\"", "-rf {}", "a;b & c {}", "100% {} $HOME", "Ünïcödé {}",
    "[x]*{}?", "#{}", "تسجيل {}", "🎙 {}", "two  spaces {}", "x.y.{}.", "~{}", "C:{}", "back\\slash {}",
    os.fsdecode(b"latin \xe9\xff {}"), "dash — {}", "%2e%2e {}",
)  # fmt: skip
KEYS = ("utt{:05}", "spk{:02}/utt-{:05}", "说话人-{:05}", "U{:05}", "a|b-{:05}", "..{:05}", "録音_{:05}")


def originals() -> list[Path]:
    return sorted(path for path in AUDIO.rglob("*") if path.suffix in MEDIA) or [ROOT / "examples" / "morning.mp3"]


def read_all(path: Path) -> np.ndarray:
    blocks = [block.samples for block in read_blocks(path)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def speech() -> np.ndarray:
    """All of it end to end, without noise, and so quiet that the fake recogniser survives it."""
    return np.concatenate([read_all(path) for path in originals() if "noise" not in path.parts]) * LOUDNESS


def lengths(total: float, rng: random.Random) -> Iterator[float]:
    while total > LENGTHS[0][1]:
        [(_, low, high)] = rng.choices(LENGTHS, [share for share, *_ in LENGTHS])
        length = min(rng.uniform(low, high), total)
        total -= length
        yield length


def cut(reel: Path, seconds: float, form: Format, folder: Path, seed: int) -> list[Recording]:
    """All recordings of one format, by one ffmpeg."""
    cuts = list(lengths(min(seconds, form.seconds), random.Random(seed)))
    ends = np.cumsum(cuts)
    folder.mkdir()
    picture = ["-f", "lavfi", "-i", "color=gray:size=64x64:rate=10"] if form.name in WITH_PICTURE else []
    ffmpeg("-i", str(reel), *picture, "-t", f"{ends[-1]:.4f}", *shlex.split(form.options), "-f", "segment",
           "-segment_times", ",".join(f"{end:.4f}" for end in ends[:-1]), "-reset_timestamps", "1",
           str(folder / f"%05d{form.suffix.lower()}"))  # fmt: skip
    made = sorted(folder.iterdir())
    assert len(made) >= 0.95 * len(cuts), f"{form.name}: {len(made)} files for {len(cuts)} cuts"
    # A container that cuts at packets may merge the shortest ones, and then nobody knows which is how long.
    known = cuts if len(made) == len(cuts) else [None] * len(made)
    return [
        Recording("good", str(renamed(path, seed + number, form.suffix)), seconds=length)
        for number, (path, length) in enumerate(zip(made, known, strict=True))
    ]


def renamed(path: Path, number: int, suffix: str) -> Path:
    return path.rename(path.with_name(NAMES[number % len(NAMES)].format(path.stem) + suffix))


def good(folder: Path, reel: Path, seconds: float) -> list[Recording]:
    with ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(cut, reel, seconds, form, folder / form.name, seed * 1000)
            for seed, form in enumerate(FORMATS, 1)
        ]
        found = [recording for task in tasks for recording in task.result()]
    return found + list(long_ones(folder, reel)) + list(odd_ones(folder, reel))


def long_ones(folder: Path, reel: Path) -> Iterator[Recording]:
    for name, options in (("a.wav", "-c:a copy"), ("b.mp3", "-b:a 32k"), ("c.opus", "-b:a 24k"), ("d.flac", "-ac 2")):
        path = folder / f"long {name}"
        ffmpeg("-stream_loop", "-1", "-i", str(reel), "-t", str(LONG_SECONDS), *options.split(), str(path))
        yield Recording("good", str(path), seconds=LONG_SECONDS)


def odd_ones(folder: Path, reel: Path) -> Iterator[Recording]:
    """Unusual, and nothing wrong with them."""
    made = {
        "silence.wav": "-f lavfi -i anullsrc=r=16000:cl=mono -t 3",
        "silence.mp3": "-f lavfi -i anullsrc=r=16000:cl=mono -t 1",
        "tone.wav": "-f lavfi -i sine=440:d=2",
        "six channels.flac": f"-i {shlex.quote(str(reel))} -t 4 -ac 6",
        "96 kHz.wav": f"-i {shlex.quote(str(reel))} -t 4 -ar 96000",
        "three tracks.mkv": f"-i {shlex.quote(str(reel))} -t 4 -map 0:a -map 0:a -map 0:a -c:a flac",
    }
    for name, options in made.items():
        ffmpeg(*shlex.split(options), str(folder / name))
        yield Recording("good", str(folder / name))
    write_wav(folder / "one sample.wav", np.ones(1))
    yield Recording("good", str(folder / "one sample.wav"))
    link = folder / "a link to long a.wav"
    link.symlink_to(folder / "long a.wav")
    yield Recording("good", str(link), seconds=LONG_SECONDS)


def keyed(recordings: Sequence[Recording]) -> Iterator[Recording]:
    """With an id each: plain ones, and some of each other kind."""
    for number, one in enumerate(recordings):
        pattern = KEYS[0] if number % 3 else KEYS[number // 3 % len(KEYS)]
        key = pattern.format(number % 40, number) if pattern.count("{") > 1 else pattern.format(number)
        yield Recording(one.kind, one.source, one.codes, one.seconds, key)


def copied(folder: Path, path: Path, samples: np.ndarray) -> Iterator[Recording]:
    """A recording as it was published, unless it is so loud that the fake recogniser would take it for poison."""
    if abs(samples).max(initial=0) < 0.99:
        link = folder / f"original {path.name}"
        shutil.copyfile(path, link)
        yield Recording("good", str(link), seconds=len(samples) / RATE)


def build(folder: Path, *, times: int = 6) -> list[Recording]:
    """Make the corpus in an empty folder. times: how often each way of being broken occurs."""
    folder.mkdir(parents=True)
    rng = random.Random(4)
    samples = [(path, read_all(path)) for path in originals()]
    reel = folder / "reel.wav"
    heard = np.concatenate([one for _, one in samples])
    heard = np.resize(heard, max(len(heard), REEL_SECONDS * RATE))  # again from its beginning, where there is little
    write_wav(reel, heard * LOUDNESS * 32767)
    recordings = good(folder, reel, len(heard) / RATE)
    recordings += [one for path, alone in samples for one in copied(folder, path, alone)]
    recordings += broken(folder / "broken", recordings, times, rng)
    rng.shuffle(recordings)
    # What vanishes before its turn is to come late, what changes in hand early.
    recordings.sort(key=lambda one: {"vanishes": 1}.get(one.kind, -1 if "in hand" in one.kind else 0))
    recordings = list(keyed(recordings))
    write_lists(folder, recordings, rng)
    return recordings


def write_lists(folder: Path, recordings: Sequence[Recording], rng: random.Random) -> None:
    with (folder / "wav.scp").open("wb") as scp, (folder / "expected.jsonl").open("w") as expected:
        for one in recordings:
            ending = rng.choices((b"\n", b"\r\n", b"\n\n"), (8, 1, 1))[0]
            scp.write(os.fsencode(f"{one.key} {one.source}") + ending)
            expected.write(json.dumps(asdict(one)) + "\n")


def main() -> None:
    recordings = build(Path(sys.argv[1]))
    n_bad = sum(bool(one.codes) for one in recordings)
    print(f"{len(recordings)} recordings, {n_bad} of them broken, in {sys.argv[1]}")


if __name__ == "__main__":
    main()
