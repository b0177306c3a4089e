"""The sliding window: no word lost or doubled, always forward, and the same however the speech comes."""

import math
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli import pipeline
from asr_cli.audio import Audio
from asr_cli.longform.batch import recognize
from asr_cli.longform.gather import LONGEST_GAP
from asr_cli.longform.mix import Account, Mixer
from asr_cli.longform.slide import N_SAID, SCRAP, slide
from asr_cli.transcript import Segment, Word

RATE = 100
LIMIT = 10.0  # s
PATIENCE = 20.0  # s; whoever waits longer waits forever


class Knows:
    """Hears which words sound in a window: word n is a run of samples n + 1, silence is 0 or -1.

    sure: whether it says up to where its text is complete although no word is cut off. It tells what it has of a word
    that is cut off at the end, as a recogniser would.
    """

    max_duration = LIMIT
    slides = True

    def __init__(self, lengths: Sequence[int], *, sure: bool = True) -> None:
        self.lengths, self.sure = lengths, sure
        self.windows: list[Audio] = []

    def recognize(self, windows: Sequence[Audio], /) -> list[Segment]:
        self.windows += windows
        return [self.hear(window) for window in windows]

    def hear(self, window: Audio) -> Segment:
        words: list[Word] = []
        heard: float | None = None
        for number in [int(value) - 1 for value in np.unique(window.samples) if value > 0]:
            places = np.flatnonzero(window.samples == number + 1)
            start, end = (window.start + place / RATE for place in (places[0], places[-1] + 1))
            if len(places) == self.lengths[number]:
                words.append(Word(f" w{number}", start, end))
                heard = end if self.sure else None
            elif start > window.start:
                words.append(Word(" cut", start, end))
                heard = start
        return Segment(tuple(words), heard=heard)


