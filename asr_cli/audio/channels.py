"""A recording as the voices to hear: one mix, or each channel on its own with a name."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from asr_cli.audio import Audio
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.source import Source, open_source
from asr_cli.errors import InputError, UsageError

CHANNELS = ("mix", "left", "right", "split")
Voices = list[tuple[str | None, Iterator[Audio]]]


@contextmanager
def read_channels(
    source: Any,
    *,
    channels: str = "mix",
    start: float = 0.0,
    end: float | None = None,
    track: int | None = None,
    pcm: str | None = None,
    sample_rate: int | None = None,
) -> Iterator[Voices]:
    """Open a recording; give (speaker, blocks) for each voice. Leaving the context ends every decoder.

    source: what `read_blocks` takes, an array or tensor (with its sample_rate), or an iterable of blocks.
    """
    from asr_cli.audio.arrays import array_channels, checked, from_array, is_array
    from asr_cli.audio.files import read_blocks

    if channels not in CHANNELS:
        raise UsageError(f"--channels {channels!r}: choose one of {', '.join(CHANNELS)}")
    in_memory = is_array(source) or is_blocks(source)
    if in_memory and (track is not None or pcm is not None):
        raise UsageError("samples in memory have neither tracks nor a format: leave track and pcm out")
    if sample_rate is not None and not is_array(source):
        raise UsageError("sample_rate is for arrays and tensors; a recording says its own, and raw samples have pcm")
    with ExitStack() as stack:

        def heard(channel: str | int) -> Iterator[Audio]:
            return stack.enter_context(closing(opened(channel)))

        def opened(channel: str | int) -> Generator[Audio]:
            if is_array(source):
                return from_array(source, sample_rate, start=start, end=end, channel=channel)
            return read_blocks(material, start=start, end=end, channel=channel, track=track, pcm=raw)

        material = source
        raw = PcmFormat.parse(pcm) if pcm else None
        if is_blocks(source):
            if channels != "mix" or start or end is not None:
                raise UsageError("blocks are taken as they are: cut and split them before handing them over")
            yield [(None, checked(source))]
        elif channels != "split":
            yield [(None, heard(channels))]
        elif is_array(source):
            yield voices(array_channels(source), heard)
        else:
            # Each channel has its own decoder: they are heard at different paces, and a common one would have
            # to keep all that the slowest has not heard yet. A stream goes to a temporary file for that.
            material = stack.enter_context(rereadable(source))
            yield voices(raw.channels if raw else count_channels(material, track or 0), heard)


def voices(count: int, heard: Any) -> Voices:
    return [(name(index, count), heard(index)) for index in range(count)]


def is_blocks(source: Any) -> bool:
    from asr_cli.audio.arrays import is_array

    known = isinstance(source, str | bytes | bytearray | memoryview) or hasattr(source, "read") or is_array(source)
    return isinstance(source, Iterable) and not known


def name(channel: int, count: int) -> str:
    """
    >>> name(0, 2), name(1, 2), name(0, 1), name(4, 8)
    ('left', 'right', 'mono', 'channel 5')
    """
    if count <= 2:
        return ("mono",)[channel] if count == 1 else ("left", "right")[channel]
    return f"channel {channel + 1}"


@contextmanager
def rereadable(source: Source) -> Iterator[Source]:
    """The source, or where it can be read only once, a temporary copy."""
    with open_source(source, pcm=None, again=True) as opened:
        yield opened.url.removeprefix("file:") if opened.spooled else source


def count_channels(source: Source, track: int) -> int:
    from asr_cli.audio.probe import inspect

    with open_source(source) as opened:
        count = inspect(opened, track=track).tracks[track].channels
        if not count:
            raise InputError(f"cannot tell how many channels {opened.name} has; take --channels left or right")
        return count
