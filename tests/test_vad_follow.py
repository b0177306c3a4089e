"""What is told of an utterance while it is spoken is what the VAD gives when it is over."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.longform.cut import touches
from asr_cli.vad.endpoint import Endpointer, EndpointOptions
from asr_cli.vad.follow import AllSpeech, VadFollower
from asr_cli.vad.fsmn import FsmnVad
from tests.fakes import Told

OPTIONS = {
    "classic": EndpointOptions(),
    "dynamic": EndpointOptions(mode="dynamic"),
    "short stretches": EndpointOptions(max_single_segment_time=700),
    "hasty": EndpointOptions(max_end_silence_time=215, lookahead_time_end_point=40),
    "none left over": EndpointOptions(max_end_silence_time=100),
}


def followed(vad, samples, sizes):
    """The utterances (first sample, samples), and for each pause where it said that the utterance would end."""
    follower, utterances, current, pauses = VadFollower(vad), [], None, []
    at, rest = 0, samples
    bits = []
    sizes = iter(sizes)
    while len(rest):
        n = next(sizes, len(rest))
        bits.extend(follower.feed(Audio(rest[:n], start=at / SAMPLE_RATE)))
        rest, at = rest[n:], at + n
    bits.extend(follower.finish())
    for bit in bits:
        if current is None:
            current = [bit.audio]
        else:
            assert touches(current[-1], bit.audio)
            current.append(bit.audio)
        if bit.pauses:
            pauses.append(bit.audio.end)
        if bit.ends:
            utterances.append((round(current[0].start * SAMPLE_RATE), np.concatenate([a.samples for a in current])))
            current = None
    assert current is None
    return utterances, pauses


def whole(votes, options, samples):
    """What the endpointer gives for the stream, touching stretches put together."""
    found = []
    for first, last in Endpointer(options).feed(bytes(votes), final=True):
        if found and found[-1][1] == first:
            found[-1][1] = last
        else:
            found.append([first, last])
    return [(first * 160, samples[first * 160 : last * 160]) for first, last in found]


runs = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 130)), min_size=1, max_size=14)


@settings(max_examples=120, deadline=None)
@given(runs=runs, name=st.sampled_from(sorted(OPTIONS)), sizes=st.lists(st.integers(1, 9000), max_size=40))
def test_bits_of_speech_make_the_same_utterances_however_the_stream_comes(runs, name, sizes):
    votes = np.repeat([vote for vote, _ in runs], [n for _, n in runs]).astype(np.uint8)
    samples = np.arange(len(votes) * 160, dtype=np.float32) / 1e6
    utterances, pauses = followed(Told(votes, OPTIONS[name]), samples, sizes)
    expected = whole(votes, OPTIONS[name], samples)
    assert [start for start, _ in utterances] == [start for start, _ in expected]
    for (_, found), (_, wanted) in zip(utterances, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    spans = [(start / SAMPLE_RATE, (start + len(found)) / SAMPLE_RATE) for start, found in utterances]
    assert all(any(start < pause <= end + 1e-6 for start, end in spans) for pause in pauses)


def test_an_utterance_that_ends_in_silence_was_known_whole_when_it_paused():
    votes = np.repeat([0, 1, 0], [60, 120, 200]).astype(np.uint8)
    samples = np.zeros(len(votes) * 160, np.float32)
    follower = VadFollower(Told(votes, EndpointOptions()))
    at, paused, ended = 0, None, None
    for at in range(0, len(samples), 1600):
        for bit in follower.feed(Audio(samples[at : at + 1600], start=at / SAMPLE_RATE)):
            if bit.pauses:
                paused = (at, bit.audio.end)
            if bit.ends:
                ended = (at, bit.audio.end)
    assert paused is not None and ended is not None
    assert paused[1] == pytest.approx(ended[1])
    assert ended[0] - paused[0] >= 0.4 * SAMPLE_RATE  # so much sooner its last words can be sought


@pytest.mark.parametrize("size", [160, 1601, 16_000])
def test_a_real_vad_followed_gives_what_it_gives_for_the_file(size):
    rng = np.random.default_rng(1)
    t = np.arange(9 * SAMPLE_RATE) / SAMPLE_RATE
    on = (np.sin(2 * np.pi * 0.25 * t) > 0.2) * (0.4 + 0.4 * np.sin(2 * np.pi * 3.1 * t))
    voiced = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 25))
    samples = (0.2 * on * voiced + 0.001 * rng.standard_normal(len(t))).astype(np.float32)
    vad = FsmnVad.built_in(patience=0.1)
    expected = [(round(u.start * SAMPLE_RATE), u.samples) for u in vad([Audio(samples)])]
    found, _ = followed(vad, samples, [size] * (len(samples) // size + 1))
    assert [start for start, _ in found] == [start for start, _ in expected]
    assert [len(one) for _, one in found] == [len(one) for _, one in expected]
    assert expected


def test_without_a_vad_the_end_of_the_stream_is_the_end_of_speech():
    follower = AllSpeech()
    bits = [*follower.feed(Audio(np.ones(10, np.float32))), *follower.finish()]
    assert [len(bit.audio.samples) for bit in bits] == [10, 0]
    assert [bit.ends for bit in bits] == [False, True]
    assert list(AllSpeech().finish()) == []
