"""What a recording is called where nobody gave it an id: by its file's name, and the stretch that is cut out of it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from asr_cli.audio.address import is_address, is_url

# The fields of a manifest's record, of each kind the one that counts first.
KEYS = ("key", "id", "utt", "utt_id", "uttid")
SOURCES = ("source", "audio_filepath", "audio", "wav", "path")
STARTS = ("offset", "start")
CUT_MARK = re.compile(r"(?<=.)-\d{7,}-(?:\d{7,}|end)$", re.DOTALL)
TO_THE_END = -1
LONGEST = 1e9  # s; thirty years are beyond any recording, and a number beyond that is a mistake


def made_key(record: Mapping[str, Any], source: str) -> str:
    """The id of a record that has none.

    >>> made_key({"offset": 1.5, "duration": 2}, "mm/my talk.wav"), made_key({"duration": 2}, "mm/talk.wav")
    ('my_talk-0001500-0003500', 'talk')
    """
    return one_word(stem(source)) + mark(record)


def mark(record: Mapping[str, Any]) -> str:
    """What the record cuts out of its recording; empty where it cuts nothing."""
    return "" if first(record, STARTS) is None else cut_mark(*span(record))


def first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def span(record: Mapping[str, Any]) -> tuple[float, float | None]:
    """Start and end in seconds; a ValueError says what is no such thing.

    A duration without a start is the whole recording's, and cuts nothing.
    """
    began, ended, duration = first(record, STARTS), record.get("end"), record.get("duration")
    start = 0.0 if began is None else seconds(began, "start")
    if start < 0:
        raise ValueError(f"a recording cannot start at {start:g} s")
    if ended is not None and ended != TO_THE_END:
        end = seconds(ended, "end")
    elif ended is None and began is not None and duration is not None:
        end = start + seconds(duration, "duration")
    else:
        return start, None
    if end <= start:
        raise ValueError(f"it ends at {end:g} s, not after its start at {start:g} s")
    return start, end


def seconds(value: Any, what: str) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not abs(number) <= LONGEST:
        raise ValueError(f"the {what} {value!r:.40} is no time; write seconds, such as 12.5")
    return number


def cut_mark(start: float, end: float | None) -> str:
    """What tells the stretches of one recording apart where nobody gave them ids: milliseconds.

    >>> cut_mark(1.5, 4.25), cut_mark(60.0, None)
    ('-0001500-0004250', '-0060000-end')
    """
    return f"-{round(start * 1000):07d}-" + ("end" if end is None else f"{round(end * 1000):07d}")


def uncut(key: str) -> str:
    """The id of the recording that a stretch with a made id was cut out of.

    >>> uncut("talk-0001500-0004250"), uncut("talk-0060000-end"), uncut("BAC009-0724")
    ('talk', 'talk', 'BAC009-0724')
    """
    return CUT_MARK.sub("", key)


def one_word(text: str) -> str:
    """A name as an id: tables of ids end an id at its first space.

    >>> one_word("my talk")
    'my_talk'
    """
    return re.sub(r"\s", "_", text)


def stem(source: str) -> str:
    """
    >>> stem("-"), stem("a/talk.one.mp3"), stem("https://x.org/a%20b.mp3?c=d"), stem("https://x.org/"), stem("s3://b/c.d")
    ('stdin', 'talk.one', 'a b', 'x.org', 'c')
    """
    if source == "-":
        return "stdin"
    if is_url(source):
        try:
            parts = urlsplit(source)
        except ValueError:  # half an IPv6 address
            return "url"
        name = Path(unquote(parts.path)).stem
        return re.sub(r"[^\w .()-]", "_", name) or parts.hostname or "url"
    if is_address(source):
        path = source.split("::")[0].partition("://")[2]
        return re.sub(r"[^\w .()-]", "_", Path(path).stem) or "store"
    return Path(source).stem
