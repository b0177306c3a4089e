"""Streams of the streaming Paraformer beside themselves: divided otherwise, in company, from a state, for long."""

import time
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from asr_plugins.paraformer.streaming import StreamingParaformerRecognizer
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.audio import Audio
from asr_cli.models.paraformer_folder import read_folder
from asr_cli.models.paraformer_streaming import Chunks, apart
from asr_cli.nn.cif import Begun, integrate_and_fire
from asr_cli.nn.packed import pack
from asr_cli.nn.precision import lower
from asr_cli.nn.rows import Rows
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from tests.tools.small_paraformer import recordings, sounds
from tests.tools.small_streaming import streaming_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return streaming_folder(tmp_path_factory.mktemp("streaming") / "model")


@pytest.fixture(scope="session")
def model(folder):
    return read_folder(folder)


@pytest.fixture(scope="session")
def recognizer(model):
    return StreamingParaformerRecognizer(model)


def words(draft):
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in draft.words]


def hear(recognizer, sound, cuts=(), start=0.0):
    """The drafts of an utterance divided at some samples."""
    state, found, places = None, [], [0, *sorted(cuts), len(sound)]
    for i, (begin, end) in enumerate(pairwise(places)):
        audio = Audio(sound[begin:end], start=start + begin / 16_000)
        [(draft, state)] = recognizer.hear([Chunk(audio, state, i == len(places) - 2)])
        found.append(draft)
    assert state is None
    return found


GEOMETRY = st.builds(
    Chunks, st.integers(0, 6), st.integers(1, 12), st.integers(0, 6), st.integers(-1, 5), st.integers(-1, 3)
)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.lists(st.integers(0, 53_000), max_size=12), GEOMETRY, st.integers(0, 2))
def test_any_split_gives_the_same_words(model, data, cuts, chunks, index):
    recognizer = StreamingParaformerRecognizer(model, chunks=chunks)
    sound = recordings()[f"sound {index}"]
    whole = hear(recognizer, sound, start=3.0)[-1]
    divided = hear(recognizer, sound, [cut % len(sound) for cut in cuts], start=3.0)
    assert words(divided[-1]) == words(whole) and whole.n_final == len(whole.words)
    for draft in divided:  # what is final stays
        assert words(draft)[: draft.n_final] == words(whole)[: draft.n_final]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30_000), st.booleans()), min_size=1, max_size=7), GEOMETRY)
def test_many_streams_are_each_heard_as_if_alone(model, plan, chunks):
    recognizer = StreamingParaformerRecognizer(model, chunks=chunks)
    utterances = [(np.roll(recordings()[f"sound {index}"], shift), shift) for index, shift, _ in plan]
    first = [(sound[: shift % len(sound)], sound[shift % len(sound) :]) for sound, shift in utterances]
    begun = recognizer.hear([Chunk(Audio(one)) for one, _ in first])
    ends = [not going_on for _, _, going_on in plan]
    together = recognizer.hear(
        [Chunk(Audio(two), state, end) for (_, two), (_, state), end in zip(first, begun, ends, strict=True)]
    )
    for (one, two), end, (draft, _) in zip(first, ends, together, strict=True):
        [(_, state)] = recognizer.hear([Chunk(Audio(one))])
        [(alone, _)] = recognizer.hear([Chunk(Audio(two), state, end)])
        assert words(draft) == words(alone) and draft.n_final == alone.n_final


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from tensors(getattr(value, field.name))


def test_states_are_values(recognizer):
    sound = recordings()["long"]
    [(_, state)] = recognizer.hear([Chunk(Audio(sound[:40_000]))])
    before = [tensor.clone() for tensor in tensors(state)]
    first = recognizer.hear([Chunk(Audio(sound[40_000:]), state, True)])[0][0]
    recognizer.hear([Chunk(Audio(sound[:30_000]), state), Chunk(Audio(sound[:30_000]), state, True)])
    again = recognizer.hear([Chunk(Audio(sound[40_000:]), state, True)])[0][0]
    assert first == again
    assert all(map(torch.equal, before, tensors(state)))


def held(state):
    """Bytes of the storages behind a state: a view would hold on to more than it shows."""
    return sum({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors(state)}.values())


def test_the_state_of_a_long_stream_is_no_larger(model):
    recognizer = StreamingParaformerRecognizer(model, chunks=Chunks(0, 1, 1, 4, 1))
    state, sizes, rng = None, [], np.random.default_rng(0)
    for _ in range(6):
        noise = (0.1 * rng.standard_normal(50 * recognizer.stride)).astype(np.float32)
        [(draft, state)] = recognizer.hear([Chunk(Audio(noise), state)])
        sizes.append(held(state))
    assert state.net.n_rows == 300 and len(draft.words) > 20
    assert len(set(sizes)) == 1
    assert len(state.text.pieces) < 10


def test_a_stream_of_a_week_goes_on_like_a_new_one(model):
    recognizer = StreamingParaformerRecognizer(model)
    [(_, state)] = recognizer.hear([Chunk(Audio(recordings()["long"]))])
    old = replace(state, net=replace(state.net, n_rows=10_000_000))
    begin = time.perf_counter()
    [(_, state)] = recognizer.hear([Chunk(Audio(recordings()["long"]), old)])
    assert time.perf_counter() - begin < 10  # a table of all positions so far would take gigabytes for each chunk
    assert state.net.n_rows > 10_000_000 and held(state.net) == held(old.net)


