"""The lines of a list: text of any origin, and what is no text refused in one sentence."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from io import BufferedReader, RawIOBase
from typing import BinaryIO, NamedTuple

from asr_cli.audio.address import is_address, is_url, local_path, without_password
from asr_cli.audio.inputs import STDIN, STDIN_PATHS, no_recording, not_found
from asr_cli.audio.remote import open_remote
from asr_cli.audio.waiting import waiting
from asr_cli.errors import InputError, UsageError

MAX_LINE_BYTES = 1 << 20  # no path or command is longer; a file without line breaks is not held in memory whole
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line that says something: its number from 1, and its text without the spaces around it."""

    number: int
    text: bytes


def lines(name: str) -> Iterator[Line]:
    """The lines of a list that are not blank; "-" is standard input. A list of nothing is refused."""
    is_empty = True
    number = 0
    with opened(name) as file:
        while raw := read_line(file, name):
            number += 1
            if number == 1:
                raw = without_bom(raw, name)
            if b"\0" in raw or len(raw) > MAX_LINE_BYTES:
                raise UsageError(f"{shown(name)} is no list: line {number} is not text; check which file it should be")
            if text := raw.strip():
                is_empty = False
                yield Line(number, text)
    if is_empty:
        raise UsageError(f"{shown(name)} names nothing: it is an empty list; check how it was made")


def read_line(file: BinaryIO, name: str) -> bytes:
    try:
        with waiting():  # for whoever types the list, or makes it as we read
            return file.readline(MAX_LINE_BYTES + 1)
    except OSError as error:
        raise unreadable(name, error) from error


def without_bom(raw: bytes, name: str) -> bytes:
    if raw.startswith(UTF16):
        raise UsageError(f"{shown(name)} is written in UTF-16; save it as UTF-8")
    return raw.removeprefix(BOM)


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    if is_stdin(name):
        yield standard_input()
        return
    if not name:
        raise UsageError("a list is asked for by an empty name; name a file")
    if is_address(name := local_path(name)):
        with opened_address(name) as raw, BufferedReader(raw) as buffered:
            yield buffered
        return
    try:
        if stat.S_ISDIR(os.stat(name).st_mode):  # noqa: PTH116
            raise no_recording(name, "list")
        with waiting():
            file = open(name, "rb")  # noqa: PTH123, SIM115
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise not_found(name) from error
    except OSError as error:
        raise unreadable(name, error) from error
    with file:
        yield file


def opened_address(name: str) -> AbstractContextManager[RawIOBase]:
    if is_url(name):
        raise UsageError(f"the list {shown(name)} is not fetched from the web; download it, and name the file")
    return open_remote(name)


def standard_input() -> BinaryIO:
    buffer: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        raise InputError("cannot read the list from standard input: it is closed")
    return buffer


def unreadable(name: str, error: OSError) -> InputError:
    return InputError(f"cannot read the list {shown(name)}: {error.strerror or error}; check its permissions")


def is_stdin(name: str) -> bool:
    return name == STDIN or name in STDIN_PATHS


def shown(name: str) -> str:
    return label(name) if is_stdin(name) else repr(label(name))


def place_of(name: str, number: int) -> str:
    """
    >>> place_of("data/wav.scp", 12), place_of("-", 3)
    ('data/wav.scp:12', 'standard input:3')
    """
    return f"{label(name)}:{number}"


@cache
def label(name: str) -> str:
    return "standard input" if is_stdin(name) else without_password(name)


def text_of(raw: bytes) -> str:
    """Bytes of a list as Python holds names of files, which need not be UTF-8."""
    return raw.decode("utf-8", "surrogateescape")


def folder_of(name: str) -> str:
    return "" if is_stdin(name) else os.path.dirname(name)  # noqa: PTH120
