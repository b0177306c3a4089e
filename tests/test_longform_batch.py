"""Recognising in batches: in order, within the cost, resumable, stoppable."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.errors import AsrError
from asr_cli.longform.batch import recognize, tidy
from asr_cli.transcript import Segment, Word


class Echo:
    """Says of each utterance when it began."""

    max_duration = 30.0

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.batches: list[list[float]] = []
        self.stop = stop

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        self.batches.append([utterance.duration for utterance in utterances])
        if self.stop is not None:
            self.stop.set()
        return [Segment((Word(f" {u.start:g}", u.start, u.end),)) for u in utterances]


class Notebook:
    """Remembers by start."""

    def __init__(self) -> None:
        self.known: dict[float, Segment] = {}

    def recall(self, utterance: Audio, /) -> Segment | None:
        return self.known.get(utterance.start)

    def remember(self, utterance: Audio, segment: Segment, /) -> None:
        self.known[utterance.start] = segment


def utterances(durations: Sequence[float], overlap: float = 0.0) -> list[Audio]:
    made: list[Audio] = []
    start = 0.0
    for duration in durations:
        made.append(Audio(np.zeros(round(duration * 100), np.float32), start, 100, overlap))
        start += 40.0
    return made


@given(
    durations=st.lists(st.sampled_from([1.0, 2.0, 5.0, 12.0, 30.0]), max_size=40),
    limit=st.sampled_from([10.0, 60.0]),
)
@settings(max_examples=60, deadline=None)
def test_segments_come_in_order_and_no_batch_costs_more_than_it_may(durations: list[float], limit: float) -> None:
    echo = Echo()
    given_ = utterances(durations)
    got = list(recognize(given_, echo, batch_seconds=limit))
    assert [segment.start for segment in got] == [u.start for u in given_]
    assert all(max(batch) * len(batch) <= limit or len(batch) == 1 for batch in echo.batches)
    assert all(batch == sorted(batch, reverse=True) for batch in echo.batches)


@given(
    durations=st.lists(st.sampled_from([1.0, 2.0, 5.0, 12.0, 30.0]), max_size=40),
    limit=st.sampled_from([10.0, 60.0]),
)
@settings(max_examples=60, deadline=None)
def test_without_padding_an_utterance_costs_its_own_length(durations: list[float], limit: float) -> None:
    class Dense(Echo):
        pads = False

    dense = Dense()
    got = list(recognize(utterances(durations), dense, batch_seconds=limit))
    assert [segment.start for segment in got] == [u.start for u in utterances(durations)]
    assert all(sum(batch) <= limit or len(batch) == 1 for batch in dense.batches)
    # Whatever begins the next batch would not have fitted into the one before it.
    for batch, following in zip(dense.batches, dense.batches[1:], strict=False):
        assert sum(batch) + max(following) > limit


def test_a_full_batch_is_out_before_another_utterance_is_pulled() -> None:
    n_pulled = 0

    def pulled() -> Iterator[Audio]:
        nonlocal n_pulled
        for utterance in utterances([10.0] * 10):
            n_pulled += 1
            yield utterance

    next(recognize(pulled(), Echo(), batch_seconds=30.0))
    assert n_pulled == 3


def test_a_forced_cut_marks_what_both_pieces_heard() -> None:
    first, second = recognize([*utterances([5.0]), *utterances([0, 5.0], 2.0)[1:]], Echo(), batch_seconds=9.0)
    assert (first.overlap, second.overlap) == (None, (40.0, 42.0))


def test_what_is_remembered_is_not_recognised_again_and_changes_nothing() -> None:
    given_ = utterances([3.0, 9.0, 2.0, 4.0, 8.0, 1.0], overlap=0.5)
    notebook = Notebook()
    whole = list(recognize(given_, Echo(), batch_seconds=20.0, memory=notebook))
    for forgotten in (given_[1].start, given_[4].start):
        del notebook.known[forgotten]
    echo = Echo()
    assert list(recognize(given_, echo, batch_seconds=20.0, memory=notebook)) == whole
    assert echo.batches == [[9.0], [8.0]]


def test_a_stop_ends_after_the_batch_in_hand_and_pulls_nothing_more() -> None:
    stop = threading.Event()
    n_pulled = 0

    def pulled() -> Iterator[Audio]:
        nonlocal n_pulled
        for utterance in utterances([10.0] * 9):
            n_pulled += 1
            yield utterance

    echo = Echo(stop)
    notebook = Notebook()
    got = list(recognize(pulled(), echo, batch_seconds=20.0, memory=notebook, stop=stop))
    assert (len(got), len(echo.batches), n_pulled, len(notebook.known)) == (2, 1, 2, 2)


def test_a_stop_while_a_batch_is_gathered_recognises_nothing() -> None:
    stop = threading.Event()

    def pulled() -> Iterator[Audio]:
        for n, utterance in enumerate(utterances([1.0] * 9)):
            if n == 3:
                stop.set()
            yield utterance

    echo = Echo()
    assert list(recognize(pulled(), echo, batch_seconds=60.0, stop=stop)) == []
    assert echo.batches == []


def test_a_recogniser_that_gives_too_few_segments_is_named() -> None:
    class Lazy(Echo):
        def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
            return []

    with pytest.raises(AsrError, match=r"Lazy gave 0 segments for 2 utterances"):
        list(recognize(utterances([1.0, 1.0]), Lazy(), batch_seconds=60.0))


SLOPPY = st.floats(-5, 20) | st.sampled_from([float("nan"), float("inf"), float("-inf")])


@given(times=st.lists(st.tuples(SLOPPY, SLOPPY), max_size=20))
@settings(max_examples=150, deadline=None)
def test_sloppy_times_are_put_inside_the_utterance_and_in_order(times: list[tuple[float, float]]) -> None:
    words = [Word(f" {n}", start, end) for n, (start, end) in enumerate(times)]
    neat = tidy(words, 2.0, 12.0)
    assert [word.text for word in neat] == [word.text for word in words]
    flat = [moment for word in neat for moment in (word.start, word.end)]
    assert flat == sorted(flat)
    assert all(2.0 <= moment <= 12.0 for moment in flat)
    assert tidy(neat, 2.0, 12.0) == neat


def test_times_that_are_right_stay_as_they_are() -> None:
    words = (Word(" a", 2.0, 3.0, 0.5), Word(" b", 3.25, 4.0))
    assert tidy(words, 2.0, 12.0) == words
