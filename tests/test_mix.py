"""Utterances of many recordings recognised together: to each its own, in order, whatever befalls the others."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.longform.mix import Mixer, recognize_among
from asr_cli.transcript import Segment, Word

PATIENCE = 20.0  # s; whoever waits longer waits forever
POISON = 0.5  # a sample as loud as this cannot be recognised


class Echo:
    """Says of each utterance whose it is and when it began; at most `memory` seconds of it fit into its memory.

    gate: nothing is recognised before it is open.
    """

    max_duration = 30.0
    batch_seconds = 8.0

    def __init__(self, *, pads: bool = True, memory: float = 1e9, gate: threading.Event | None = None) -> None:
        self.pads, self.memory, self.gate = pads, memory, gate
        self.batches: list[list[Audio]] = []
        self.at_work = threading.Event()

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        self.at_work.set()
        assert self.gate is None or self.gate.wait(PATIENCE)
        self.batches.append(list(utterances))
        if sum(utterance.duration for utterance in utterances) > self.memory:
            raise MemoryError
        if any(utterance.samples.max() >= POISON for utterance in utterances):
            raise ValueError("an utterance that nobody understands")
        return [Segment((Word(said(utterance), utterance.start, utterance.end),)) for utterance in utterances]


class Notebook:
    def __init__(self, known: dict[float, Segment] | None = None) -> None:
        self.known, self.new = known or {}, {}

    def recall(self, utterance: Audio, /) -> Segment | None:
        return self.known.get(utterance.start)

    def remember(self, utterance: Audio, segment: Segment, /) -> None:
        self.new[utterance.start] = segment.text


def said(utterance: Audio) -> str:
    return f" {round(float(utterance.samples[0]) * 1000)}@{utterance.start:g}"


def recording(number: int, durations: Sequence[float], *, poisoned: int = -1) -> list[Audio]:
    """Utterances, each 40 s after the one before; whose they are is in their samples."""
    made = []
    for index, duration in enumerate(durations):
        samples = np.full(round(duration * 100), POISON if index == poisoned else number / 1000, np.float32)
        made.append(Audio(samples, 40.0 * index, 100))
    return made


@contextmanager
def mixing(recognizer: Echo, **options: float | None) -> Iterator[Mixer]:
    mixer = Mixer(recognizer, options.get("batch_seconds"), default_seconds=60.0)
    try:
        yield mixer
    finally:
        assert ends(mixer.close)


def ends(action: Callable[[], object]) -> bool:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()


class Listener(threading.Thread):
    """A recording's own thread. ended: None, or the error its iteration ended with."""

    def __init__(
        self,
        utterances: Iterable[Audio],
        mixer: Mixer,
        memory: "Notebook | None" = None,
        stop: "threading.Event | None" = None,
    ) -> None:
        super().__init__(daemon=True)
        self.texts: list[str] = []
        self.error: BaseException | None = None
        self._heard = recognize_among(utterances, mixer, memory=memory, stop=stop)
        self.start()

    def run(self) -> None:
        try:
            for segment in self._heard:
                self.texts.append(segment.text)
        except BaseException as error:
            self.error = error

    def done(self) -> "Listener":
        self.join(PATIENCE)
        assert not self.is_alive(), "waits forever"
        return self


def expected(utterances: Sequence[Audio]) -> list[str]:
    return [said(utterance).strip() for utterance in utterances]


lengths = st.lists(st.sampled_from([0.3, 1.0, 2.0, 5.0, 12.0]), max_size=8)


