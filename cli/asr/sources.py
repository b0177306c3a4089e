"""What a live stream comes from: a microphone, standard input, or a recording."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from asr.stream_options import LiveFlags
from asr_cli.errors import UsageError

if TYPE_CHECKING:
    from asr_cli.audio import Audio

BLOCK_SECONDS = 0.1
PIPE_AHEAD = 300.0  # s; a pipe may be a live source or a file: so much is kept before it has to wait
FILE_AHEAD = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """name: as it is told. begin: opens it for the time of a stack. ahead: how many seconds of speech may wait to be
    final before it has to wait; None where it cannot. level: asks how loud it is, in dBFS. has_end: whether it ends by
    itself. is_paced: whether it comes as fast as it is spoken, and no faster. stop: ends it after
    what has been heard; None where whoever reads it has to."""

    name: str
    begin: "Callable[[ExitStack, threading.Event], Iterator[Audio]]"
    ahead: float | None = None
    level: Callable[[], float] | None = None
    has_end: bool = False
    stop: Callable[[], None] | None = None
    is_paced: bool = True


def open_source(name: str | None, live: LiveFlags, stack: ExitStack) -> Source:
    """What is named, as far as it can be opened before models are loaded."""
    if live.mic:
        return open_microphone(name, live, stack)
    assert name is not None
    return pipe(live.pcm) if name == "-" else recording(name, live)


def open_microphone(name: str | None, live: LiveFlags, stack: ExitStack) -> Source:
    from asr_cli.audio.live_devices import find_microphone
    from asr_cli.audio.microphone import MicrophoneStream

    if not live.debug:
        stack.enter_context(silent_libraries())
    found = find_microphone(name)  # before anything is loaded
    stream = MicrophoneStream(found.name if name else None)

    def begin(stack: ExitStack, stop: threading.Event) -> "Iterator[Audio]":
        stack.enter_context(stream)
        return iter(stream)

    return Source(name=f'"{found.name}"', begin=begin, level=lambda: stream.level, stop=stream.stop)


@contextmanager
def silent_libraries() -> Iterator[None]:
    """What sound libraries, which are written in C, complain about on standard error would be drawn over the captions.
    What Python says there still arrives."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    before = sys.stderr
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        sys.stderr.close()
        sys.stderr = before


def pipe(pcm: str | None) -> Source:
    from asr_cli.audio.live import read_live
    from asr_cli.audio.pcm import PcmFormat

    raw = PcmFormat.parse(pcm) if pcm else None
    return Source(name="standard input", begin=lambda stack, stop: iter(read_live("-", pcm=raw)), ahead=PIPE_AHEAD)


def recording(name: str, live: LiveFlags) -> Source:
    from asr_cli.audio.files import read_blocks
    from asr_cli.audio.inputs import expand
    from asr_cli.audio.live import paced
    from asr_cli.audio.pcm import PcmFormat

    paths = expand([name], recursive=False)
    if len(paths) != 1 or os.path.isdir(name):  # noqa: PTH112 - as it was typed
        raise UsageError(f"{name!r} is {len(paths)} recordings; a stream is one (asr transcribe takes several)")
    raw = PcmFormat.parse(live.pcm) if live.pcm else None

    def begin(stack: ExitStack, stop: threading.Event) -> "Iterator[Audio]":
        blocks = read_blocks(paths[0], pcm=raw, block_seconds=BLOCK_SECONDS)
        return iter(paced(blocks, stop=stop) if live.simulate else blocks)

    return Source(
        name=name, begin=begin, ahead=None if live.simulate else FILE_AHEAD, has_end=True, is_paced=live.simulate
    )


def list_microphones(*, as_json: bool) -> None:
    from asr_cli.audio.live_devices import microphones

    for found in microphones():
        if as_json:
            print(json.dumps(asdict(found), ensure_ascii=False))
        else:
            print(f"{'*' if found.is_default else ' '} {found.name}  ({found.channels} ch, {found.sample_rate} Hz)")