def test_company_leaves_no_memory_behind(recognizer):
    sound = recordings()["long"][:48_000]
    [(_, alone)] = recognizer.hear([Chunk(Audio(sound))])
    (_, state), *_ = recognizer.hear([Chunk(Audio(sound))] * 8)
    assert held(state) < 1.5 * held(alone) + 10_000


def test_a_look_back_without_end_is_what_grows(model):
    recognizer = StreamingParaformerRecognizer(model, chunks=Chunks(0, 4, 2, -1, -1))
    [(_, state)] = recognizer.hear([Chunk(Audio(recordings()["long"]))])
    assert state.net.encoder.shape[1] == state.net.n_rows > 40
    assert state.net.decoder.shape[1] > 20


def test_whole_utterances_are_heard_in_the_same_steps(recognizer):
    utterances = [Audio(sound, start=10.0 * i) for i, sound in enumerate(recordings().values())]
    segments = recognizer.recognize(utterances)
    for segment, utterance in zip(segments, utterances, strict=True):
        draft = hear(recognizer, utterance.samples, range(0, len(utterance.samples), 4321), start=utterance.start)[-1]
        assert [word.text for word in segment.words] == [word.text for word in draft.words]
        assert words(segment) == words(draft)
    assert recognizer.recognize([]) == [] == recognizer.hear([])
    assert isinstance(recognizer, Recognizer) and isinstance(recognizer, StreamingRecognizer)
    assert recognizer.chunk_duration == pytest.approx(0.6)


def test_words_follow_each_other_within_the_utterance(recognizer):
    segment = recognizer.recognize([Audio(recordings()["long"], start=100.0)])[0]
    times = [time for word in segment.words for time in (word.start, word.end)]
    assert len(segment.words) > 20 and times == sorted(times)
    assert times[0] >= 100.0 and times[-1] <= 100.0 + len(recordings()["long"]) / 16_000 + 0.06
    assert all(word.end - word.start <= 12 * 0.02 + 1e-6 for word in segment.words if len(word.text) == 1)
    assert all(0 < word.confidence <= 1 for word in segment.words)


def test_of_hardly_any_sound_nothing_is_said(recognizer):
    for n in (0, 1, 399):
        assert recognizer.recognize([Audio(np.full(n, 0.1, np.float32))])[0].words == ()
    [(draft, state)] = recognizer.hear([Chunk(Audio(np.zeros(0, np.float32)))])
    assert draft.words == () and state is not None
    assert recognizer.hear([Chunk(Audio(np.zeros(0, np.float32)), state, True)])[0][0].words == ()


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_fewer_bits_and_another_order_of_weights_change_little(folder, recognizer, compute_type):
    changed = read_folder(folder)
    for stack in (changed.net.encoder, changed.net.decoder):
        list(lower(stack, compute_type))
    assert len(list(pack(changed.net))) > (30 if compute_type == "float32" else 0)
    found = StreamingParaformerRecognizer(changed).recognize([Audio(sounds()[2])] * 3)
    expected = recognizer.recognize([Audio(sounds()[2])] * 3)
    assert len({segment.text for segment in found}) == 1
    if compute_type == "float32":
        assert [segment.text for segment in found] == [segment.text for segment in expected]
    assert abs(len(found[0].words) - len(expected[0].words)) <= 2


def test_where_memory_does_not_suffice_half_the_utterances_are_heard_at_a_time(model, monkeypatch):
    recognizer = StreamingParaformerRecognizer(model)
    utterances = [Audio(sound) for sound in sounds()[:3]]
    expected = recognizer.recognize(utterances)
    whole, sizes = recognizer.hear, []

    def scarce(chunks):
        sizes.append(len(chunks))
        if len(chunks) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(chunks)

    monkeypatch.setattr(recognizer, "hear", scarce)
    assert [segment.text for segment in recognizer.recognize(utterances)] == [segment.text for segment in expected]
    assert sizes == [3, 1, 2, 1, 1]


@pytest.mark.parametrize("alphas", [(0.0, 0.0, 0.3), (1e-12, 0.4, 0.5), (0.0, 0.0, 0.0)])
def test_a_sum_that_is_rounded_up_to_a_token_is_no_debt(alphas):
    """What is left is less than nothing then: the next chunk, if silent, was said to have fewer tokens than none."""
    first = integrate_and_fire(torch.ones(2, 2), torch.tensor([0.99999994, 4.5e-8]), Rows([2]))
    assert first.rows.lengths == (1,) and first.begun.weights.item() < 1
    [begun] = apart(first.begun)
    found = integrate_and_fire(torch.ones(3, 2), torch.tensor(alphas), Rows([3]), begun=begun)
    assert found.rows.lengths == (0,) and not found.fires.any()


def test_of_a_sum_only_what_no_token_was_made_of_is_remembered():
    [one, two] = apart(Begun(torch.tensor([12_345.625, 0.75], dtype=torch.float64), torch.zeros(2, 2)))
    assert (one.weights.item(), two.weights.item()) == (0.625, 0.75)
