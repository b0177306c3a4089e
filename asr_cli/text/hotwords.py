"""Words that a user expects to hear.

>>> read_hotwords("阿里巴巴 达摩院"), read_hotwords("speech recognition, Whisper")
(('阿里巴巴', '达摩院'), ('speech recognition', 'Whisper'))
"""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from asr_cli.errors import NotFoundError, UsageError
from asr_cli.text.finish import Stage
from asr_cli.transcript import Segment, Word

log = logging.getLogger("asr")

COMMENT = "#"
WEIGHTED = re.compile(r"(.+?)\s+-?\d+(?:\.\d+)?")  # "word 20", as FunASR's services take them
LIST_SUFFIXES = (".txt", ".list", ".hotwords")


def read_hotwords(given: str | Path | Iterable[str]) -> tuple[str, ...]:
    """The hotwords of a list, of a text (divided at commas, else at spaces), or of the file that a text names."""
    if not given:
        return ()
    found = hotwords_of(given)
    if not found:
        raise UsageError(f"there are no hotwords in {str(given)!r}")
    return found


def hotwords_of(given: str | Path | Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, Path):
        return from_file(given)
    if not isinstance(given, str):
        return unique(given)
    path = Path(given)
    if is_folder(path):
        raise UsageError(f"{given!r} is a directory; name a file of hotwords, or the words themselves")
    if is_file(path):
        return from_file(path)
    if given.lower().endswith(LIST_SUFFIXES):
        raise NotFoundError(f"there is no file of hotwords {given!r}")
    return unique(re.split("[,，、;；\n]", given) if re.search("[,，、;；\n]", given) else given.split())


def is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a file's name
        return False


def from_file(path: Path) -> tuple[str, ...]:
    """One hotword a line; a comment begins with #. Numbers at the end of all lines are weights, and left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the hotwords in {str(path)!r} are not UTF-8 text; save the file as UTF-8") from error
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file of hotwords {str(path)!r}") from error
    except OSError as error:
        raise UsageError(f"cannot read the hotwords in {str(path)!r}: {error.strerror}") from error
    if "\0" in text:
        raise UsageError(f"{str(path)!r} is no text, so no hotwords are in it")
    stripped = [line.strip() for line in text.splitlines()]
    lines = [line for line in stripped if line and not line.startswith(COMMENT)]
    weighted = [WEIGHTED.fullmatch(line) for line in lines]
    is_name = len(lines) == 1 and lines[0].isascii()  # Windows 11
    if is_name or not lines or not all(weighted):
        return unique(lines)
    log.warning("models weigh all hotwords alike (--hotword-weight), so the weights in %r are left out", str(path))
    return unique(found[1] for found in weighted if found)


def unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def as_written(hotwords: Iterable[str], stages: Iterable[Stage]) -> dict[str, str]:
    """Each hotword in the digits and the script that `stages` give a transcript."""
    return {hotword: finished(hotword, stages) for hotword in hotwords}


def finished(text: str, stages: Iterable[Stage]) -> str:
    segments: Iterable[Segment] = (Segment((Word(text, 0.0, 0.0),)),)
    for stage in stages:
        segments = stage(segments)
    return "".join(segment.text for segment in segments)


def n_hits(hotword: str, text: str, *spellings: str) -> int:
    """How often a text has a hotword, in any of its spellings and any case; a Latin one as a word of its own.

    >>> n_hits("cat", "Cat, concatenate; the cat"), n_hits("达摩院", "阿里巴巴达摩院"), n_hits("个", "三個", "個")
    (2, 1, 1)
    """
    longest_first = sorted({hotword, *spellings}, key=len, reverse=True)
    return len(re.findall("|".join(map(pattern_of, longest_first)), text, re.IGNORECASE))


def pattern_of(hotword: str) -> str:
    before = r"(?<![a-z0-9])" if hotword[:1].isascii() else ""
    after = r"(?![a-z0-9])" if hotword[-1:].isascii() else ""
    return before + r"\s*".join(map(re.escape, hotword.split())) + after
