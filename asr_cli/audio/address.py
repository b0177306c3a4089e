"""Addresses of recordings: which they are, who opens them, and what of them may be shown."""

import os
import re
from urllib.parse import unquote

HTTP = re.compile(r"https?://", re.IGNORECASE)
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
MAX_SAID = 160  # characters of what another program says that a message repeats
# A password in an address, and the keys and signatures that addresses carry behind their question mark.
PASSWORD = re.compile(r"//+[^/\s]*@")
NEVER_SHOWN = re.compile(
    r"((?:sig|signature|token|secret|password|passwd|credential|access_?key(?:_?id)?|api_?key)=)[^&#\s'\"]+",
    re.IGNORECASE,
)


def is_url(text: str) -> bool:
    """Whether ffmpeg fetches it itself."""
    return HTTP.match(text) is not None


def is_address(text: str) -> bool:
    """Whether it names a place elsewhere by a scheme: https://, s3://. A drive (C:\\) has one letter, a scheme more."""
    return "://" in text and SCHEME.match(text) is not None


def is_remote_folder(address: str) -> bool:
    """Whether it means several files of a store, which only a store can tell: s3://bucket/talks/, s3://bucket/*.wav."""
    return (
        is_address(address) and not is_url(address) and "::" not in address and (address[-1] == "/" or "*" in address)
    )


def local_path(text: str) -> str:
    """The path that a file:// address is another way to write; anything else as it is."""
    if text[:7].lower() != "file://":
        return text
    path = text[7:].removeprefix("localhost")
    plain = unquote(path)
    return plain if os.path.lexists(plain) and not os.path.lexists(path) else path


def without_password(address: str) -> str:
    """What of an address may be shown.

    >>> without_password("sftp://me:pw@host/a.wav"), without_password("https://h/a.wav?X-Amz-Signature=1f2e&x=1")
    ('sftp://host/a.wav', 'https://h/a.wav?X-Amz-Signature=...&x=1')
    """
    return NEVER_SHOWN.sub(r"\1...", PASSWORD.sub("//", address))
