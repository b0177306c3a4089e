"""One mutated recording, and how it is handed over."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import hostile
from tests.fuzz.mutate import mutated
from tests.fuzz.yard import Yard

SUFFIX_WORDS = """
wav mp3 mp4 m4a mkv webm flac ogg opus avi aiff au caf ts mov wma amr aac txt m3u8 m3u pls sdp mpd cue asx xspf ffconcat
smil idx srt ass jpg svg avs sub mka nut vob raw pcm dat h264 zip
"""
SUFFIXES = SUFFIX_WORDS.split()
ODD_NAMES = (
    "%03d", "concat:a|neighbor-canary.wav", "-i", "http:", "file:neighbor-canary.wav", "a'b\"c", "x y", "日本語",
    "@talk", "pipe:0", "crypto:x", "new\nline", "*", "[0-9]", "~", "$HOME", "Duration: 00:00:09.00", "d\udce9",
)  # fmt: skip
FORMS = ("path", "path", "path", "path", "path", "Path", "bytes", "file", "link", "pipe")
OPTIONS: tuple[dict[str, Any], ...] = (
    {"start": 0.5}, {"start": 5.0}, {"start": 1e9}, {"end": 0.7}, {"start": 0.3, "end": 0.31}, {"channel": "left"},
    {"channel": 1}, {"channel": 7}, {"track": 1}, {"block_seconds": 0.001}, {"block_seconds": 30.0},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """A file of a case: what it was made of, where it lies, in which form it is given, and with which options."""

    made: str
    path: Path
    form: str
    options: dict[str, Any] = field(default_factory=dict)


def make(rng: Random, yard: Yard, folder: Path, *, forms: tuple[str, ...] = FORMS) -> Recording:
    made, suffix, data = content(rng, yard)
    if rng.random() < 0.2:
        suffix = rng.choice(SUFFIXES)
    name = rng.choice(ODD_NAMES) if rng.random() < 0.06 else "talk"
    form = rng.choice(forms)
    path = folder / f"{name}.{suffix}"
    path.write_bytes(data)
    if form == "link":
        target, path = path, folder / f"link.{rng.choice(SUFFIXES)}"
        path.symlink_to(target.name)
    options = rng.choice(OPTIONS) if rng.random() < 0.2 else {}
    return Recording(made, path, form, options)


def content(rng: Random, yard: Yard) -> tuple[str, str, bytes]:
    """What it is, the suffix that suits it, and the bytes."""
    chance = rng.random()
    if chance < 0.14:
        kind, data = hostile.text(rng, str(yard.canary), yard.port)
        made, suffix = f"text {kind}", rng.choice(("wav", "mp3", "mp4", "txt", kind.rpartition(".")[2]))
    elif chance < 0.26:
        made, suffix, data = linked(rng, yard)
    else:
        name = rng.choice(list(yard.seeds))
        return f"seed {name}", name.rpartition(".")[2], mutated(rng, yard.seeds[name], list(yard.seeds.values()))
    if rng.random() < 0.25:
        made, data = f"{made}, damaged", mutated(rng, data, list(yard.seeds.values()))
    return made, suffix, data


def linked(rng: Random, yard: Yard) -> tuple[str, str, bytes]:
    """A container that says its sound, cover or next part is elsewhere."""
    address = hostile.reference(rng, str(yard.canary), yard.port).encode()
    kind = rng.choice(
        ("mov", "mov", "m4a", "rmra", "mkv", "id3", "id3 list", "id3 said", "id3 said", "flac", "planted")
    )
    if kind in ("mov", "m4a"):
        seed = yard.seeds[rng.choice(list(of(yard, "mov", "m4a", "mp4")))]
        data = hostile.mov_linked(seed, rng, address)
    elif kind == "rmra":
        kind, data = "mov", hostile.movie_reference(address)
    elif kind == "mkv":
        data = hostile.matroska_linked(yard.seeds[rng.choice(list(of(yard, "mkv", "mka", "webm")))], address)
    elif kind == "id3":
        kind, data = "mp3", hostile.id3_linked(address) + yard.seeds["bare.mp3"]
    elif kind == "id3 list":
        kind, data = "mp3", hostile.id3_linked(address) + hostile.text(rng, str(yard.canary), yard.port)[1]
    elif kind == "id3 said":
        sound = rng.choice((yard.seeds["bare.mp3"], yard.seeds["tagged.mp3"][:900], b"", rng.randbytes(5000)))
        kind, data = "mp3", hostile.id3_said(rng) + sound
    elif kind == "flac":
        data = hostile.flac_linked(yard.seeds["flac.flac"], address)
    else:
        name = rng.choice(list(yard.seeds))
        seed = yard.seeds[name]
        at = rng.randrange(min(len(seed), 2000))
        kind, data = name.rpartition(".")[2], seed[:at] + address + b"\0" + seed[at + len(address) + 1 :]
    return f"linked {kind}", kind, data


def of(yard: Yard, *suffixes: str) -> list[str]:
    return [name for name in yard.seeds if name.rpartition(".")[2] in suffixes]
