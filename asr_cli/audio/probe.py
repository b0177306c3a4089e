"""What is in a recording, without decoding it and without ffprobe."""

import os
import stat
import subprocess
from pathlib import Path

from asr_cli.audio.address import is_address, is_url, local_path
from asr_cli.audio.command import Command
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
    """The seconds a recording says it has; None where it cannot say, or could say it only once (streams)."""
    if source == STDIN or hasattr(source, "read") or is_stream(source):
        return None
    try:
        with open_source(source, again=True) as opened:
            media = inspect(opened)
            return announced_seconds(opened, media) or media.duration
    except InputError:
        return None


def is_stream(source: Source) -> bool:
    """Whether looking into it costs as much as hearing it, or takes it away: pipes, devices, commands, stores."""
    if isinstance(source, Command):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    path = local_path(os.fspath(source))
    if is_address(path):
        return not is_url(path)
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False  # to be told by whoever opens it


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
