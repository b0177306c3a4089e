"""One mutated list of recordings, read and judged."""

import json
import math
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from asr_cli.errors import AsrError
from asr_cli.jobs.manifest import Item, check, read_items, size_of
from tests.fuzz.mutate import mutated
from tests.fuzz.yard import Yard

FILES = (
    "talk.wav",
    "a b.mp3",
    "会议 1.flac",
    "deep/er/x.wav",
    "deep/talk.wav",
    "TALK.WAV",
    "empty.wav",
    'it\'s "q".ogg',
)
IDS = (
    "talk", "Talk", "TALK", "utt-001", "BAC009S0764W0121", "../../etc/passwd", "/etc/passwd", "..", ".", "a/b",
    "a\\b", "a/../b", "nul", "CON.txt", "-rf", ".hidden", "x" * 300, "é", "e\u0301", "ﬁ", "ß", "SS", "İ", "ı", "K",
    "会议" * 100, "a:b", "%2e%2e", "x.part", "x.PART", "a\u202egnp", "a\u00a0b", "a\u3000b", "\udcff\udcfe",
    "a\x1b[31m", "~", "~/x", "$HOME", "*", "|", "a~12345678", "con ", "trailing.", "\ufeffid", "#id", "\u2028",
    "\x85", "\x1c", "%", "\U000e0001", "0", "asr-report.jsonl", "1best_recog",
)  # fmt: skip
SOURCES = (
    "{folder}/talk.wav", "talk.wav", "a b.mp3", "{folder}/deep/er/x.wav", "./talk.wav", "../canary.wav", "{canary}",
    "deep", "{folder}", "nowhere.wav", "empty.wav", "http://127.0.0.1:{port}/x.wav", "s3://bucket/x.wav",
    "file://{canary}", "touch {folder}/ran |", "cat {canary} |", "sph2pipe -f wav x.sph |", "| cat", "a | b", "|",
    "||", "@nested-canary.scp", "nested-canary.scp", "nested-canary.jsonl", "-", "/dev/stdin", "/dev/zero",
    "/dev/null", "/proc/self/environ", "*.wav", "**/*.wav", "[", "x" * 5000, "a\0b", "concat:{canary}|{canary}",
    "data:audio/wav;base64,AAAA", "~/x.wav", "$HOME/x.wav", "feats.ark:1234", "\udcff.wav", "talk.wav ",
    "'talk.wav'", "C:\\talk.wav", "\\\\host\\share\\x.wav", "\ud800", "fifo",
)  # fmt: skip
TIMES = (
    "0", "0.5", "1", "2.75", "-1", "-0.0", "nan", "inf", "-inf", "1e309", "1e-320", "1_0", "0x10", "١٢", "",
    "3600000", "1e18", "9" * 400, "1,5", "00:01", "5.000001",
)  # fmt: skip
JSON_VALUES = (
    None, True, [], {}, 0, -1, 1.5, 1e308, "", "x", "1.5", -1e308, 2**70, 10**400, float("nan"), float("inf"),
    ["talk.wav"], "\ud800",
)  # fmt: skip
JSON_KEYS = (
    "key", "id", "utt", "utt_id", "source", "audio_filepath", "audio", "wav", "path", "offset", "start", "end",
    "duration", "text", "channel", "__class__",
)  # fmt: skip
HEADS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\n\n", b"#comment\n", b"\x1f\x8b")
LIST_KINDS = ("scp", "scp", "segments", "segments", "jsonl", "jsonl", "list", "batch", "data", "folder", "glob", "many")
SUFFIX_ROOM = len(".speaker.part.json") + 1
Mark = Callable[[], None]


def play(rng: Random, yard: Yard, folder: Path, record: dict[str, Any], mark: Mark) -> None:
    lay_out(folder, yard)
    kind = rng.choice(LIST_KINDS)
    options = asked(rng, yard, folder, kind)
    record |= {"made": kind, "options": {name: str(value)[:200] for name, value in options.items()}}
    record["named"] = sorted(str(path) for path in folder.rglob("list*")) + [
        str(folder / "data" / name) for name in ("wav.scp", "segments")
    ]
    mark()
    try:
        items = read_items(options.pop("inputs"), **options)
    except AsrError as error:
        record["how"], record["said"] = type(error).__name__, str(error)[:300]
        if "\n" in str(error):
            record["findings"].append(f"a message of several lines: {str(error)!r:.300}")
    else:
        record["how"] = "items"
        record["findings"] += judge(items, folder / "out", allow_pipes=options["allow_pipes"])
    if (folder / "ran").exists():
        record["findings"].append("a command of the list was run")


def lay_out(folder: Path, yard: Yard) -> None:
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.wav" else b"RIFF")
    os.mkfifo(folder / "fifo")
    for name in ("nested-canary.scp", "nested-canary.jsonl"):
        (folder / name).hardlink_to(yard.canary)


