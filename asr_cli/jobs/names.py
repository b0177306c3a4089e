"""Names for result files, from ids and file names that anybody may have chosen.

Two different ids never share a file, not even on a disk that takes "A" for "a" or that composes accents; no id leaves
the output directory; and what is already a plain name keeps it.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_BYTES = 180  # of the 255 that a file system gives; the rest is for suffixes, partial names and journals
PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
# Separators, what Windows forbids, and the two marks that only we put into a name.
FORBIDDEN = frozenset('/\\<>:"|?*%~')
PARTIAL = ".part"  # x.part.srt is where x.srt lies until it is complete
RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?: *\.| *$)", re.IGNORECASE)


def safe_name(text: str) -> str:
    """A file name for an id; different ids have different names.

    >>> safe_name("BAC009S0764W0121"), safe_name("../etc/passwd"), safe_name("会议 1"), safe_name("nul")
    ('BAC009S0764W0121', '%2E.%2Fetc%2Fpasswd', '会议 1', '%6Eul')
    """
    if PLAIN.fullmatch(text) and len(text) <= MAX_BYTES and not is_taken(text):
        return text
    name = escaped(text)
    return name if len(name.encode()) <= MAX_BYTES else shortened(name, text)


def safe_path(text: str) -> str:
    """The same for a path relative to a folder that is mirrored: each part by itself."""
    return "/".join(safe_name(part) for part in text.split("/"))


def escaped(text: str) -> str:
    if not text:
        return "%"  # no other text is written so
    characters = [char if is_harmless(char) else escape(char) for char in text]
    # "..", "-rf", hidden files, and what Windows takes off an end.
    if text[0] in "-." or text[0].isspace() or RESERVED.match(text):
        characters[0] = escape(text[0])
    if text[-1] == "." or text[-1].isspace():
        characters[-1] = escape(text[-1])
    if text.casefold().endswith(PARTIAL):
        characters[-len(PARTIAL)] = escape(".")
    return "".join(characters)


def is_harmless(char: str) -> bool:
    return char not in FORBIDDEN and (char.isprintable() or unicodedata.category(char) == "Zs")


def escape(char: str) -> str:
    """What stands for a character: two digits for ASCII and for a byte that is no text, six for all else."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds such a byte
        return f"%{code - 0xDC00:02X}"
    return f"%{code:02X}" if code < 0x80 else f"%u{code:06X}"


def is_taken(plain: str) -> bool:
    return plain.lower().endswith(PARTIAL) or RESERVED.match(plain) is not None


def shortened(name: str, text: str) -> str:
    # 16 digits rather than the 8 that tell a few apart: a corpus may have 100,000 ids that begin alike.
    mark = f"~{digest(text)[:16]}"
    return name.encode()[: MAX_BYTES - len(mark)].decode(errors="ignore") + mark


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fold(name: str) -> str:
    """What a file system may take a name for: without case, in one normal form.

    >>> fold("Straße") == fold("STRASSE"), fold("e\u0301") == fold("É")
    (True, True)
    """
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).upper().casefold())


def safe_names(ids: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A file name for each of these ids, no two of them the same to any file system, nor the same as one taken."""
    names = {text: safe_name(text) for text in ids}
    counts = Counter(fold(name) for name in names.values())
    counts.update({fold(name) for name in taken})
    for text, name in names.items():
        if counts[fold(name)] > 1:
            names[text] = f"{name}~{digest(text)[:8]}"
    return names
