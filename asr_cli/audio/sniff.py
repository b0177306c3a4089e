"""What a file's first bytes tell without decoding it."""

import struct

HEAD_BYTES = 65_536
# Writers to a pipe cannot know the size; they leave one of these, or something just below 2 GiB (SoX).
UNKNOWN_SIZES = range(0x7FFF_F000, 0x1_0000_0000)
MP4_FIRST_BOXES = (b"ftyp", b"styp", b"wide", b"free", b"skip", b"moov", b"mdat", b"pnot")
PLAYLISTS = (
    b"#EXTM3U",
    b"ffconcat version",
    b"[playlist]",
    b"v=0\r\n",
    b"v=0\n",
    b"RTSPtext",
    b"[Reference]",
)
MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"),
)
SOUND = (
    (b"RIFF", "WAV or AVI"),
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"FORM", "AIFF"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
)


def damaged_sound(head: bytes) -> str | None:
    """The format whose first bytes these are, for a file that could not be opened all the same."""
    if head[4:8] == b"ftyp":
        return "MP4"
    return next((name for magic, name in SOUND if head.startswith(magic)), None)


def describe(head: bytes) -> str | None:
    """What the bytes look like, if not sound: "text", "a PDF document"; None where they say nothing."""
    for magic, what in MAGIC:
        if head.startswith(magic):
            return what
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:400].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "text" if is_text(head) else None


def is_playlist(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(PLAYLISTS) or (start[:1] == b"<" and b"<MPD" in start[:2000])


def is_text(head: bytes) -> bool:
    if not head or b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 >= 0 and len(head) > 4  # only the last character is cut
    return not any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)


def needs_seeking(head: bytes) -> bool:
    """Whether this is an MP4 whose index comes after the sound, which cannot be read from a pipe."""
    if head[4:8] not in MP4_FIRST_BOXES:
        return False
    position = 0
    while position + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, position)
        if kind in (b"moov", b"moof"):
            return False
        if kind == b"mdat" or size < 8:
            return True
        position += size
    return True


def wav_seconds(head: bytes) -> float | None:
    """The seconds that a WAV header announces; ffmpeg goes by the file's size where the two differ."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position, bytes_per_second = 12, 0
    while position + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, position)
        if name == b"fmt " and position + 20 <= len(head):
            (bytes_per_second,) = struct.unpack_from("<I", head, position + 16)
        if name == b"data":
            known = size and size not in UNKNOWN_SIZES and bytes_per_second
            return size / bytes_per_second if known else None
        position += 8 + size + size % 2
    return None
