"""Captions of a stream: the drafts may come as they like, the finals are what a file gives."""

import itertools
import logging
import threading
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli import pipeline
from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.errors import InputError, ModelError
from asr_cli.live.captioner import Captioner
from asr_cli.live.conclude import Conclusion
from asr_cli.live.desk import Desk, Finishing
from asr_cli.live.drafts import Again, RepeatingDrafter, StreamingDrafter
from asr_cli.live.events import Final, Over, Partial
from asr_cli.live.listening import Listening
from asr_cli.live.stats import Lag, Stats
from asr_cli.live.talk import Talk
from asr_cli.longform.cut import Cutter
from asr_cli.transcript import Draft, Segment, Word
from asr_cli.vad.endpoint import EndpointOptions
from asr_cli.vad.follow import VadFollower
from tests.fakes import InstantRecognizer, InstantStream, Told

KINDS = ("again", "streaming", "one pass", "two recognizers", "no drafts")


@contextmanager
def desk_of(kind, recognizer=None, stream=None, batch_seconds=20.0):
    recognizer, stream = recognizer or InstantRecognizer(), stream or InstantStream()
    drafter = {
        "again": lambda: RepeatingDrafter(recognizer),
        "two recognizers": lambda: RepeatingDrafter(InstantRecognizer()),
        "streaming": lambda: StreamingDrafter(stream, final=False),
        "one pass": lambda: StreamingDrafter(stream, final=True),
        "no drafts": lambda: None,
    }[kind]()
    finals = None if kind == "one pass" else recognizer
    with Desk(drafter, finals, batch_seconds=batch_seconds, shared=kind == "again") as desk:
        yield desk


def captioner(desk, votes, emit, *, max_duration=20.0, options=None, **given):
    finals = desk.finals is not None
    follower = VadFollower(Told(votes, options or EndpointOptions()))
    given = {"shows_drafts": desk.drafts is not None, **given}
    return Captioner(desk, follower, emit, max_duration=max_duration if finals else None, **given)


def blocks_of(samples, sizes):
    at, sizes = 0, itertools.chain(sizes, itertools.repeat(1600))
    while at < len(samples):
        n_samples = next(sizes)
        yield Audio(samples[at : at + n_samples], start=at / SAMPLE_RATE)
        at += n_samples


def listened(desk, votes, blocks, *, stats=None, stop=None, **given):
    listening = Listening(
        lambda emit, *, stats, ahead: captioner(desk, votes, emit, stats=stats, ahead=ahead, **given),
        blocks, lambda: desk.failure, stats=stats, ahead=30.0, stop=stop,
    )  # fmt: skip
    return [event for event in listening if event is not None]


def speech(*runs):
    """Votes for runs of seconds, beginning with silence, and samples for them."""
    votes = np.concatenate([np.full(round(seconds * 100), index % 2) for index, seconds in enumerate(runs)])
    return votes.astype(np.uint8), np.zeros(len(votes) * 160, np.float32)


def spoken(events):
    return [
        (word.text, round(word.start, 3))
        for event in events
        if isinstance(event, Final)
        for word in event.segment.words
    ]


def in_a_file(votes, samples, recognizer=None, options=None):
    vad = Told(votes, options or EndpointOptions())
    segments = pipeline.transcribe(
        [Audio(samples)], vad=vad, recognizer=recognizer or InstantRecognizer(), batch_seconds=60.0
    )
    return [(word.text, round(word.start, 3)) for segment in segments for word in segment.words]


runs = st.lists(st.floats(0.02, 6), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None)
@given(runs=runs, kind=st.sampled_from(KINDS), sizes=st.lists(st.integers(1, 20_000), max_size=20))
def test_finals_are_what_a_file_gives_however_the_stream_comes(runs, kind, sizes):
    votes, samples = speech(*runs)
    with desk_of(kind) as desk:
        events = listened(desk, votes, blocks_of(samples, sizes))
    assert spoken(events) == in_a_file(votes, samples)