@given(recordings=st.lists(lengths, min_size=1, max_size=6), pads=st.booleans(), n_lanes=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_each_recording_gets_its_own_segments_in_order(recordings: list[list[float]], pads: bool, n_lanes: int) -> None:
    given = [recording(number, durations) for number, durations in enumerate(recordings)]
    recognizer = Echo(pads=pads)
    recognizer.lanes = [recognizer] * n_lanes  # type: ignore[attr-defined]
    with mixing(recognizer) as mixer:
        listeners = [Listener(utterances, mixer) for utterances in given]
        for utterances, listener in zip(given, listeners, strict=True):
            assert listener.done().texts == expected(utterances)
            assert listener.error is None


@given(durations=st.lists(lengths, min_size=1, max_size=5), pads=st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_batch_of_several_costs_more_than_it_may(durations: list[list[float]], pads: bool) -> None:
    recognizer = Echo(pads=pads)
    with mixing(recognizer) as mixer:
        for listener in [Listener(recording(number, one), mixer) for number, one in enumerate(durations)]:
            listener.done()
    for batch in recognizer.batches:
        seconds = [utterance.duration for utterance in batch]
        cost = max(seconds) * len(seconds) if pads else sum(seconds)
        assert len(batch) == 1 or cost <= recognizer.batch_seconds + 1e-6


@given(
    recordings=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    victim=st.integers(0, 4),
    at=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None)
def test_an_utterance_that_fails_fails_its_own_recording_only(recordings: list[int], victim: int, at: int) -> None:
    victim %= len(recordings)
    at %= recordings[victim]
    given = [
        recording(number, [1.0] * count, poisoned=at if number == victim else -1)
        for number, count in enumerate(recordings)
    ]
    with mixing(Echo(pads=False)) as mixer:
        listeners = [Listener(utterances, mixer).done() for utterances in given]
    for number, (utterances, listener) in enumerate(zip(given, listeners, strict=True)):
        if number == victim:
            assert isinstance(listener.error, ValueError)
            assert listener.texts == expected(utterances)[:at]  # what came before it is fine
        else:
            assert (listener.error, listener.texts) == (None, expected(utterances))


def test_a_batch_that_does_not_fit_into_memory_is_halved_until_it_does() -> None:
    gate = threading.Event()
    recognizer = Echo(pads=False, memory=2.0, gate=gate)
    utterances = recording(7, [1.0] * 9)
    with mixing(recognizer) as mixer:
        listener = Listener(utterances, mixer)
        recognizer.at_work.wait(PATIENCE)  # with the first one, while the others gather
        gate.set()
        assert listener.done().texts == expected(utterances)
    sizes = [len(batch) for batch in recognizer.batches]
    assert max(sizes) > 2  # or nothing was halved


def test_what_never_fits_into_memory_fails_with_that() -> None:
    with mixing(Echo(memory=2.0)) as mixer:
        listener = Listener(recording(1, [1.0, 5.0, 1.0]), mixer).done()
    assert isinstance(listener.error, MemoryError)
    assert listener.texts == expected(recording(1, [1.0]))


@pytest.mark.parametrize("segment", [None, Segment((Word(" a", None, 1.0),))])  # type: ignore[arg-type]
def test_a_recogniser_that_gives_nonsense_fails_a_recording_and_keeps_nobody_waiting(segment: Segment) -> None:
    class Nonsense(Echo):
        def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
            if len(utterances) == 1 and utterances[0].samples[0] == np.float32(0.001):
                return [segment]
            return super().recognize(utterances)

    with mixing(Nonsense(), batch_seconds=1.0) as mixer:
        assert Listener(recording(1, [1.0]), mixer).done().error is not None
        assert Listener(recording(2, [1.0]), mixer).done().texts == ["2@0"]


def test_a_memory_that_fails_fails_the_recording() -> None:
    class Full(Notebook):
        def remember(self, utterance: Audio, segment: Segment, /) -> None:
            raise OSError("no room")

    with mixing(Echo()) as mixer:
        assert isinstance(Listener(recording(1, [1.0]), mixer, memory=Full()).done().error, OSError)
        assert Listener(recording(2, [1.0]), mixer).done().texts == ["2@0"]


def test_what_is_known_is_not_recognised_again_and_all_else_is_remembered() -> None:
    utterances = recording(3, [1.0, 1.0, 1.0])
    notebook = Notebook({40.0: Segment((Word(" known", 40.0, 41.0),))})
    recognizer = Echo()
    with mixing(recognizer) as mixer:
        listener = Listener(utterances, mixer, memory=notebook).done()
    assert listener.texts == ["3@0", "known", "3@80"]
    assert notebook.new == {0.0: "3@0", 80.0: "3@80"}
    assert sorted(u.start for batch in recognizer.batches for u in batch) == [0.0, 80.0]


def waiting_batches(recognizer: Echo, durations: Sequence[float]) -> list[list[float]]:
    """How what waits is put together: durations of each batch but the first, which only holds the door."""
    assert recognizer.gate is not None
    with mixing(recognizer) as mixer:
        first = mixer.hand_in(*recording(0, [0.5]), None)
        assert recognizer.at_work.wait(PATIENCE)
        rest = [mixer.hand_in(*recording(1, [duration]), None) for duration in durations]
        recognizer.gate.set()
        for future in (first, *rest):
            future.result(PATIENCE)
    return [sorted(round(utterance.duration, 1) for utterance in batch) for batch in recognizer.batches[1:]]


def test_one_that_pads_gets_alike_with_alike() -> None:
    durations = (1.0, 4.0, 1.2, 3.8, 0.9)
    assert waiting_batches(Echo(pads=True, gate=threading.Event()), durations) == [[0.9, 1.0, 1.2], [3.8, 4.0]]


def test_one_that_does_not_pad_gets_them_as_they_come() -> None:
    durations = (1.0, 4.0, 1.2, 3.8, 0.9)
    assert waiting_batches(Echo(pads=False, gate=threading.Event()), durations) == [[1.0, 1.2, 4.0], [0.9, 3.8]]


def test_short_recordings_share_a_batch() -> None:
    recognizer = Echo(pads=False, gate=threading.Event())
    assert waiting_batches(recognizer, (1.0, 1.0, 1.0, 1.0)) == [[1.0, 1.0, 1.0, 1.0]]


def test_a_long_recording_lets_a_short_one_pass() -> None:
    """The short one comes when the long one has filled all the room there is."""
    recognizer = Echo(pads=False)
    slow = recognizer.recognize
    recognizer.recognize = lambda utterances: (time.sleep(0.01), slow(utterances))[1]  # type: ignore[method-assign]
    with mixing(recognizer) as mixer:
        long = Listener(recording(1, [4.0] * 60), mixer)
        while len(recognizer.batches) < 3:
            time.sleep(0.001)
        short = Listener(recording(2, [1.0]), mixer).done()
        n_by_then = len(long.texts)
        long.done()
    assert short.texts == ["2@0"] and n_by_then < 40


def test_a_recording_that_nobody_takes_segments_of_does_not_hold_up_the_others() -> None:
    with mixing(Echo()) as mixer:
        idle = recognize_among(recording(1, [4.0] * 10), mixer, memory=None, stop=None)
        assert next(idle).text == "1@0"
        assert Listener(recording(2, [1.0] * 20), mixer).done().texts == expected(recording(2, [1.0] * 20))
        idle.close()  # type: ignore[attr-defined]


def test_whoever_leaves_early_takes_what_waits_along() -> None:
    gate = threading.Event()
    recognizer = Echo(pads=False, gate=gate)
    with mixing(recognizer, batch_seconds=1.0) as mixer:
        door = mixer.hand_in(*recording(0, [1.0]), None)
        assert recognizer.at_work.wait(PATIENCE)
        leaver = Leaver(recording(1, [0.5, 0.5]), mixer)
        while len(mixer._waiting) < 2:
            time.sleep(0.001)
        leaver.leave.set()
        assert isinstance(leaver.done().error, InterruptedError)
        gate.set()
        door.result(PATIENCE)
        assert Listener(recording(2, [1.0]), mixer).done().texts == ["2@0"]
    assert [said(utterance).strip() for batch in recognizer.batches for utterance in batch] == ["0@0", "2@0"]


class Leaver(Listener):
    """A recording that breaks off after its utterances."""

    def __init__(self, utterances: Sequence[Audio], mixer: Mixer) -> None:
        self.leave = threading.Event()
        super().__init__(self._breaking(utterances), mixer)

    def _breaking(self, utterances: Sequence[Audio]) -> Iterator[Audio]:
        yield from utterances
        self.leave.wait(PATIENCE)
        raise InterruptedError


@given(n_recordings=st.integers(1, 5), after=st.floats(0.0, 0.02), how=st.sampled_from(["stop", "close"]))
@settings(max_examples=30, deadline=None)
def test_whatever_is_stopped_ends_its_recording_there_and_nobody_waits(
    n_recordings: int, after: float, how: str
) -> None:
    given = [recording(number, [1.0] * 30) for number in range(n_recordings)]
    recognizer = Echo(pads=False)
    slow = recognizer.recognize
    recognizer.recognize = lambda utterances: (time.sleep(0.002), slow(utterances))[1]  # type: ignore[method-assign]
    mixer = Mixer(recognizer, 4.0, 60.0)
    stop = threading.Event()
    listeners = [Listener(utterances, mixer, stop=stop) for utterances in given]
    time.sleep(after)
    stop.set()
    assert ends(mixer.stop if how == "stop" else mixer.close)
    n_begun = len(recognizer.batches)
    for utterances, listener in zip(given, listeners, strict=True):
        texts = listener.done().texts
        assert listener.error is None and texts == expected(utterances)[: len(texts)]
    assert ends(mixer.close)
    assert ends(mixer.close)  # again does no harm
    assert len(recognizer.batches) <= n_begun + 1  # which was taken, and is counted when it begins


def test_a_closed_mixer_turns_away_whoever_comes() -> None:
    mixer = Mixer(Echo(), None, 60.0)
    mixer.close()
    listener = Listener(recording(1, [1.0]), mixer).done()
    assert (listener.texts, listener.error) == ([], None)
