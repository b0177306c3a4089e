"""A loaded VAD without a recogniser: where somebody speaks."""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from asr_cli.detectors import load_vad
from asr_cli.longform.batch import until
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.session import Source, check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where somebody speaks, in seconds; its 16 kHz samples if they were to be kept."""

    start: float
    end: float
    samples: "NDArray[np.float32] | None" = None


class Listener:
    """A loaded VAD, without a recogniser."""

    def __init__(self, options: ModelOptions | None = None) -> None:
        self.vad, self.name = load_vad(options or ModelOptions())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def speech(
        self,
        source: Source,
        options: ReadOptions | None = None,
        *,
        keep: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[Stretch]:
        """Each stretch of speech as soon as its end is known. stop: once set, the recording ends there."""
        from asr_cli.audio.channels import read_channels
        from asr_cli.vad.fsmn import FsmnVad

        options = options or ReadOptions()
        check(options)
        with read_channels(source, **asdict(options)) as [(_, whole)]:
            blocks = until(stop, whole)
            if not keep and isinstance(self.vad, FsmnVad):
                yield from (Stretch(start, end) for start, end in self.vad.spans(blocks))
            else:
                yield from (Stretch(audio.start, audio.end, audio.samples) for audio in self.vad(blocks))
