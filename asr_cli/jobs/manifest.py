"""Everything a batch is asked for: lists in four dialects, directories, patterns, files and addresses.

Light to import and to run: nothing is opened but the lists, so that a mistake in line 90,000 is told before any model
loads. A recording that is not there is no mistake of the list: it is an `Item` like all, and `check` says so.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from asr_cli.audio.address import is_address, is_remote_folder, is_url, local_path, without_password
from asr_cli.audio.ids import one_word, stem
from asr_cli.audio.inputs import globbed, identity, inside
from asr_cli.audio.remote import listed
from asr_cli.errors import UsageError
from asr_cli.jobs.manifest_item import COMMAND_LINE, Item, Refusal, check, placed, size_of
from asr_cli.jobs.manifest_json import read_json_lines
from asr_cli.jobs.manifest_kaldi import cut_into_segments, read_scp
from asr_cli.jobs.manifest_lines import folder_of, is_stdin, lines, place_of, text_of
from asr_cli.jobs.names import fold, safe_names, safe_path

__all__ = ["Item", "Refusal", "check", "read_items", "size_of"]

JSON = (".jsonl", ".json")
NO_NAME = "standard input has no name, which each recording of a batch needs; name files, or pass a list with -a -"


def read_items(
    inputs: Sequence[str],
    *,
    batch_file: str | None = None,
    segments: str | None = None,
    recursive: bool = False,
    allow_pipes: bool = False,
) -> list[Item]:
    """Every recording that is asked for, in the order asked.

    What is wrong with a list refuses the whole run, before anything is done.
    batch_file: a list as with "@", or "-" for one on standard input. segments: cuts what the inputs name.
    """
    reader = Reader(recursive, allow_pipes, segments is not None)
    items = [item for text in inputs for item in reader.read(text)]
    if batch_file is not None:
        items += reader.read_list(batch_file)
    if not items:
        raise UsageError("nothing to transcribe: name recordings, a directory or a list")
    items = without_repeats(items)
    if segments is not None:
        items = without_repeats(list(cut_into_segments(items, segments)))
    return named(items)


@dataclass(frozen=True, slots=True)
class Reader:
    """How inputs are to be taken; a name that an item lacks is made of its id later, in view of all of them.

    is_cut: by the segments that were given, so not by those of a data directory.
    """

    recursive: bool
    allow_pipes: bool
    is_cut: bool

    def read(self, text: str) -> Iterable[Item]:
        text = local_path(text)
        if not text:
            raise UsageError("an input is an empty text; name a recording, a directory or a list")
        if is_stdin(text):
            raise UsageError(NO_NAME)
        if text.startswith("@") and len(text) > 1:
            return self.read_list(text[1:])
        if is_remote_folder(text):
            return self.read_store(text)
        if is_address(text):
            return [from_path(text, COMMAND_LINE)] if is_url(text) else self.read_file(text)
        if os.path.isdir(text):  # noqa: PTH112
            return self.read_folder(text)
        if not os.path.lexists(text) and (matches := globbed(text, self.recursive)):
            return [item for name in matches for item in self.read_file(name)]
        return self.read_file(text)

    def read_file(self, text: str) -> Iterable[Item]:
        return self.read_list(text) if suffix(text) in (".scp", *JSON) else [from_path(text, COMMAND_LINE)]

    def read_list(self, name: str) -> Iterable[Item]:
        if suffix(name) == ".scp":
            return read_scp(name, allow_pipes=self.allow_pipes)
        return read_json_lines(name) if suffix(name) in JSON else read_paths(name)

    def read_store(self, address: str) -> Iterable[Item]:
        found = listed(address, recursive=self.recursive)
        if address.endswith("/"):
            return mirrored(address, found)
        return [from_path(name, COMMAND_LINE) for name, _ in found]

    def read_folder(self, folder: str) -> Iterable[Item]:
        scp, cuts = os.path.join(folder, "wav.scp"), os.path.join(folder, "segments")  # noqa: PTH118
        if not os.path.isfile(scp):  # noqa: PTH113
            names = inside(folder, self.recursive)
            return mirrored(folder, ((name, os.path.relpath(name, folder)) for name in names))
        recordings = read_scp(scp, allow_pipes=self.allow_pipes)
        if self.is_cut or not os.path.lexists(cuts):
            return recordings
        return cut_into_segments(without_repeats(list(recordings)), cuts)


def suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def read_paths(name: str) -> Iterator[Item]:
    """The recordings of a list with a path or an address a line."""
    folder = folder_of(name)
    for number, line in lines(name):
        text = text_of(line)
        if is_stdin(text):
            raise UsageError(f"{place_of(name, number)}: {NO_NAME}")
        yield from_path(placed(text, folder), place_of(name, number))


def from_path(text: str, origin: str) -> Item:
    name = stem(text) or os.path.basename(os.path.abspath(text)) or "root"  # noqa: PTH100, PTH119
    return Item(one_word(name), text, safe_path(name.replace("/", "_")), origin=origin)


def mirrored(folder: str, found: Iterable[tuple[str, str]]) -> Iterator[Item]:
    """The recordings in a folder, called by where they are in it: each is given with its path from there."""
    for source, inner in found:
        name = os.path.splitext(inner)[0].replace(os.sep, "/")  # noqa: PTH122
        yield Item(one_word(name), source, safe_path(name), origin=folder)


def without_repeats(items: Iterable[Item]) -> list[Item]:
    """Each file once, however often it is named; two recordings of one id are refused."""
    known: dict[str, Item] = {}
    for item in items:
        first = known.setdefault(item.key, item)
        if first is not item and not is_same(first, item):
            raise same_key(first, item)
    return list(known.values())


def is_same(first: Item, second: Item) -> bool:
    """Whether a file is named twice; who gives ids means them."""
    is_file = bool(first.name and second.name)
    return is_file and identity(first.source) == identity(second.source)


def same_key(first: Item, second: Item) -> UsageError:
    if first.name and second.name:
        return UsageError(
            f"{shown(first)} and {shown(second)} would both be called {first.key!r};"
            " rename one, or give them ids in a wav.scp"
        )
    return UsageError(
        f"the id {first.key!r} is there twice, in {first.origin} and in {second.origin}; give each recording its own"
    )


def shown(item: Item) -> str:
    return repr(without_password(item.source))


def named(items: Sequence[Item]) -> list[Item]:
    """The items with a name each: files keep theirs, an id gets one that no file system takes for another's."""
    names = safe_names((item.key for item in items if not item.name), (item.name for item in items if item.name))
    complete = [item if item.name else replace(item, name=names[item.key]) for item in items]
    taken: dict[str, Item] = {}
    for item in complete:
        first = taken.setdefault(fold(item.name), item)
        if first is not item:
            raise UsageError(
                f"{shown(first)} and {shown(item)} would write the same files ({item.name});"
                " rename one, or give them ids in a wav.scp"
            )
    return complete
