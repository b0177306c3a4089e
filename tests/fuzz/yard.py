"""The place a shard plays in: seeds, a canary that nothing may open, a port that nothing may call."""

import os
import shutil
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CANARY = "canary.wav"
NEIGHBORS = ("neighbor-canary.wav", "001.wav")  # beside every case's file; the same inode as the canary
LONG_AGO = 1.0  # an access time older than the file's, which any reading brings up to date


@dataclass(frozen=True, slots=True)
class Yard:
    """root: cases, temporary files and the home all lie below it."""

    root: Path
    seeds: dict[str, bytes]
    trap: socket.socket

    @property
    def canary(self) -> Path:
        return self.root / CANARY

    @property
    def port(self) -> int:
        return int(self.trap.getsockname()[1])

    def folder(self, key: str) -> Path:
        """An empty folder for one case, the canary's other names in it."""
        folder = self.root / "cases" / key.replace(":", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in NEIGHBORS:
            (folder / name).hardlink_to(self.canary)
        return folder

    def sprung(self) -> list[str]:
        """What the canary and the trap have seen since the last time; works without a trace, too."""
        seen = []
        if self.canary.stat().st_atime != LONG_AGO:
            seen.append("the canary was read")
            set_old(self.canary)
        with suppress(BlockingIOError):
            while connection := self.trap.accept()[0]:
                connection.close()
                seen.append("the canary's port was called")
        return seen

    def litter(self) -> list[str]:
        """Temporary files that are still there."""
        left = sorted((self.root / "tmp").iterdir())
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return [f"left {path.name} in the temporary folder" for path in left]


def open_yard(root: Path, seeds: list[Path]) -> Yard:
    for name in ("cases", "tmp", "home", "cwd"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / CANARY).unlink(missing_ok=True)
    (root / CANARY).write_bytes(wave(b"\x00\x40" * 16_000))
    set_old(root / CANARY)
    trap = socket.create_server(("127.0.0.1", 0), backlog=128)
    trap.setblocking(False)
    return Yard(root, {path.name: path.read_bytes() for path in seeds}, trap)


def wave(samples: bytes) -> bytes:
    form = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", len(samples))
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(samples)) + b"WAVE" + form + samples


def set_old(path: Path) -> None:
    os.utime(path, (LONG_AGO, path.stat().st_mtime))
