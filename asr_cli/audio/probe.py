"""What is in a recording, without decoding it and without ffprobe."""

import subprocess

from asr_cli.audio.ffmpeg import inspect_command, runnable
from asr_cli.audio.inputs import STDIN
from asr_cli.audio.report import MediaInfo, parse
from asr_cli.audio.source import Opened, Source, open_source
from asr_cli.audio.trouble import announced_seconds, unreadable
from asr_cli.errors import InputError


def probe(source: Source) -> MediaInfo:
    """The container, its length and its tracks. An open file is read to its end."""
    with open_source(source, again=True) as opened:
        return inspect(opened)


def announced_duration(source: Source) -> float | None:
    """The seconds a recording says it has; None where it cannot say (streams)."""
    if source == STDIN or hasattr(source, "read"):
        return None
    try:
        with open_source(source, again=True) as opened:
            media = inspect(opened)
            return announced_seconds(opened, media) or media.duration
    except InputError:
        return None


def inspect(opened: Opened, *, track: int | None = None) -> MediaInfo:
    """Look into a source; with a track, also insist that it is there."""
    command = inspect_command(opened.url, protocols=opened.protocols)
    with runnable(command[0]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)
    said = done.stderr.decode("utf-8", "surrogateescape")
    media = parse(said.replace(opened.url, ""))
    if media is None or (track is not None and track >= len(media.tracks)):
        raise unreadable(opened, said, track=track or 0)
    return media
