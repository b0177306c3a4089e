"""The things that can be wrong with a machine, each with its remedy."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from asr_cli.errors import AsrError

IMPORT_SECONDS = 60
EXTRA = re.compile(r"""(?P<package>[\w.-]+).*\bextra == ["'](?P<extra>[\w-]+)["']""")


@dataclass(frozen=True, slots=True)
class Finding:
    """state: "ok", "note" (works without it) or "missing"."""

    state: str
    what: str
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{sys.version.split()[0]} at {sys.executable}")
    yield package("torch", "needed for voice activity detection: pip install 'torch>=2.6,<2.14'")
    yield ffmpeg()
    yield from recognizers()
    yield vad()
    yield writable("cache", cache())
    yield encoding()
    yield microphone()
    yield extras()


def microphone() -> Finding:
    """Whether asr stream --mic can listen; everything else works without."""
    from asr.sources import silent_libraries
    from asr_cli.audio.live_devices import find_microphone

    try:
        with silent_libraries():
            found = find_microphone()
    except AsrError as error:
        return Finding("note", "microphone", "none can be heard", str(error))
    return Finding("ok", "microphone", found.name)


def package(name: str, remedy: str) -> Finding:
    """In a process of its own: a broken library may end the one that imports it."""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Finding("missing", name, "not installed", remedy)
    tried = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        capture_output=True,
        text=True,
        timeout=IMPORT_SECONDS,
        check=False,
    )
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Finding("missing", name, f"{installed}, cannot be imported: {reason}", remedy)
    return Finding("ok", name, installed)


def ffmpeg() -> Finding:
    from asr_cli.audio.ffmpeg import find_ffmpeg

    try:
        binary = find_ffmpeg()
        told = subprocess.run([binary, "-version"], capture_output=True, text=True, timeout=IMPORT_SECONDS, check=True)
    except AsrError as error:
        return Finding("missing", "ffmpeg", "not found", str(error))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            "missing", "ffmpeg", f"does not run: {error}", "reinstall it, or set ASR_FFMPEG to one that runs"
        )
    number = told.stdout.split(" ")[2] if told.stdout.startswith("ffmpeg version") else "unknown version"
    return Finding("ok", "ffmpeg", f"{number} at {binary}")


def recognizers() -> Iterator[Finding]:
    from asr_cli import catalog

    try:
        here = [entry.card.name for entry in catalog.entries() if entry.kind == "recognizer" and entry.is_here]
    except Exception as error:  # a third party's backend may raise anything at all
        yield Finding("missing", "recognisers", f"a backend cannot be loaded: {error}", "uninstall or update it")
        return
    if here:
        yield Finding("ok", "recognisers", ", ".join(here))
    else:
        yield Finding("missing", "recognisers", "none", "pip install pocketsphinx, or a backend of your choice")


def vad() -> Finding:
    from asr_cli import catalog

    here = [entry.card.name for entry in catalog.entries() if entry.kind == "vad" and entry.is_here]
    better = "" if "fsmn-vad" in here else "fsmn-vad, the public model, is used when it lies in a model cache"
    return Finding("ok" if not better else "note", "voice activity", ", ".join(here), better)


def cache() -> Path:
    from asr_cli.hub.places import cache_folder

    return cache_folder()


def writable(what: str, folder: Path) -> Finding:
    above = next(place for place in (folder, *folder.parents) if place.exists())
    if os.access(above, os.W_OK):
        return Finding("ok", what, str(folder))
    return Finding("note", what, f"{folder} cannot be written", "set ASR_CACHE to a folder of yours")


def encoding() -> Finding:
    found = sys.getfilesystemencoding().lower()
    if found in ("utf-8", "utf8"):
        return Finding("ok", "encoding", "UTF-8")
    return Finding("note", "encoding", found, "names beyond ASCII may not be found: set LC_ALL=C.UTF-8 or PYTHONUTF8=1")


def extras() -> Finding:
    """What some options need and most people do not."""
    needs = [(match["extra"], match["package"]) for match in map(EXTRA.match, requirements()) if match]
    lacking = {extra for extra, package in needs if not is_installed(package)}
    names = dict.fromkeys(extra for extra, _ in needs)
    more = " ".join(f"'asr-cli[{name}]'" for name in names if name in lacking)
    here = ", ".join(name for name in names if name not in lacking)
    return Finding("ok", "extras", here or "none", f"pip install {more} adds more" if more else "")


def requirements() -> list[str]:
    try:
        return requires("asr-cli") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        return []


def is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