@pytest.mark.parametrize("kind", KINDS)
def test_every_utterance_ends_and_nothing_is_told_of_it_afterwards(kind):
    votes, samples = speech(1, 2, 2, 3, 2, 0.5, 3)
    with desk_of(kind) as desk:
        events = listened(desk, votes, blocks_of(samples, [800]))
    over = [event.id for event in events if isinstance(event, Over)]
    assert over == [0, 1, 2]
    for utterance in over:
        mine = [event for event in events if event_id(event) == utterance]
        assert isinstance(mine[-1], Over)
        kinds = [type(event) for event in mine[:-1]]
        assert kinds == sorted(kinds, key=[Partial, Final].index)
    assert (kind == "no drafts") == (not any(isinstance(event, Partial) for event in events))


def event_id(event):
    return event.id


def test_a_long_utterance_without_a_pause_is_final_piece_by_piece_and_drafts_leave_out_what_is():
    votes, samples = speech(0.5, 70, 2)
    with desk_of("streaming") as desk:
        events = listened(desk, votes, blocks_of(samples, []))
    assert spoken(events) == in_a_file(votes, samples)
    finals = [event for event in events if isinstance(event, Final)]
    assert len(finals) > 2
    until = 0.0
    for event in events:
        if isinstance(event, Final):
            until = event.segment.end
        elif isinstance(event, Partial):
            assert all((word.start + word.end) / 2 > until for word in event.draft.words)


def test_what_streams_alone_is_begun_afresh_when_nobody_pauses_for_a_minute():
    votes, samples = speech(0.5, 130, 2)
    with desk_of("one pass") as desk:
        events = listened(desk, votes, blocks_of(samples, []))
    assert len([event for event in events if isinstance(event, Over)]) == 3
    assert [word for word, _ in spoken(events)] == [word for word, _ in in_a_file(votes, samples)]


class Failing(InstantRecognizer):
    def recognize(self, utterances):
        if any(utterance.start > 4 for utterance in utterances):
            time.sleep(0.3)
            raise ModelError("the recogniser is tired")
        return super().recognize(utterances)


def test_a_recogniser_that_fails_is_told_after_what_it_did_make():
    votes, samples = speech(1, 1, 20, 1, 2)
    finals = []
    with desk_of("no drafts", Failing(), batch_seconds=0.1) as desk:  # each utterance on its own
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit), blocks_of(samples, []), lambda: desk.failure
        )
        with pytest.raises(ModelError, match="tired"):
            for event in listening:
                finals.append(event)
    assert spoken(finals) == [pair for pair in in_a_file(votes, samples) if pair[1] < 3]


def told_until(events, kind, match):
    """The events until that is raised."""
    told = []
    with pytest.raises(kind, match=match):
        for event in events:
            told.append(event)
    return told


class Deaf(VadFollower):
    """Hears nothing any more after three seconds, in the middle of an utterance."""

    def feed(self, block):
        if block.start > 3:
            raise ModelError("the VAD is tired")
        yield from super().feed(block)


@pytest.mark.parametrize("kind", ["again", "one pass"])
def test_a_stream_that_cannot_be_heard_any_more_is_told_after_what_was_heard(kind):
    votes, samples = speech(0.5, 9, 1)
    with desk_of(kind) as desk:

        def caption(emit, *, stats, ahead):
            follower = Deaf(Told(votes, EndpointOptions()))
            return Captioner(desk, follower, emit, max_duration=None if kind == "one pass" else 20.0, ahead=ahead)

        events = told_until(Listening(caption, blocks_of(samples, []), lambda: desk.failure), ModelError, "tired")
    assert spoken(events)[-1][1] > 2.5


@pytest.mark.parametrize(
    "block",
    [Audio(np.zeros(80, np.float32), sample_rate=8000), Audio(np.zeros((80, 2), np.float32)),
     Audio(np.zeros(80, np.int16))],
)  # fmt: skip
def test_a_block_that_is_no_sound_of_ours_is_refused(block):
    with desk_of("again") as desk, pytest.raises(InputError, match="16000 Hz"):
        captioner(desk, np.zeros(9, np.uint8), lambda event: None).feed(block)


