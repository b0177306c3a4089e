"""Sound at the pace of speech: out of a pipe as soon as it is there, out of a file as though it were spoken."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack

import ffmpeg
import numpy as np

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.decoder import Decoder
from asr_cli.audio.ffmpeg import PIPED, PLACE, RESAMPLE, input_options, placed, quiet
from asr_cli.audio.files import conclude, read_blocks
from asr_cli.audio.inputs import empty
from asr_cli.audio.live_wav import grown, samples_of
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.samples import cleaner, pick
from asr_cli.audio.sniff import MP4_FIRST_BOXES, needs_seeking
from asr_cli.audio.source import SNIFF_BYTES, Opened, Source, opened_as, spooled
from asr_cli.audio.waiting import waiting
from asr_cli.errors import NoAudioError, UsageError

FILE_SECONDS = 0.1  # of the blocks of a file
LEAST_SECONDS = 0.02  # of a live block: whoever pipes sample by sample should not be answered so
MOST_SECONDS = 0.1
N_LEAST = round(LEAST_SECONDS * SAMPLE_RATE)
N_MOST = round(MOST_SECONDS * SAMPLE_RATE)
OURS = PcmFormat(SAMPLE_RATE)
BYTES_PER_SAMPLE = 2
HEAD_BYTES = 12  # enough to see a WAV or an MP4
# Begin with the first packet. Not with -fflags nobuffer: that throws away what the look at the stream has read.
AT_ONCE = {"probesize": 32, "analyzeduration": 0}


def read_live(source: Source, *, pcm: PcmFormat | None = None) -> Generator[Audio]:
    """Yield what a pipe, an address, a command or "-" gives, in blocks of 20 to 100 ms, as soon as it is there.

    Samples of 16 kHz mono come as they are, everything else through ffmpeg. A file is read as `read_blocks` does.
    """
    with ExitStack() as stack:
        opened = opened_as(source, stack, headed=False)
        if opened.path is not None:
            stack.close()
            yield from read_blocks(source, pcm=pcm, block_seconds=FILE_SECONDS)
            return
        if opened.read is not None and pcm is None:
            opened, pcm = begun(opened.name, opened.read, stack)
        if opened.read is not None and pcm == OURS:
            yield from raw(opened.name, opened.read)
        else:
            yield from decoded(opened, pcm)


def raw(name: str, read: Callable[[int], bytes]) -> Iterator[Audio]:
    n_given, kept, is_over, n_bytes = 0, b"", False, 0
    while not is_over:
        data = read(N_MOST * BYTES_PER_SAMPLE - len(kept))
        is_over, n_bytes, kept = not data, n_bytes + len(data), kept + data
        n_whole = len(kept) // BYTES_PER_SAMPLE
        if n_whole >= N_LEAST or (is_over and n_whole):
            samples = np.frombuffer(kept, "<i2", n_whole).astype(np.float32) / np.float32(32768)
            yield Audio(samples, start=n_given / SAMPLE_RATE)
            n_given, kept = n_given + n_whole, kept[n_whole * BYTES_PER_SAMPLE :]
    if not n_bytes:
        raise empty(name)
    if not n_given:
        raise NoAudioError(f"{name} holds half a sample; there is nothing to transcribe")


def begun(name: str, read: Callable[[int], bytes], stack: ExitStack) -> tuple[Opened, PcmFormat | None]:
    """A stream whose first bytes were looked at: without a WAV header, and copied to a file if it must be sought in."""
    head = grown(b"", HEAD_BYTES, read)
    if not head:
        raise empty(name)
    pcm, head, read = samples_of(head, read)
    if head[4:8] in MP4_FIRST_BOXES:
        head = grown(head, SNIFF_BYTES, read)
    opened = Opened("pipe:0", PIPED, name, head, read=after(head, read))
    return (stack.enter_context(spooled(opened)) if needs_seeking(head) else opened), pcm


def after(head: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Reading that gives the head first."""
    left = head

    def read_all(n_bytes: int) -> bytes:
        nonlocal left
        if not left:
            return read(n_bytes)
        given, left = left[:n_bytes], left[n_bytes:]
        return given

    return read_all


def decoded(opened: Opened, pcm: PcmFormat | None) -> Iterator[Audio]:
    clean = cleaner(opened.name)
    with Decoder(live_command(opened.url, protocols=opened.protocols, pcm=pcm), opened.read) as decoder:
        n_given = 0
        while len(frames := decoder.read(N_LEAST)):
            yield Audio(clean(pick(frames, None, opened.name)), start=n_given / SAMPLE_RATE)
            n_given += len(frames)
        conclude(opened, decoder, n_given, 0, 0, track=0, start=0.0)


def live_command(url: str, *, protocols: str, pcm: PcmFormat | None = None) -> list[str]:
    """`ffmpeg.decode_command` for sound that is still being made: nothing is collected on the way."""
    sound = ffmpeg.input(PLACE, **input_options(protocols, pcm, 0.0), **AT_ONCE)["a:0"]
    first = {"format": "framecrc", "acodec": "pcm_s16le", "frames:a": 1, "flush_packets": 1, "map_metadata": -1}
    wanted = {
        "format": "wav",
        "acodec": "pcm_f32le",
        "af": RESAMPLE,
        "flush_packets": 1,
        "map_metadata": -1,
        "fflags": "+bitexact",
    }
    outputs = (ffmpeg.output(sound, "pipe:2", **first), ffmpeg.output(sound, "pipe:1", **wanted))
    return [*quiet(), *placed(ffmpeg.get_args(ffmpeg.merge_outputs(*outputs)), url)]


def paced(
    blocks: Iterable[Audio],
    *,
    speed: float = 1.0,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] | None = None,
) -> Iterator[Audio]:
    """Give each block when its last sample would have been spoken, counted from when the first was there.

    Whoever takes them late gets the next at once, so the end comes when it should. stop: ends them early.
    """
    if not speed > 0:
        raise UsageError(f"a speed of {speed:g} gets nowhere; 1 is that of speech")
    stop = stop or threading.Event()
    rest = sleep or stop.wait
    begun: float | None = None
    for block in blocks:
        if begun is None:
            begun = clock() - block.start / speed
        while not stop.is_set() and (early := begun + block.end / speed - clock()) > 0:
            with waiting():
                rest(early)
        if stop.is_set():
            return
        yield block
