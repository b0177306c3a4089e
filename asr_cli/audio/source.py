"""Where sound comes from: a path, an address, a command, bytes or an open file, made ready for ffmpeg."""

import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

from asr_cli.audio.address import is_address, is_url, local_path, without_password
from asr_cli.audio.command import Command, open_command
from asr_cli.audio.ffmpeg import LOCAL, PIPED, REMOTE, local_url
from asr_cli.audio.inputs import STDIN, empty, no_recording, not_found
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.remote import open_remote
from asr_cli.audio.sniff import HEAD_BYTES, needs_seeking
from asr_cli.audio.waiting import waiting
from asr_cli.errors import InputError, OutputError, UsageError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Command
TEMPORARY: set[str] = set()  # the copies of streams that are there now
SNIFF_BYTES = 4096  # as much as a live stream has soon


@dataclass(frozen=True, slots=True)
class Opened:
    """A source as ffmpeg is told of it.

    head: its first bytes, where they could be looked at. size: of the whole in bytes, where that is known.
    read: gives what is to be fed to ffmpeg's stdin, empty at the end.
    """

    url: str
    protocols: str
    name: str
    head: bytes = b""
    size: int | None = None
    read: Callable[[int], bytes] | None = None
    spooled: bool = False  # the url is a temporary copy
    path: str | None = None  # of a file that lies on this machine


@contextmanager
def open_source(source: Source, *, pcm: PcmFormat | None = None, again: bool = False) -> Iterator[Opened]:
    """Make a source ready; what that takes (an open file, a temporary copy) lasts as long as the context.

    again: it will be opened several times, so what can be read only once is copied to a temporary file.
    """
    with ExitStack() as stack:
        opened = opened_as(source, stack, headed=pcm is None)
        if opened.read is not None and (again or (pcm is None and needs_seeking(opened.head))):
            opened = stack.enter_context(spooled(opened))
        yield opened


def opened_as(source: Source, stack: ExitStack, *, headed: bool) -> Opened:
    if isinstance(source, Command):
        return streamed(stack.enter_context(open_command(source.text)), repr(source.name), headed)
    if isinstance(source, str) and is_address(source := local_path(source)):
        return opened_address(source, stack, headed)
    if isinstance(source, bytes | bytearray | memoryview):
        return streamed(io.BytesIO(source), "the data given", headed)
    if source == STDIN or source is sys.stdin or source is stdin_buffer():
        return streamed(unbuffered_stdin(), "standard input", headed)
    if isinstance(source, str | os.PathLike):
        return opened_path(os.fspath(source), stack, headed)
    if not hasattr(source, "read"):
        raise UsageError(f"{source!r:.80} is no recording; pass a path, an address, bytes or a file opened with 'rb'")
    name = getattr(source, "name", None)
    return streamed(source, repr(name) if isinstance(name, str) else "the open file", headed)


def opened_address(address: str, stack: ExitStack, headed: bool) -> Opened:
    name = repr(without_password(address))
    if not is_url(address):
        return streamed(stack.enter_context(open_remote(address)), name, headed)
    scheme, _, rest = address.partition(":")  # ffmpeg knows it in small letters only
    return Opened(f"{scheme.lower()}:{rest}", REMOTE, name)


def opened_path(text: str, stack: ExitStack, headed: bool) -> Opened:
    try:
        status = Path(text).stat() if text else None
        if status is None:
            raise not_found(text)
        if stat.S_ISDIR(status.st_mode):
            raise no_recording(text)
        with waiting():  # a pipe that nobody writes to yet
            file = stack.enter_context(open(text, "rb", buffering=0))  # noqa: PTH123, SIM115 - the stack closes it
        if not stat.S_ISREG(status.st_mode):
            return streamed(file, repr(text), headed)
        head = file.read(HEAD_BYTES)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise not_found(text) from error
    except OSError as error:
        raise InputError(f"cannot read {text!r}: {error.strerror}; check its permissions") from error
    if not head:
        raise empty(repr(text))
    return Opened(local_url(Path(text)), LOCAL, repr(text), head, status.st_size, path=text)


def streamed(file: Any, name: str, headed: bool) -> Opened:
    read = reader(file, name)
    if not headed:  # raw samples: nothing to look at, and a live stream should not wait
        return Opened("pipe:0", PIPED, name, read=read)
    head = b""
    while len(head) < SNIFF_BYTES and (more := read(HEAD_BYTES)):
        head += more
    if not head:
        raise empty(name)
    rest = iter([head])
    return Opened("pipe:0", PIPED, name, head, read=lambda n: next(rest, b"") or read(n))


def reader(file: Any, name: str) -> Callable[[int], bytes]:
    # read1 gives what is there; read would wait until there is as much as was asked for.
    method = getattr(file, "read1", None) or file.read

    def read(n_bytes: int) -> bytes:
        try:
            with waiting():
                data = method(n_bytes)
        except OSError as error:
            raise InputError(f"cannot read {name}: {error.strerror or error}") from error
        if isinstance(data, str):
            raise InputError(f"cannot read {name}: it gives text; open it in binary mode (open(..., 'rb'))")
        return data or b""

    return read


def stdin_buffer() -> BinaryIO | None:
    return getattr(sys.stdin, "buffer", None)


def unbuffered_stdin() -> Any:
    """Standard input without its buffer, whose lock a waiting thread would hold when the program ends."""
    buffer = stdin_buffer()
    if buffer is None:
        raise InputError("cannot read standard input: it is closed")
    return getattr(buffer, "raw", buffer)


@contextmanager
def spooled(opened: Opened) -> Iterator[Opened]:
    assert opened.read is not None
    with tempfile.NamedTemporaryFile(prefix="asr-") as file, listed(file.name):
        try:
            size = copy(opened.read, file)
        except OSError as error:
            raise OutputError(
                f"cannot keep a temporary copy of {opened.name} in {tempfile.gettempdir()!r}: "
                f"{error.strerror};"
                " free some space or set TMPDIR"
            ) from error
        if not size:
            raise empty(opened.name)
        yield replace(opened, url=local_url(Path(file.name)), protocols=LOCAL, size=size, read=None, spooled=True)


@contextmanager
def listed(name: str) -> Iterator[None]:
    TEMPORARY.add(name)
    try:
        yield
    finally:
        TEMPORARY.discard(name)


def remove_temporary() -> None:
    """For a program that ends at once, without leaving its contexts."""
    for name in list(TEMPORARY):
        with suppress(OSError):
            Path(name).unlink()


def copy(read: Callable[[int], bytes], file: IO[bytes]) -> int:
    class Stream:
        def read(self, n_bytes: int = -1) -> bytes:
            return read(n_bytes)

    shutil.copyfileobj(Stream(), file, HEAD_BYTES)
    file.flush()
    return file.tell()