def test_who_leaves_a_stream_leaves_no_thread_behind():
    votes, samples = speech(0.5, 120)
    with desk_of("no drafts", Slow(0.5)) as desk:
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit, ahead=1.0), blocks_of(samples, []),
            lambda: desk.failure, ahead=1.0,
        )  # fmt: skip
        events = iter(listening)
        next(events)
        events.close()
        assert not any(thread.name == "asr-hear" for thread in threading.enumerate())


def test_a_source_that_fails_leaves_everything_before_it_final():
    votes, samples = speech(1, 2, 2)

    def broken():
        yield from blocks_of(samples[: 3 * SAMPLE_RATE], [])
        raise InputError("the line is dead")

    events = []
    with desk_of("again") as desk, pytest.raises(InputError, match="dead"):
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit), broken(), lambda: desk.failure, ahead=30.0
        )
        for event in listening:
            events.append(event)
    assert len(spoken(events)) >= 8


def test_a_stop_makes_final_what_was_read():
    votes, samples = speech(0.5, 600)
    stop = threading.Event()

    def endless():
        for index, block in enumerate(blocks_of(samples, [])):
            if index == 100:
                stop.set()
            yield block

    with desk_of("again") as desk:
        events = listened(desk, votes, endless(), stop=stop)
    assert spoken(events)[-1][1] > 9.0
    assert isinstance(events[-1], Over)


def test_a_stop_does_not_wait_for_a_source_that_says_nothing():
    votes, samples = speech(0.5, 60)
    stop, release = threading.Event(), threading.Event()

    def silent():
        yield from blocks_of(samples[: 3 * SAMPLE_RATE], [])
        stop.set()
        release.wait(20)

    with desk_of("again") as desk:
        begun = time.monotonic()
        events = listened(desk, votes, silent(), stop=stop)
        assert time.monotonic() - begun < 10
    release.set()
    assert len(spoken(events)) >= 9


