"""From what was typed to the list of recordings. Light to import: a missing file must be told at once."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from asr_cli.audio.address import is_address, is_remote_folder, is_url, local_path
from asr_cli.errors import InputError, NotFoundError

STDIN = "-"
STDIN_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
SUFFIXES = """
3g2 3gp aac ac3 aif aifc aiff amr ape asf au avi awb caf dts flac flv m2ts m4a m4b m4r m4v mka mkv mov mp2
mp3 mp4 mpa mpc mpeg mpg mts mxf oga ogg ogm ogv opus ra rm rmvb sph spx ts tta voc vob w64 wav
weba webm wma wmv wv
"""
MEDIA_SUFFIXES = frozenset(f".{name}" for name in SUFFIXES.split())


def expand(inputs: Sequence[str], *, recursive: bool = False) -> list[str]:
    """The recordings meant by files, directories, globs, addresses and "-": in natural order, each once."""
    found: dict[str, str] = {}
    for text in inputs:
        for name in meant(text, recursive):
            found.setdefault(identity(name), name)
    return list(found.values())


def meant(text: str, recursive: bool) -> list[str]:
    text = local_path(text)
    if text in STDIN_PATHS:  # opened by name, a redirected file would be read from wherever it stands
        return [STDIN]
    if text == STDIN or is_url(text):
        return [text]
    if is_address(text):
        return stored(text, recursive)
    if text and "\0" not in text:
        if os.path.isdir(text):  # noqa: PTH112 - keeps "./x" and bytes that are no UTF-8 as they were typed
            return inside(text, recursive)
        if os.path.lexists(text):
            return [text]
        if matches := globbed(text, recursive):
            return matches
    raise not_found(text)


def stored(address: str, recursive: bool) -> list[str]:
    """What an address of a store means: a recording, or all of a folder or a pattern."""
    from asr_cli.audio import remote

    if is_remote_folder(address):
        return [found for found, _ in remote.listed(address, recursive=recursive)]
    remote.insist_on_store(address)
    return [address]


def identity(name: str) -> str:
    if name == STDIN or is_address(name):
        return name
    try:
        return os.path.realpath(name)
    except ValueError:  # a zero byte, or half a character: no file is called so
        return name


def inside(folder: str, recursive: bool) -> list[str]:
    """The recordings in a folder, told by their suffix."""
    names = sorted((name for name in walk(folder, recursive) if is_media(name)), key=natural)
    if names:
        return names
    deeper = "" if recursive or not has_folders(folder) else "; --recursive looks into the folders inside it"
    raise InputError(f"directory {folder!r} holds no audio or video file{deeper}")


def walk(folder: str, recursive: bool) -> Iterator[str]:
    def complain(error: OSError) -> None:
        raise InputError(f"cannot look into {error.filename!r}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=complain):
        yield from (os.path.join(parent, name) for name in files)  # noqa: PTH118
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]


def has_folders(folder: str) -> bool:
    return any(entry.is_dir() for entry in Path(folder).iterdir())


def is_media(name: str) -> bool:
    base = os.path.basename(name)  # noqa: PTH119
    return not base.startswith(".") and os.path.splitext(base)[1].lower() in MEDIA_SUFFIXES  # noqa: PTH122


def globbed(pattern: str, recursive: bool) -> list[str]:
    """What a pattern matches that the shell left alone (quoted, or typed on Windows)."""
    if not glob.has_magic(pattern):
        return []
    names = sorted(glob.glob(pattern, recursive=True), key=natural)  # noqa: PTH207
    files = [name for name in names if os.path.isfile(name)]  # noqa: PTH113
    folders = [name for name in names if os.path.isdir(name)]  # noqa: PTH112
    return files or [name for folder in folders for name in inside(folder, recursive)]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts part 10 after part 9.

    >>> sorted(["part10", "part9"], key=natural)
    ['part9', 'part10']
    """
    pieces = re.split(r"(\d+)", name)
    # A superscript two is a digit to isdigit and to nobody else, hence isdecimal.
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces if piece]


def not_found(text: str) -> NotFoundError:
    """The error for a path that is not there, naming the neighbor that was probably meant."""
    path = Path(text)
    if os.path.islink(text):  # noqa: PTH114
        return NotFoundError(f"{text!r} is a link to {os.readlink(text)!r}, which is not there")  # noqa: PTH115
    try:
        neighbors = [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return NotFoundError(f"{text!r} not found, nor is the directory it should be in; check the path")
    if glob.has_magic(text):
        return NotFoundError(f"{text!r} matches no file; check the pattern")
    near = get_close_matches(path.name, neighbors, n=1)
    hint = f"did you mean {str(path.with_name(near[0]))!r}?" if near else "check the name"
    return NotFoundError(f"{text!r} not found; {hint}")


def empty(name: str) -> InputError:
    return InputError(f"{name} is empty (0 bytes); check that it was copied or recorded completely")


def no_recording(folder: str, wanted: str = "recording") -> InputError:
    return InputError(f"{folder!r} is a directory, not a {wanted}; name the files in it")