class Notebook:
    """Remembers by place."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], Segment] = {}

    def recall(self, utterance: Audio, /) -> Segment | None:
        return self.known.get(place(utterance))

    def remember(self, utterance: Audio, segment: Segment, /) -> None:
        assert place(utterance) not in self.known
        self.known[place(utterance)] = segment


def place(audio: Audio) -> tuple[int, int]:
    return round(audio.start * RATE), len(audio.samples)


def talk(words: Sequence[tuple[int, int]], start: int = 0) -> list[Audio]:
    """Words after their gaps (both in samples) as stretches of speech: what is near is in one, the silence too."""
    stretches: list[tuple[int, list[np.ndarray]]] = []
    at = start
    for number, (gap, length) in enumerate(words):
        at += gap
        if not stretches or gap > 50:
            stretches.append((at, []))
        elif gap:
            stretches[-1][1].append(np.full(gap, -1.0, np.float32))
        stretches[-1][1].append(np.full(length, number + 1.0, np.float32))
        at += length
    return [Audio(np.concatenate(parts), begin / RATE, RATE) for begin, parts in stretches]


def in_blocks(speech: Iterable[Audio], sizes: Sequence[int]) -> Iterator[Audio]:
    n_made = 0
    for one in speech:
        at = 0
        while at < len(one.samples):
            size = sizes[n_made % len(sizes)]
            yield Audio(one.samples[at : at + size], one.start + at / RATE, RATE)
            at, n_made = at + size, n_made + 1


def alone(
    recognizer: object, memory: Notebook | None = None, stop: threading.Event | None = None
) -> Callable[[Iterable[Audio]], Iterator[Segment]]:
    return partial(recognize, recognizer=recognizer, batch_seconds=60.0, memory=memory, stop=stop)  # type: ignore[arg-type]


def texts(segments: Iterable[Segment]) -> list[str]:
    return [word.text for segment in segments for word in segment.words]


talks = st.lists(
    st.tuples(st.sampled_from([0, 0, 3, 40, 51, 300, 700, 2000]), st.integers(12, 400)), min_size=1, max_size=40
)


@given(words=talks, start=st.integers(0, 36_000 * RATE), sure=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_word_is_lost_none_stands_twice_and_all_stand_where_they_were_said(
    words: list[tuple[int, int]], start: int, sure: bool
) -> None:
    recognizer = Knows([length for _, length in words], sure=sure)
    segments = list(slide(talk(words, start), alone(recognizer), LIMIT))
    assert texts(segments) == [f" w{number}" for number in range(len(words))]
    at = start
    for word, (gap, length) in zip((w for s in segments for w in s.words), words, strict=True):
        at += gap
        assert (word.start * RATE, word.end * RATE) == pytest.approx((at, at + length))
        at += length
    assert all(window.duration <= LIMIT for window in recognizer.windows)


@given(words=talks, sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5))
@settings(max_examples=80, deadline=None)
def test_any_block_size_gives_the_same_windows(words: list[tuple[int, int]], sizes: list[int]) -> None:
    speech = talk(words)
    whole, divided = (Knows([length for _, length in words]) for _ in range(2))
    expected = list(slide(speech, alone(whole), LIMIT))
    assert list(slide(in_blocks(speech, sizes), alone(divided), LIMIT)) == expected
    assert [(*place(w), w.said) for w in divided.windows] == [(*place(w), w.said) for w in whole.windows]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(divided.windows, whole.windows, strict=True))


hostile = st.sampled_from(
    [None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1e-9, 0.01, SCRAP, 0.5, 3.3, 9.999, LIMIT, 11.0, 1e308, -1e308]
) | st.floats(-5, 15)


@given(words=talks, answers=st.lists(hostile, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_is_said_to_be_heard_the_window_goes_forward_over_all_of_the_speech(
    words: list[tuple[int, int]], answers: list[float | None]
) -> None:
    class Hostile(Knows):
        def hear(self, window: Audio) -> Segment:
            answer = answers[len(self.windows) % len(answers)]
            word = Word(" x", window.start, window.end)
            return Segment((word,), heard=None if answer is None else window.start + answer)

    speech = talk(words)
    recognizer = Hostile([])
    segments = list(slide(speech, alone(recognizer), LIMIT))
    windows = [place(window) for window in recognizer.windows]
    assert all(b[0] - a[0] >= min(round(SCRAP * RATE), a[1]) for a, b in pairwise(windows))
    covered = {sample for first, n_samples in windows for sample in range(first, first + n_samples)}
    assert all(set(range(first, first + n_samples)) <= covered for first, n_samples in map(place, speech))
    assert all(window.samples[0] != 0 for window in recognizer.windows), "a window begins in silence"
    heard = [word for segment in segments for word in segment.words]
    assert all(a.start <= a.end <= b.start <= b.end for a, b in pairwise(heard))
    assert all(segment.heard is None for segment in segments)


@given(words=talks, n_windows=st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_an_interrupted_run_goes_on_to_the_same_result_and_repeats_nothing(
    words: list[tuple[int, int]], n_windows: int
) -> None:
    speech, lengths = talk(words), [length for _, length in words]
    whole = Knows(lengths)
    expected = list(slide(speech, alone(whole), LIMIT))
    notebook, stop, broken = Notebook(), threading.Event(), Knows(lengths)
    begun: list[Segment] = []
    for segment in slide(speech, alone(broken, notebook, stop), LIMIT):
        begun.append(segment)
        if len(begun) > n_windows:
            stop.set()
    assert begun == expected[: n_windows + 1]
    assert list(slide(speech, alone(broken, notebook), LIMIT)) == expected
    assert [(*place(w), w.said) for w in broken.windows] == [(*place(w), w.said) for w in whole.windows]


def test_a_stop_while_a_window_is_pulled_recognises_nothing_of_it() -> None:
    stop = threading.Event()

    def pulled() -> Iterator[Audio]:
        yield from talk([(0, 300)])
        stop.set()

    recognizer, notebook = Knows([300]), Notebook()
    assert list(slide(pulled(), alone(recognizer, notebook, stop), LIMIT)) == []
    assert (recognizer.windows, notebook.known) == ([], {})


def test_a_window_holds_silence_as_zeros_but_no_long_one() -> None:
    gap = round(LONGEST_GAP * RATE)
    recognizer = Knows([100, 100, 100])
    list(slide(talk([(0, 100), (gap, 100), (gap + 1, 100)]), alone(recognizer), LIMIT))
    first, second = recognizer.windows
    assert [place(first), place(second)] == [(0, 700), (1201, 100)]
    assert not first.samples[100:600].any()


def test_what_is_left_of_a_word_before_a_silence_is_not_heard_again() -> None:
    class Hasty(Knows):
        def hear(self, window: Audio) -> Segment:
            return Segment((Word(" all", window.start, window.end),), heard=window.end - SCRAP / 2)

    recognizer = Hasty([])
    assert texts(slide(talk([(0, 300), (900, 300)]), alone(recognizer), LIMIT)) == [" all", " all"]
    assert len(recognizer.windows) == 2


def test_the_text_so_far_goes_with_each_window_and_begins_afresh_behind_what_is_doubtful() -> None:
    class Doubts(Knows):
        def hear(self, window: Audio) -> Segment:
            number = len(self.windows)
            words = (Word(f"w{number}", window.start, window.end), Word(".", window.end, window.end))
            return Segment(words, suspect="repetition" if number == 3 else None)

    recognizer = Doubts([])
    segments = list(slide(talk([(900, 300)] * 5), alone(recognizer), LIMIT))
    assert [window.said for window in recognizer.windows] == ["", "w1.", "w1. w2.", "", "w4."]
    assert [segment.suspect for segment in segments] == [None, None, "repetition", None, None]


def test_no_more_of_the_text_goes_with_a_window_than_a_prompt_takes() -> None:
    class Talks(Knows):
        def hear(self, window: Audio) -> Segment:
            return Segment((Word(f" {len(self.windows)}" + "a" * 300, window.start, window.end),))

    recognizer = Talks([])
    list(slide(talk([(900, 300)] * 30), alone(recognizer), LIMIT))
    longest = max(len(window.said) for window in recognizer.windows)
    assert longest == N_SAID and recognizer.windows[-1].said.endswith(" 29" + "a" * 300)


def test_a_window_waits_for_no_more_speech_than_fills_it() -> None:
    n_pulled = 0

    def pulled() -> Iterator[Audio]:
        nonlocal n_pulled
        for one in in_blocks(talk([(0, 100)] * 100), [100]):
            n_pulled += 1
            yield one

    segments = slide(pulled(), alone(Knows([100] * 100)), LIMIT)
    next(segments)
    assert n_pulled == 10
    next(segments)
    assert n_pulled == 20


@pytest.mark.parametrize("sizes", [[500], [6000]])
def test_ten_hours_take_no_more_memory_than_a_window_and_a_block(sizes: list[int]) -> None:
    class Deaf(Knows):
        def recognize(self, windows: Sequence[Audio], /) -> list[Segment]:
            return [Segment((Word(" x", w.start, w.end),), heard=w.start + 50.0) for w in windows]

    def endless() -> Iterator[Audio]:
        hour = Audio(np.ones(3600 * RATE, np.float32), 0.0, RATE)
        for number in range(10):
            for block in in_blocks([hour], sizes):
                yield Audio(block.samples.copy(), block.start + 3600.0 * number, RATE)

    needed = (2 * round(60.0 * RATE) + 2 * sizes[0]) * 4 + 3600 * RATE * 4
    tracemalloc.start()
    try:
        n_segments = sum(1 for _ in slide(endless(), alone(Deaf([])), 60.0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_segments == 720 and peak < needed + 100_000


def test_in_company_each_recording_has_one_window_at_a_time_and_they_share_batches() -> None:
    words = [(10, 90)] * 60
    expected = list(slide(talk(words), alone(Knows([90] * 60)), LIMIT))

    class Meets(Knows):
        """Its first batch waits until every other recording has a window waiting."""

        pads = False

        def __init__(self) -> None:
            super().__init__([90] * 60)
            self.batches: list[list[Audio]] = []
            self.gate = threading.Event()

        def recognize(self, windows: Sequence[Audio], /) -> list[Segment]:
            self.batches.append(list(windows))
            assert self.gate.wait(PATIENCE)
            return super().recognize(windows)

    recognizer = Meets()
    mixer = Mixer(recognizer, 60.0, 60.0)
    results: dict[int, list[Segment]] = {}

    def hear(number: int) -> None:
        results[number] = list(
            pipeline.transcribe(
                talk(words), vad=iter, recognizer=recognizer, batch_seconds=60.0, account=Account(mixer)
            )
        )

    threads = [threading.Thread(target=hear, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    while not recognizer.batches or len(recognizer.batches[0]) + len(mixer._waiting) < 4:
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.001)
    recognizer.gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    mixer.close()
    assert results == dict.fromkeys(range(4), expected)
    assert len(recognizer.batches[0]) + len(recognizer.batches[1]) == 4  # each has one, and waits for it
    assert len(recognizer.windows) == 4 * len(expected)


def test_a_mixer_that_stops_ends_the_recording_there() -> None:
    mixer = Mixer(Knows([90]), 60.0, 60.0)
    mixer.close()
    segments = pipeline.transcribe(
        talk([(10, 90)]), vad=iter, recognizer=Knows([90]), batch_seconds=60.0, account=Account(mixer)
    )
    assert list(segments) == []
