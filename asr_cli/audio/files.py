"""Any file, address or stream -> blocks of 16 kHz mono, one after the other, never the whole in memory."""

from collections.abc import Generator

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.decoder import Decoder
from asr_cli.audio.ffmpeg import REMOTE, decode_command
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.plain import PlainReader, plain
from asr_cli.audio.samples import cleaner, parse_channel, pick
from asr_cli.audio.source import Opened, Source, open_source
from asr_cli.audio.trouble import unreadable, warn_if_cut_short
from asr_cli.errors import InputError, UsageError

BLOCK_SECONDS = 0.5
Reader = Decoder | PlainReader


def read_blocks(
    source: Source,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: str | int = "mix",
    track: int | None = None,
    pcm: PcmFormat | None = None,
    block_seconds: float = BLOCK_SECONDS,
) -> Generator[Audio]:
    """Yield the recording in blocks of block_seconds (the last one is shorter), each with its start.

    source: a path, an http(s) address, "-" for standard input, bytes, or a file opened in binary mode.
    channel: "mix" (the mean), "left", "right" or a number from 0. track: which audio track, from 0.
    """
    check_span(start, end)
    if track is not None and track < 0:
        raise UsageError(f"there is no audio track {track}; tracks are counted from 0")
    wanted = parse_channel(channel)
    with open_source(source, pcm=pcm) as opened:
        yield from decode(
            opened,
            start=start,
            end=end,
            channel=wanted,
            track=track or 0,
            pcm=pcm,
            n_block=size(block_seconds),
        )


def decode(
    opened: Opened,
    *,
    start: float,
    end: float | None,
    channel: int | None,
    track: int,
    pcm: PcmFormat | None,
    n_block: int,
    jump: bool = True,
) -> Generator[Audio]:
    # ffmpeg cannot seek in a pipe: what comes before the start is decoded there, and dropped here.
    seek = start if jump and not opened.read else 0.0
    clean = cleaner(opened.name)
    n_wanted = None if end is None else round((end - start) * SAMPLE_RATE)
    with reader(opened, start, seek, track, pcm) as decoder:
        n_skipped = skip(decoder, round((start - seek) * SAMPLE_RATE))
        n_heard = 0
        while n_wanted is None or n_heard < n_wanted:
            n_asked = n_block if n_wanted is None else min(n_block, n_wanted - n_heard)
            frames = decoder.read(n_asked)
            if len(frames):
                samples = clean(pick(frames, channel, opened.name))
                yield Audio(samples, start=start + n_heard / SAMPLE_RATE)
                n_heard += len(frames)
            if len(frames) < n_asked:
                if not n_heard and seek and opened.protocols == REMOTE:
                    break
                n_before = round(seek * SAMPLE_RATE) + n_skipped
                conclude(opened, decoder, n_heard, n_before, n_skipped, track=track, start=start)
                return
        else:
            return
    # Nothing came: many a server cannot begin in the middle.
    yield from decode(opened, start=start, end=end, channel=channel, track=track, pcm=pcm, n_block=n_block, jump=False)


def reader(opened: Opened, start: float, seek: float, track: int, pcm: PcmFormat | None) -> Reader:
    found = plain(opened, start) if pcm is None and track == 0 else None
    if found:
        return PlainReader(found, opened.name)
    return Decoder(
        decode_command(opened.url, protocols=opened.protocols, track=track, start=seek, pcm=pcm), opened.read
    )


def skip(decoder: Reader, n_frames: int) -> int:
    n_left = n_frames
    while n_left and (n_read := len(decoder.read(min(n_left, SAMPLE_RATE)))):
        n_left -= n_read
    return n_frames - n_left


def conclude(
    opened: Opened,
    decoder: Reader,
    n_heard: int,
    n_before: int,
    n_skipped: int,
    *,
    track: int,
    start: float,
) -> None:
    """The stream has ended: was that the end of the recording?"""
    exit_code = decoder.finish()
    if decoder.failure:
        raise decoder.failure
    if n_heard:
        warn_if_cut_short(opened, decoder.report, exit_code, (n_before + n_heard) / SAMPLE_RATE)
    elif n_skipped:
        raise InputError(f"{opened.name} ends at {n_before / SAMPLE_RATE:.2f} s, before the start given ({start:g} s)")
    else:
        raise unreadable(opened, decoder.report, track=track, start=start)


def check_span(start: float, end: float | None) -> None:
    if not start >= 0 or (end is not None and not end > start):
        raise UsageError(f"start {start:g} and end {end} leave nothing to hear; end comes after start")


def size(block_seconds: float) -> int:
    n_block = round(block_seconds * SAMPLE_RATE)
    if n_block < 1:
        raise UsageError(f"blocks of {block_seconds} s are too short to hold a sample")
    return n_block
