"""One recording that a batch is asked for, and what can be said of it without opening it."""

import os
import re
import stat
from dataclasses import dataclass

from asr_cli.audio.address import is_address, is_url, local_path
from asr_cli.audio.inputs import empty, no_recording, not_found
from asr_cli.audio.remote import insist_on_store
from asr_cli.errors import AsrError, InputError, NotFoundError

COMMAND_LINE = "the command line"


@dataclass(frozen=True, slots=True)
class Item:
    """One recording, or a stretch of one, to be transcribed.

    key: its id, unique in a batch, one word; what 1best_recog/text and the report call it.
    source: a path, an address or, where piped, a shell command whose output is the recording.
    name: its result files' path without extension, relative to the output directory, always safe.
    start, end: seconds; no end is the recording's own.
    origin: where it was asked for: "wav.scp:12".
    """

    key: str
    source: str
    name: str
    start: float = 0.0
    end: float | None = None
    piped: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was asked for and cannot be a recording."""

    item: Item
    error: AsrError


def check(item: Item) -> AsrError | None:
    """Why an item cannot be heard, as far as the file system tells without opening it."""
    if item.piped or is_url(item.source):
        return None
    if is_address(item.source):
        return unopenable(item.source)
    try:
        status = os.stat(item.source)  # noqa: PTH116 - Path costs more than the question, 100,000 times
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return missing(item)
    except OSError as error:
        return InputError(f"cannot read {item.source!r}: {error.strerror}; check its permissions")
    if not stat.S_ISREG(status.st_mode):
        return irregular(item.source, status)
    if not os.access(item.source, os.R_OK):
        return InputError(f"cannot read {item.source!r}: Permission denied; check its permissions")
    return None if status.st_size else empty(repr(item.source))


def unopenable(address: str) -> AsrError | None:
    """Whether a package for such addresses is missing; only the store itself could tell more."""
    try:
        insist_on_store(address)
    except AsrError as error:
        return error
    return None


def irregular(source: str, status: os.stat_result) -> InputError:
    if stat.S_ISDIR(status.st_mode):
        return no_recording(source)
    return InputError(f"{source!r} is a pipe or a device, which can be heard only once; a batch needs files")


def missing(item: Item) -> NotFoundError:
    # Looking for the neighbor that was meant lists a directory: once for a name typed, not for each line of a list.
    if item.origin == COMMAND_LINE:
        return not_found(item.source)
    if re.search(r"\.ark:\d+$", item.source):
        return NotFoundError(
            f"{item.source!r} ({item.origin}) is a place in a Kaldi archive, which is not read here;"
            " write its recordings into files with wav-copy"
        )
    return NotFoundError(f"{item.source!r} ({item.origin}) not found; check the path")


def size_of(item: Item) -> int | None:
    """How many bytes the recording's file has; None where only opening it would tell."""
    if item.piped or is_address(item.source):
        return None
    try:
        status = os.stat(item.source)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def is_one_word(text: str) -> bool:
    return len(text.split()) == 1 and not text[0].isspace() and not text[-1].isspace()


def placed(path: str, folder: str) -> str:
    """A path out of a list, as it is written or, where only that is there, from the folder the list is in."""
    path = local_path(path)
    if not folder or os.path.isabs(path) or is_address(path) or os.path.lexists(path):  # noqa: PTH117
        return path
    beside = os.path.join(folder, path)  # noqa: PTH118
    return beside if is_address(folder) or os.path.lexists(beside) else path
