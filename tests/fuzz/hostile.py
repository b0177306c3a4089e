# ruff: noqa: E501 - a page or a list is one line here
"""Files that ask for other files: everything ffmpeg knows that reads more than it was named, under any suffix."""

import base64
import struct
from random import Random

TEXTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10.0,\n{0}\n#EXTINF:9,\n{1}\n#EXT-X-ENDLIST\n",
    "master.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}\n#EXT-X-STREAM-INF:BANDWIDTH=2\n{1}\n",
    "map.m3u8": '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI="{0}"\n#EXTINF:1,\n{1}\n#EXT-X-ENDLIST\n',
    "key.m3u8": '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n#EXTINF:1,\n{1}\n#EXT-X-ENDLIST\n',
    "media.m3u8": '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{0}"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n{1}\n',
    "m3u": "#EXTM3U\n#EXTINF:3,talk\n{0}\n{1}\n",
    "ffconcat": "ffconcat version 1.0\nfile '{0}'\nduration 3\nfile '{1}'\n",
    "loose.ffconcat": "# a list\nfile '{0}'\nfile {1}\n",
    "option.ffconcat": "ffconcat version 1.0\nfile '{0}'\noption safe 0\noption protocol_whitelist file,http,tcp\n",
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="0" bandwidth="1"><BaseURL>{0}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "smil": '<smil><body><audio src="{0}"/><video src="{1}"/></body></smil>',
    "asx": '<asx version="3.0"><entry><ref href="{0}"/></entry><entryref href="{1}"/></asx>',
    "redirect.asf": "[Reference]\r\nRef1={0}\r\nRef2={1}\r\n",
    "pls": "[playlist]\nNumberOfEntries=2\nFile1={0}\nFile2={1}\nVersion=2\n",
    "xspf": '<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>{0}</location></track></trackList></playlist>',
    "cue": 'FILE "{0}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\nFILE "{1}" MP3\n',
    "rtsptext": "RTSPtext\r\nrtsp://127.0.0.1:{port}/x\r\n",
    "ram": "{0}\n{1}\n",
    "svg": '<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{0}"/><image href="{1}"/></svg>',
    "xxe": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "{0}"><!ENTITY % b SYSTEM "{1}"> %b;]><MPD>&a;</MPD>',
    "imf": '<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:0</Id><Uri>{0}</Uri></CompositionPlaylist>',
    "idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\ntimestamp: 00:00:01:000, filepos: 000000000\n",
    "avs": 'DirectShowSource("{0}")\nImport("{1}")\n',
    "vpy": "import vapoursynth\nopen('{0}').read()\n",
    "lavfi": "amovie='{0}'\n",
    "ass": "[Script Info]\nScriptType: v4.00+\nAudio File: {0}\n[Fonts]\nfontname: {1}\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,,,0,0,0,,x\n",
    "srt": '1\n00:00:00,000 --> 00:00:01,000\n<img src="{0}">{1}\n',
    "vtt": "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000\n\n00:00.000 --> 00:01.000\n{0}\n",
    "ffmeta": ";FFMETADATA1\ntitle={0}\n[CHAPTER]\nSTART=0\nEND=1\ntitle={1}\n",
    "html": '<html><audio src="{0}"></audio><script src="{1}"></script></html>',
}  # fmt: skip
ADDRESSES = (
    "{file}", "file:{file}", "file://{file}", "neighbor-canary.wav", "./neighbor-canary.wav", "../canary.wav", "001.wav",
    "%03d.wav", "{http}", "{http}?x=.wav", "tcp://127.0.0.1:{port}", "udp://127.0.0.1:{port}", "rtp://127.0.0.1:{port}",
    "rtsp://127.0.0.1:{port}/x", "rtmp://127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/x", "tls://127.0.0.1:{port}",
    "mms://127.0.0.1:{port}/x", "gopher://127.0.0.1:{port}/x", "sftp://127.0.0.1:{port}/x", "srt://127.0.0.1:{port}",
    "concat:{file}|{file}", "concatf:{file}", "subfile,,start,0,end,0,,:{file}", "async:{file}", "cache:{file}",
    "crypto:{file}", "hls+file:{file}", "hls+{http}", "data:audio/wav;base64,{base64}", "unix:{file}", "fd:0",
    "pipe:0", "/dev/stdin", "/dev/fd/0", "/etc/hostname", "file:/etc/hostname", "\\\\127.0.0.1\\{port}\\x.wav",
)  # fmt: skip

SAYINGS = (
    "#tb 0: 1/0", "#tb 0: 1/1", "0, 0, 3500, 1, 1, 0x00000000", "0, 0, -3500, 1, 1, 0x00000000", "Duration: 99:59:59.99",
    "Stream #0:7(eng): Audio: mp3, 1 Hz, 9 channels", "Stream #0:0: Video: x", "\nStream mapping:", "\nOutput #0", "\nInput #0, mp3, from 'x':",
    "Error \x1b[31mred\x1b[2J\x07", "Invalid\rdata\tfound", "moov atom not found", "not on whitelist 'x'", "Decoder x not found",
    "hls @", "partial file", "Estimating duration from bitrate", "x" * 5000, "\u202eError", "Error \ud7ff\u0085\u2028 corrupt",
)  # fmt: skip


