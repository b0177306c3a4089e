"""Speech to text, offline.

>>> from asr_cli import transcribe
>>> for segment in transcribe("talk.mp3"):              # doctest: +SKIP
...     print(segment.start, segment.text)

`transcribe` takes a path, a URL, bytes, a binary file, an array or tensor with its `sample_rate`, or an iterator of
`Audio` blocks, and yields a `Segment` as soon as it is ready. Load models once for many recordings with `Session`.
`stream` captions while somebody speaks: it yields each `Partial`, `Final` and `Over` as it comes; `LiveSession` keeps
the models for many streams.
Names are imported on first use: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asr_cli.version import __version__ as __version__

if TYPE_CHECKING:
    from asr_cli.api import stream as stream
    from asr_cli.api import transcribe as transcribe
    from asr_cli.audio import Audio as Audio
    from asr_cli.decoding import DecodingOptions as DecodingOptions
    from asr_cli.errors import AsrError as AsrError
    from asr_cli.live.events import Final as Final
    from asr_cli.live.events import Over as Over
    from asr_cli.live.events import Partial as Partial
    from asr_cli.live.session import LiveOptions as LiveOptions
    from asr_cli.live.session import LiveSession as LiveSession
    from asr_cli.options import ModelOptions as ModelOptions
    from asr_cli.options import ReadOptions as ReadOptions
    from asr_cli.session import Session as Session
    from asr_cli.session import Transcription as Transcription
    from asr_cli.transcript import Segment as Segment
    from asr_cli.transcript import Transcript as Transcript
    from asr_cli.transcript import Word as Word

_HOMES = {
    "stream": "asr_cli.api",
    "transcribe": "asr_cli.api",
    "Audio": "asr_cli.audio",
    "AsrError": "asr_cli.errors",
    "DecodingOptions": "asr_cli.decoding",
    "Final": "asr_cli.live.events",
    "Over": "asr_cli.live.events",
    "Partial": "asr_cli.live.events",
    "LiveOptions": "asr_cli.live.session",
    "LiveSession": "asr_cli.live.session",
    "ModelOptions": "asr_cli.options",
    "ReadOptions": "asr_cli.options",
    "Session": "asr_cli.session",
    "Transcription": "asr_cli.session",
    "Segment": "asr_cli.transcript",
    "Transcript": "asr_cli.transcript",
    "Word": "asr_cli.transcript",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
