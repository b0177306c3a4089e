"""What is past is forgotten: the sound nobody needs any more, and how long an earlier stretch went on."""

import weakref
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.detectors import no_vad
from asr_cli.longform.cut import cut
from asr_cli.vad.endpoint import Endpointer, EndpointOptions
from asr_cli.vad.fsmn import FsmnVad

SECONDS = 60


def patient(blocks: Iterable[Audio]) -> Iterator[Audio]:
    return FsmnVad.built_in(patience=2)(blocks)


def at_once(blocks: Iterable[Audio]) -> Iterator[Audio]:
    return FsmnVad.built_in(patience=0)(blocks)


def everything(blocks: Iterable[Audio]) -> Iterator[Audio]:
    return cut(no_vad(blocks), 4.0)


@pytest.mark.parametrize("vad", [patient, at_once, everything])
def test_sound_that_no_stretch_can_hold_any_more_is_let_go(vad: Callable[[Iterable[Audio]], Iterator[Audio]]) -> None:
    alive: weakref.WeakValueDictionary[int, NDArray[np.float32]] = weakref.WeakValueDictionary()
    most = 0

    def watched() -> Iterator[Audio]:
        nonlocal most
        for second in range(SECONDS):
            samples = np.zeros(SAMPLE_RATE, np.float32)
            alive[second] = samples
            most = max(most, len(alive))
            yield Audio(samples, float(second))

    for _ in vad(watched()):
        pass
    assert most <= 8


def test_no_stretch_still_to_come_reaches_back_into_long_silence() -> None:
    endpointer = Endpointer(EndpointOptions())
    assert list(endpointer.feed(bytes(6000))) == []
    assert endpointer.earliest >= 5900


def test_dynamic_patience_does_not_remember_the_stretch_before() -> None:
    # Both stretches are in speech when a minute passes; the second must end as if it were alone.
    options = EndpointOptions(mode="dynamic", max_single_segment_time=600_000)
    second = bytes(3000) + b"\x01" * 3000 + bytes(500)
    after_speech = list(Endpointer(options).feed(b"\x01" * 7000 + second, final=True))
    alone = list(Endpointer(options).feed(bytes(7000) + second, final=True))
    assert len(after_speech) == 2
    assert after_speech[1:] == alone
