"""The ffmpeg program: where it is, and the two command lines it is given."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ffmpeg

from asr_cli.audio import SAMPLE_RATE
from asr_cli.audio.demuxers import FORMAT_WHITELIST
from asr_cli.audio.pcm import PcmFormat
from asr_cli.errors import DependencyError

LOCAL, PIPED = "file", "pipe"
PLACE = "<input>"  # stands for what is opened until the command is whole
# A proxy the user has configured counts as asked for; local files do not: a remote answer must not read them.
REMOTE = "http,https,tcp,tls,httpproxy"
STALL_TIMEOUT_US = 30_000_000  # a server that says nothing for 30 s has gone
# 64 taps per phase instead of 32: half the width of the band lost below 8 kHz, at a hardly measurable price.
# async=1 puts silence where the recording has none, so times stay those of the video; samples that are already right
# pass through untouched. first_pts=0 would do so at the beginning too, but again wherever rate or channels change: the
# decoder pads there itself.
RESAMPLE = f"aresample={SAMPLE_RATE}:filter_size=64:async=1"
# ffmpeg makes the silence of a gap in one piece, 0.2 MB a second and channel: a damaged time stamp that is days ahead
# would take all the memory there is. What jumps further than this is taken for damage, not for a gap.
LONGEST_GAP = 3600  # seconds


def find_ffmpeg() -> str:
    """The program to run: $ASR_FFMPEG, else the system's, else the one that comes with imageio-ffmpeg."""
    named = os.environ.get("ASR_FFMPEG")
    if named:
        found = shutil.which(named)
        if not found:
            raise missing(f"ASR_FFMPEG names {named!r}, which is not a program")
        return found
    return shutil.which("ffmpeg") or bundled_ffmpeg()


def bundled_ffmpeg() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise missing("ffmpeg is not installed") from error


def missing(what: str) -> DependencyError:
    error = DependencyError(
        f"{what}; install it: sudo apt install ffmpeg, brew install ffmpeg, or winget install ffmpeg;"
        " or put imageio-ffmpeg beside this program"
    )
    error.code = "E-FFMPEG"
    return error


@contextmanager
def runnable(program: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise missing(f"{program} cannot be run ({error.strerror or error})") from error


def input_options(protocols: str, pcm: PcmFormat | None, start: float) -> dict[str, Any]:
    options: dict[str, Any] = {"protocol_whitelist": protocols}
    if pcm is None:
        options["format_whitelist"] = FORMAT_WHITELIST
    else:
        options |= {"format": pcm.sample_format, "ar": pcm.sample_rate, "ac": pcm.channels}
    if protocols == REMOTE:
        options |= {"rw_timeout": STALL_TIMEOUT_US, "reconnect": 1, "reconnect_delay_max": 5}
    if start:
        options["ss"] = f"{start:.6f}"
    return options


def decode_command(
    url: str, *, protocols: str, track: int = 0, start: float = 0.0, pcm: PcmFormat | None = None
) -> list[str]:
    """Decode one track to 16 kHz float32 WAV on stdout, all its channels.

    stderr tells what was opened, and when the first sample is due, as the framecrc format writes it.
    """
    source = ffmpeg.input(PLACE, **input_options(protocols, pcm, start))
    # WAV rather than bare samples: its header says how many channels there are, without a look beforehand.
    wanted = {
        "format": "wav",
        "acodec": "pcm_f32le",
        "af": RESAMPLE,
        "map_metadata": -1,
        "fflags": "+bitexact",
    }
    sound = source[f"a:{track}"]
    first = {"format": "framecrc", "acodec": "pcm_s16le", "frames:a": 1, "flush_packets": 1, "map_metadata": -1}
    # The line first: nobody reads samples before it is there, and a first frame may be more than a pipe holds.
    outputs = (ffmpeg.output(sound, "pipe:2", **first), ffmpeg.output(sound, "pipe:1", **wanted))
    gaps = ("-dts_error_threshold", str(LONGEST_GAP))
    return [*quiet(), *gaps, *placed(ffmpeg.get_args(ffmpeg.merge_outputs(*outputs)), url)]


def inspect_command(url: str, *, protocols: str, pcm: PcmFormat | None = None) -> list[str]:
    """Only open the input: ffmpeg reports what it found and complains that there is nothing to do."""
    source = ffmpeg.input(PLACE, **input_options(protocols, pcm, 0.0))
    arguments: list[str] = ffmpeg.get_args(ffmpeg.output(source, "pipe:1"))
    return [*quiet(), *placed(arguments[: arguments.index(PLACE) + 1], url)]


def placed(arguments: list[str], url: str) -> list[str]:
    # Put in afterwards: the builder cannot take names that are no UTF-8.
    return [url if argument == PLACE else argument for argument in arguments]


def quiet() -> list[str]:
    return [find_ffmpeg(), "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info"]


def local_url(path: Path) -> str:
    """A path ffmpeg takes as just a name: no option, no protocol, no pattern."""
    return f"file:{path.absolute()}"