def asked(rng: Random, yard: Yard, folder: Path, kind: str) -> dict[str, Any]:
    """The arguments of read_items, after the lists they name have been written."""
    write = {"jsonl": json_lines, "list": paths, "batch": paths}.get(kind, scp)
    suffix = {"jsonl": rng.choice(("jsonl", "json")), "list": "txt", "batch": rng.choice(("txt", "scp", "jsonl"))}.get(
        kind, "scp"
    )
    options: dict[str, Any] = {"allow_pipes": rng.random() < 0.2, "recursive": rng.random() < 0.5}
    name = folder / f"list.{suffix}"
    name.write_bytes(damaged(rng, write(rng, yard, folder)))
    options["inputs"] = [rng.choice((str(name), f"@{name}"))]
    if kind == "list":
        options["inputs"] = [f"@{name}"]
    if kind == "batch":
        options |= {"inputs": [], "batch_file": str(name)}
    if kind == "segments":
        cuts = folder / "list.segments"
        cuts.write_bytes(damaged(rng, segments(rng, name.read_bytes())))
        options["segments"] = str(cuts)
    if kind == "data":
        (folder / "data").mkdir()
        name.rename(folder / "data" / "wav.scp")
        (folder / "data" / "segments").write_bytes(
            damaged(rng, segments(rng, (folder / "data" / "wav.scp").read_bytes()))
        )
        options["inputs"] = [str(folder / "data")]
    if kind == "folder":
        options["inputs"] = [str(folder)]
    if kind == "glob":
        patterns = ("*.wav", "**/*.wav", "list*", "[a-z]*", "[", "deep/*", "?", "*" * 30, "{a,b}.wav")
        options["inputs"] = [f"{folder}/{rng.choice(patterns)}"]
        for nested in folder.glob("nested-*"):  # a pattern names what it matches
            nested.unlink()
    if kind == "many":
        options["inputs"] += [source(rng, yard, folder) for _ in range(4)]
    return options


def damaged(rng: Random, data: bytes) -> bytes:
    chance = rng.random()
    if chance < 0.4:
        return data
    if chance < 0.5:
        return rng.choice(HEADS) + data
    if chance < 0.6:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\0", b"\x85", b" \n")))
    if chance < 0.63:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-be", "utf-32", "utf-7")))
    if chance < 0.65:
        return rng.choice((b"", b"\n \n", data * 200, b"x" * 3_000_000, b"[" * 200_000, rng.randbytes(4000)))
    return mutated(rng, data, [data, b"utt talk.wav\n"])


def scp(rng: Random, yard: Yard, folder: Path) -> bytes:
    gap = rng.choice((" ", "\t", "  ", "\u00a0", "\u3000", ""))
    lines = [f"{identifier(rng)}{gap}{source(rng, yard, folder)}" for _ in range(rng.randrange(1, 8))]
    return encoded("\n".join(lines) + "\n")


def paths(rng: Random, yard: Yard, folder: Path) -> bytes:
    return encoded("\n".join(source(rng, yard, folder) for _ in range(rng.randrange(1, 8))) + "\n")


def json_lines(rng: Random, yard: Yard, folder: Path) -> bytes:
    return encoded("\n".join(json.dumps(json_object(rng, yard, folder)) for _ in range(rng.randrange(1, 5))) + "\n")


def json_object(rng: Random, yard: Yard, folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = {rng.choice(("source", "audio_filepath")): source(rng, yard, folder)}
    if rng.random() < 0.7:
        record["key"] = identifier(rng)
    for _ in range(rng.randrange(3)):
        record[rng.choice(JSON_KEYS)] = rng.choice((*JSON_VALUES, *TIMES[:5]))
    return record


def segments(rng: Random, table: bytes) -> bytes:
    """Lines of segments, for the ids of a wav.scp as far as it still has some."""
    ids = [line.split()[0].decode("utf-8", "surrogateescape") for line in table.splitlines()[:20] if line.split()] or [
        "talk"
    ]
    lines = []
    for number in range(rng.randrange(1, 8)):
        key = rng.choice((identifier(rng), f"seg-{number}"))
        start, end = (rng.choice(TIMES), rng.choice(TIMES)) if rng.random() < 0.3 else (number, number + 0.5)
        lines.append(f"{key} {rng.choice(ids)} {start} {end}")
    return encoded("\n".join(lines) + "\n")


def identifier(rng: Random) -> str:
    return rng.choice(IDS) if rng.random() < 0.6 else f"utt-{rng.randrange(10**6)}"


def source(rng: Random, yard: Yard, folder: Path) -> str:
    usual = rng.random() < 0.55
    text = rng.choice(SOURCES[:4] if usual else SOURCES)
    return text.format(folder=folder, canary=yard.canary, port=yard.port)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")


def judge(items: list[Item], out: Path, *, allow_pipes: bool) -> list[str]:
    found = [] if items else ["no items and no error"]
    if len({item.key for item in items}) < len(items):
        found.append("a key is there twice")
    if len({folded(item.name) for item in items}) < len(items):
        found.append("two items have one name")
    for item in items:
        found += judge_item(item, out, allow_pipes=allow_pipes)
    return found


def judge_item(item: Item, out: Path, *, allow_pipes: bool) -> list[str]:
    found = []
    parts = item.name.split("/")
    if any(part in ("", ".", "..") for part in parts) or not (out / item.name).is_relative_to(out):
        found.append(f"a name that leaves its folder: {item.name!r:.100}")
    if any(len(os.fsencode(part)) + SUFFIX_ROOM > 255 for part in parts) or "\0" in item.name:
        found.append(f"a name no file can have: {item.name!r:.100}")
    if not item.key or len(item.key.split()) != 1:
        found.append(f"a key that is not one word: {item.key!r:.100}")
    if item.piped and not allow_pipes:
        found.append(f"a command was let through: {item.source!r:.100}")
    ends = item.end is None or item.start < item.end < math.inf
    if not (0 <= item.start < math.inf and ends):
        found.append(f"a stretch from {item.start} to {item.end}")
    error = check(item)
    if error is not None and not isinstance(error, AsrError):
        found.append(f"check gave {error!r:.100}")
    if error is not None and "\n" in str(error):
        found.append(f"a message of several lines: {str(error)!r:.200}")
    size = size_of(item)
    if size is not None and size < 0:
        found.append(f"a size of {size}")
    return found


def folded(name: str) -> str:
    return (
        unicodedata.normalize("NFKD", name).casefold()
        if name.isascii()
        else unicodedata.normalize("NFD", name).casefold()
    )