class Slow(InstantRecognizer):
    """Takes as long as it is told for each utterance."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def recognize(self, utterances):
        time.sleep(self.seconds * len(utterances))
        return super().recognize(utterances)


def test_who_falls_behind_says_so_and_leaves_out_drafts_never_speech(monkeypatch, caplog):
    monkeypatch.setattr("asr_cli.live.worker.BEHIND", 0.3)
    votes, samples = speech(*[1.0, 1.2] * 8, 1.0)

    def paced():
        for block in blocks_of(samples, []):
            time.sleep(0.004)
            yield block

    caplog.set_level(logging.INFO, "asr")
    logging.getLogger("asr").propagate = True
    with desk_of("two recognizers", Slow(0.4)) as desk:
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit), paced(), lambda: desk.failure, ahead=None
        )
        events = [event for event in listening if event is not None]
    assert spoken(events) == in_a_file(votes, samples)
    assert any("behind" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("is_paced", [True, False])
def test_a_stream_whose_drafts_are_final_says_that_it_is_behind_unless_it_came_all_at_once(
    is_paced, monkeypatch, caplog
):
    class Sleepy(InstantStream):
        def hear(self, chunks):
            time.sleep(0.1)
            return super().hear(chunks)

    monkeypatch.setattr("asr_cli.live.worker.BEHIND", 2.0)
    votes, samples = speech(0.5, 6, 2, 4, 1)
    monkeypatch.setattr(logging.getLogger("asr"), "propagate", True)
    with desk_of("one pass", stream=Sleepy()) as desk:
        events = listened(desk, votes, blocks_of(samples, []), stats=Stats(is_paced=is_paced))
    assert spoken(events) == in_a_file(votes, samples)
    assert any("behind" in record.getMessage() for record in caplog.records) == is_paced


def test_a_streaming_drafter_that_is_too_slow_gives_up_an_utterance_and_not_the_next():
    class Sleepy(InstantStream):
        def hear(self, chunks):
            if chunks[0].audio.start < 10:
                time.sleep(0.5)
            return super().hear(chunks)

    votes, samples = speech(0.5, 8, 3, 6, 2)

    def paced():
        for block in blocks_of(samples, []):
            time.sleep(0.01)  # ten times as fast as speech
            yield block

    stats = Stats()
    with desk_of("streaming", stream=Sleepy()) as desk:
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit, stats=stats), paced(), lambda: desk.failure,
            stats=stats, ahead=None,
        )  # fmt: skip
        events = [event for event in listening if event is not None]
    assert spoken(events) == in_a_file(votes, samples)
    assert stats.report().n_without_drafts == 1
    assert any(isinstance(event, Partial) and event.id == 1 and event.draft.words for event in events)


def test_streams_that_share_a_desk_are_heard_together_and_never_mixed():
    n_streams, stream = 6, InstantStream()
    votes, samples = speech(0.5, 5, 2, 3, 2)
    expected = in_a_file(votes, samples)
    told = [[] for _ in range(n_streams)]
    with desk_of("one pass", stream=stream) as desk:
        streams = [captioner(desk, votes, told[index].append) for index in range(n_streams)]
        for block in blocks_of(samples, []):
            for one in streams:
                one.feed(block)
            time.sleep(0.002)
        for one in streams:
            one.finish()
        end = time.monotonic() + 20
        while any(sum(isinstance(event, Over) for event in events) < 2 for events in told):
            assert desk.failure is None and time.monotonic() < end
            time.sleep(0.01)
    assert all(spoken(events) == expected for events in told)
    assert max(stream.calls) > 1


def test_drafts_of_a_long_utterance_are_stitched_from_what_was_heard_again():
    votes, samples = speech(0.2, 15, 1)
    recognizer = InstantRecognizer()
    heard = []

    class Watched(InstantRecognizer):
        def recognize(self, utterances):
            heard.extend(utterance.duration for utterance in utterances)
            return super().recognize(utterances)

    def paced():
        for block in blocks_of(samples, []):
            time.sleep(0.01)
            yield block

    with Desk(RepeatingDrafter(Watched()), recognizer, batch_seconds=20.0) as desk:
        listening = Listening(
            lambda emit, *, stats, ahead: captioner(desk, votes, emit), paced(), lambda: desk.failure, ahead=None
        )
        partials = [event for event in listening if isinstance(event, Partial) and event.heard > 14]
    assert max(heard) < 8
    texts = [word.text for word in partials[-1].draft.words]
    first = int(texts[0].removeprefix(" w"))
    assert texts == [f" w{first + index}" for index in range(len(texts))]
    assert len(texts) > 50


@pytest.mark.parametrize("max_duration", [0.8, 3.0, 6.0])
def test_no_draft_asks_a_recogniser_for_more_than_it_takes(max_duration):
    votes, samples = speech(0.2, 9, 1)
    heard = []

    class Short(InstantRecognizer):
        def recognize(self, utterances):
            heard.extend(utterance.duration for utterance in utterances)
            return super().recognize(utterances)

    recognizer = Short()
    recognizer.max_duration = max_duration
    with Desk(RepeatingDrafter(recognizer), InstantRecognizer(), batch_seconds=20.0) as desk:
        listened(desk, votes, (time.sleep(0.005) or block for block in blocks_of(samples, [])))
    assert max(heard) <= max_duration


def test_a_window_that_lost_its_beginning_says_how_much_of_it_was_heard_before():
    drafter = RepeatingDrafter(InstantRecognizer())
    window = Audio(np.zeros(2 * SAMPLE_RATE, np.float32), start=10.0, overlap=2.0)
    widened = drafter.widened(Again((), window), Audio(np.zeros(6 * SAMPLE_RATE, np.float32), start=12.0)).window
    assert (widened.start, widened.duration, widened.overlap) == pytest.approx((11.0, 7.0, 1.0))


def talk_of(emit):
    return Talk(
        id=0, start=0.0, emit=emit, stats=Stats(), conclusion=Conclusion(None, ()), finishers=(), cutter=None
    )  # fmt: skip


def test_a_draft_loses_what_became_final_at_once():
    words, told = tuple(Word(f" {n}", n, n + 1.0) for n in range(6)), []
    talk = talk_of(told.append)
    talk.show(Draft(words, 4), 6.0)
    talk.conclude([Segment(words[:3]), Segment(words[3:5])], over=False)
    assert told[1:] == [Final(0, Segment(words[:3])), Partial(0, Draft(words[3:], 1), 6.0)]


@pytest.mark.parametrize(("start", "n_told"), [(0.0, 1), (4.0, 0)])
def test_a_guess_is_a_draft_only_where_it_is_all_of_the_utterance(start, n_told):
    told = []
    talk = talk_of(told.append)
    talk.guess = [Audio(np.zeros(SAMPLE_RATE, np.float32), start=start)]
    Finishing(InstantRecognizer(), nullcontext(), 20.0)._guess(talk)
    assert len(told) == n_told
    assert talk.is_guessed == bool(n_told)


def test_a_long_stream_is_drafted_from_what_is_not_final_only():
    votes, samples = speech(0.1, 60)
    states = []

    class Watching(RepeatingDrafter):
        def draft(self, dues):
            super().draft(dues)
            states.extend(len(due.talk.state.settled) for due in dues)

    def paced():
        for block in blocks_of(samples, []):
            time.sleep(0.002)
            yield block

    recognizer = InstantRecognizer()
    recognizer.max_duration = 6.0
    with Desk(Watching(recognizer), recognizer, batch_seconds=20.0) as desk:
        listened(desk, votes, paced(), max_duration=6.0)
    assert 0 < max(states) <= 6


def test_what_streams_alone_and_is_silent_after_a_minute_ends_once():
    votes, samples = speech(0.5, 45, 5)
    with desk_of("one pass") as desk:
        events = listened(desk, votes, blocks_of(samples, []))
    assert [event.id for event in events if isinstance(event, Over)] == [0]


def commas(segments):
    """A punctuator that ends a sentence at every third word."""
    words = [word for segment in segments for word in segment.words if word.text.strip()]
    for at in range(0, len(words), 3):
        yield Segment(tuple(words[at : at + 3]))


@given(st.lists(st.integers(0, 9), max_size=8), st.sets(st.integers(0, 30)))
def test_a_conclusion_gives_each_word_once_and_leaves_a_sentence_open_until_the_end(sizes, blank):
    words = [Word(" " if n in blank else f" {n}", n, n + 1.0) for n in range(sum(sizes))]
    rest, conclusion, told = iter(words), Conclusion(commas, ()), []
    for size in sizes:
        piece = tuple(itertools.islice(rest, size))
        told += conclusion.add(Segment(piece))
    told += conclusion.end()
    assert [word for segment in told for word in segment.words] == [word for word in words if word.text.strip()]
    assert all(len(segment.words) == 3 for segment in told[:-1])


def test_lags_are_told_by_their_middle_and_their_ninth_tenth():
    assert Lag.of([]) == Lag(None, None, 0)
    assert Lag.of([float(n) for n in range(11)]) == Lag(5.0, 9.0, 11)


def test_delays_are_measured_from_when_the_sound_came():
    now = [0.0]
    stats = Stats(lambda: now[0])
    for tenth in range(1, 41):
        now[0] = 100 + tenth / 10
        stats.arrived(tenth / 10)
        if tenth == 12:
            now[0] += 0.05
            stats.partial(Partial(0, Draft((Word("hello", 0.5, 1.0),), 0), heard=1.0))
    stats.noticed(0)
    now[0] = 105.0
    stats.final(Final(0, Segment((Word("hello", 0.5, 1.0), Word(" you", 1.0, 2.0)))))
    stats.over(0, without_drafts=False)
    report = stats.report()
    assert report.first_word.median == pytest.approx(0.75)
    assert report.draft.median == pytest.approx(0.25)
    assert report.final.median == pytest.approx(1.0)
    assert report.after_speech.median == pytest.approx(3.0)
    assert report.duration == pytest.approx(4.0)


@pytest.mark.parametrize(("seconds", "guesses"), [(0.0, True), (2.0, False)])
def test_what_would_take_long_is_not_heard_before_it_is_over(seconds, guesses):
    """A final that is due meanwhile would have to wait for it."""
    desk = Desk(None, Slow(0.0), batch_seconds=20.0)
    desk.finals._pace = seconds
    talk = Talk(0, 0.0, lambda event: None, Stats(), Conclusion(None, ()), (), Cutter(20.0))
    piece = Audio(np.zeros(SAMPLE_RATE, np.float32))
    desk.add(talk, piece, [], [piece])
    assert bool(talk.guess) == desk.finals.has_news() == guesses