def reference(rng: Random, canary: str, port: int) -> str:
    """An address of the canary, as a file or a port, in one of the ways ffmpeg knows."""
    return rng.choice(ADDRESSES).format(
        file=canary,
        http=f"http://127.0.0.1:{port}/canary.wav",
        port=port,
        base64=base64.b64encode(b"RIFF" + bytes(40)).decode(),
    )


def text(rng: Random, canary: str, port: int) -> tuple[str, bytes]:
    """A list, script or page that names the canary, and what its kind is called."""
    kind = rng.choice(list(TEXTS))
    body = TEXTS[kind].format(reference(rng, canary, port), reference(rng, canary, port), port=port)
    return kind, disguised(rng, body)


def disguised(rng: Random, body: str) -> bytes:
    plain = body.encode()
    before = (b"", b"", b"", b"", b"\xef\xbb\xbf", b"\n\n  ", id3(b""), b"RIFF\xff\xff\0\0WAVEdata\xff\xff\xff\x7f")
    if rng.random() < 0.05:
        return body.encode("utf-16")
    return rng.choice(before) + (plain.replace(b"\n", b"\r\n") if rng.random() < 0.2 else plain)


def id3(frames: bytes) -> bytes:
    size = len(frames)
    return b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frames


def id3_linked(address: bytes) -> bytes:
    """A picture that is elsewhere, and frames of another file."""
    picture = b"\0-->\0\x03\0" + address
    link = b"APIC" + address + b"\0\0"
    return id3(b"".join(n + struct.pack(">IH", len(b), 0) + b for n, b in ((b"APIC", picture), (b"LINK", link))))


def id3_said(rng: Random) -> bytes:
    """Titles that look like what ffmpeg says, for whoever reads its words."""
    frames = b""
    for _ in range(rng.choice((1, 2, 5))):
        key, value = (rng.choice(SAYINGS).encode() for _ in range(2))
        name, body = rng.choice(
            ((b"TXXX", key + b"\0" + value), (b"TIT2", value), (b"COMM", b"eng" + key + b"\0" + value))
        )
        frames += name + struct.pack(">IH", len(body) + 1, 0) + b"\x03" + body
    return id3(frames)


def flac_linked(data: bytes, address: bytes) -> bytes:
    """A FLAC whose cover is an address."""
    body = (
        struct.pack(">II", 3, 3) + b"-->" + struct.pack(">I", 0) + bytes(16) + struct.pack(">I", len(address)) + address
    )
    first = 4 + 4 + 34  # the marker and the block of the stream's properties
    return (
        data[:4]
        + bytes([data[4] & 0x7F])
        + data[5:first]
        + b"\x06"
        + len(body).to_bytes(3, "big")
        + body
        + data[first:]
    )


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mov_linked(data: bytes, rng: Random, address: bytes) -> bytes:
    """An MP4 or MOV whose samples are said to lie in another file."""
    entry = rng.choice(
        (
            box(b"url ", bytes(4) + address + b"\0"),
            box(b"urn ", bytes(4) + b"x\0" + address + b"\0"),
            box(b"alis", bytes(4) + alias(address)),
            box(b"rsrc", bytes(4) + alias(address)),
        )
    )
    return relinked(data, box(b"dref", bytes(4) + struct.pack(">I", 1) + entry))


def alias(address: bytes) -> bytes:
    """A Macintosh alias: a fixed part, then the absolute path as records 2 and 18, relative levels 1 and 1."""
    name = address.rpartition(b"/")[2][:27]
    fixed = struct.pack(">4sHHH", bytes(4), 0, 2, 0) + bytes([5]) + b"canry".ljust(27, b"\0") + bytes(12)
    fixed += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    records = b"".join(
        struct.pack(">HH", kind, len(value)) + value + b"\0" * (len(value) % 2)
        for kind, value in ((2, address.replace(b"/", b":")), (18, address), (0xFFFF, b""))
    )
    return fixed + records


def relinked(data: bytes, dref: bytes) -> bytes:
    """The same boxes with every data reference replaced, sizes made right on the way up."""
    out, at = b"", 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        size = size if 8 <= size <= len(data) - at else len(data) - at
        body = data[at + 8 : at + size]
        if kind == b"dref":
            out += dref
        elif kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
            out += box(kind, relinked(body, dref))
        else:
            out += data[at : at + size]
        at += size
    return out


def movie_reference(address: bytes) -> bytes:
    """A MOV that is nothing but the address of another."""
    link = bytes(4) + b"url " + struct.pack(">I", len(address) + 1) + address + b"\0"
    return box(b"ftyp", b"qt  " + bytes(4)) + box(b"moov", box(b"rmra", box(b"rmda", box(b"rdrf", link))))


def ebml(kind: int, body: bytes) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + (len(body) | 1 << 56).to_bytes(8, "big") + body


def matroska_linked(data: bytes, address: bytes) -> bytes:
    """A Matroska file whose parts before and after are said to be others, with an attachment named like one."""
    info = ebml(0x1549A966, ebml(0x3C83AB, address) + ebml(0x3E83BB, address) + ebml(0x3EB923, b"\x01" * 16))
    file = ebml(0x466E, address) + ebml(0x4660, b"application/x-mpegURL") + ebml(0x465C, b"#EXTM3U\n" + address)
    segment = data.find(b"\x18\x53\x80\x67")
    if segment < 0:
        return data
    attachment = ebml(0x1941A469, ebml(0x61A7, file))
    return data[: segment + 4] + b"\x01" + b"\xff" * 7 + info + attachment + data[segment + 12 :]
