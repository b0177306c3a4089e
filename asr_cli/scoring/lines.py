"""Text files of utterances, strictly: what is not what it should be is told with its line."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from asr_cli.errors import InputError, NotFoundError
from asr_cli.scoring.units import TOKEN


def read_text(path: Path) -> str:
    """The file's text with plain line breaks and without a byte order mark."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise NotFoundError(f"{str(path)!r} not found; check the name") from problem
    except (OSError, ValueError) as problem:
        raise InputError(f"cannot read {str(path)!r}: {getattr(problem, 'strerror', None) or problem}") from problem
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        n_line = data[: problem.start].count(b"\n") + 1
        raise InputError(
            f"{str(path)!r} is not UTF-8 text (line {n_line}); give a text file, or convert it, for example with iconv"
        ) from problem
    if "\0" in text:
        n_line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{str(path)!r} is no text file (a zero byte in line {n_line}); give a transcript")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def every_line(text: str) -> Iterator[tuple[int, str]]:
    """The lines, counted from 1; a line break at the very end begins none. Other separators are text."""
    body = text.removesuffix("\n")
    for n_line, line in enumerate(body.split("\n") if text else (), 1):
        yield n_line, line.strip(" \t\f\v")


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that hold something."""
    return ((n_line, line) for n_line, line in every_line(text) if line.strip())


def kaldi_entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, id and text of Kaldi's `text`: an id, then what was said, which may be nothing."""
    for n_line, line in numbered(text):
        key = TOKEN.search(line)
        if key is not None:
            yield n_line, key[0], line[key.end() :].strip(" \t\f\v")


def is_kaldi(text: str) -> bool:
    """Whether a .txt file looks like Kaldi's `text`: several lines, each begun by an id of its own.

    An id is taken for one that has a digit beside other characters, all ASCII.
    """
    keys = [key for _, key, _ in kaldi_entries(text)]
    return len(keys) > 1 and len(set(keys)) == len(keys) and all(map(is_id, keys))


def is_id(key: str) -> bool:
    """
    >>> [key for key in ("utt1", "BAC009S0724W0121", "1089-134686-0000") if is_id(key)]
    ['utt1', 'BAC009S0724W0121', '1089-134686-0000']
    >>> [key for key in ("1995", "well-known", "1.", "第1") if is_id(key)]
    []
    """
    has_digit = any(map(str.isdigit, key))
    return key.isascii() and has_digit and not key.strip(".,:;!?()%$").isdigit()


def unique(path: Path, entries: Iterable[tuple[int, str, str]], kind: str = "line") -> Mapping[str, str]:
    """Texts by id, in the file's order; an id that comes twice is refused."""
    texts: dict[str, str] = {}
    places: dict[str, int] = {}
    for place, key, text in entries:
        if key in places:
            raise InputError(
                f"{str(path)!r} has the id {key!r} twice, in {kind}s {places[key]} and {place}; remove one"
            )
        texts[key], places[key] = text, place
    return texts
