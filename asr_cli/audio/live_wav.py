"""WAV out of a pipe as the raw samples that it holds.

ffmpeg looks at the first 64 KiB of a WAV for compressed sound in disguise: two seconds of a microphone's.
"""

import struct
from collections.abc import Callable

from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.sniff import UNKNOWN_SIZES

PCM, FLOAT, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
FORMATS = {
    (PCM, 8): "u8", (PCM, 16): "s16le", (PCM, 24): "s24le", (PCM, 32): "s32le",
    (FLOAT, 32): "f32le", (FLOAT, 64): "f64le", (ALAW, 8): "alaw", (MULAW, 8): "mulaw",
}  # fmt: skip
SUBFORMAT_AT = 24  # in the format chunk, the tag that an extensible one really has
MOST_HEADER_BYTES = 65_536

Read = Callable[[int], bytes]


def samples_of(head: bytes, read: Read) -> tuple[PcmFormat | None, bytes, Read]:
    """The format of the samples, and the head and the reading that give them alone.

    The format is None, and the head has grown, where this is no WAV or none of bare samples.
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None, head, read
    pcm, at = None, 12
    while at + 8 <= MOST_HEADER_BYTES:
        head = grown(head, at + 8, read)
        if len(head) < at + 8:
            break
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            if pcm is None:
                break
            n_bytes = size if 0 < size < UNKNOWN_SIZES.start else None
            return pcm, *limited(head[at:], read, n_bytes)
        if at + size > MOST_HEADER_BYTES:
            break
        head = grown(head, at + size, read)
        if name == b"fmt ":
            pcm = pcm_format(head[at : at + size])
            if pcm is None:
                break
        at += size + size % 2
    return None, head, read


def grown(head: bytes, n_bytes: int, read: Read) -> bytes:
    while len(head) < n_bytes and (more := read(n_bytes - len(head))):
        head += more
    return head


def pcm_format(chunk: bytes) -> PcmFormat | None:
    if len(chunk) < 16:
        return None
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= SUBFORMAT_AT + 2:
        (tag,) = struct.unpack_from("<H", chunk, SUBFORMAT_AT)
    sample_format = FORMATS.get((tag, bits))
    if sample_format is None or not (rate and channels) or frame_bytes != channels * bits // 8:
        return None
    return PcmFormat(rate, channels, sample_format)


def limited(head: bytes, read: Read, n_bytes: int | None) -> tuple[bytes, Read]:
    """Without what comes after the samples: titles, marks. None: nobody knows where they end."""
    if n_bytes is None:
        return head, read
    n_left = n_bytes - len(head)

    def read_samples(n_wanted: int) -> bytes:
        nonlocal n_left
        data = read(min(n_wanted, n_left)) if n_left > 0 else b""
        n_left -= len(data)
        return data

    return head[:n_bytes], read_samples
