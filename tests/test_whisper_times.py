"""When words were said: from attention, within speech."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from asr_plugins.whisper.folder import read_folder
from asr_plugins.whisper.silence import clamp, depths, over_silence, silences
from asr_plugins.whisper.spelling import Spelled, spell
from asr_plugins.whisper.times import shortened, smooth, token_frames, warp, word_times
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from transformers.models.whisper import generation_whisper

from asr_cli.transcript import Word
from tests.tools.small_whisper import make_whisper

COSTS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-9, 9))
TIMES = st.floats(0, 10).map(lambda time: round(time, 2))


def starts_of_transformers(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    tokens, frames = generation_whisper._dynamic_time_warping(costs)
    return frames[np.diff(tokens, prepend=-1) > 0]


def cost_of(starts: NDArray[np.int64], costs: NDArray[np.float64]) -> float:
    """Of the cheapest way with these first frames: the one before ends beside it or below."""
    total = 0.0
    for u, start in enumerate(starts):
        last = starts[u + 1] if u + 1 < len(starts) else costs.shape[1]
        shared = costs[u, start] if last == start else 0.0
        beside = costs[u, start:last].sum() + shared
        total += min(beside, beside + costs[u, last]) if last < costs.shape[1] and last > start else beside
    return total


# -- from attention to frames


@settings(deadline=None)
@given(rng=st.randoms(use_true_random=False), n_tokens=st.integers(1, 30), n_frames=st.integers(1, 60))
def test_the_way_is_that_of_transformers(rng: object, n_tokens: int, n_frames: int) -> None:
    costs = np.random.default_rng(rng.getrandbits(32)).standard_normal((n_tokens, n_frames))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(warp(costs), starts_of_transformers(costs))


@settings(deadline=None)
@given(costs=COSTS)
def test_no_way_is_cheaper_even_where_several_cost_the_same(costs: NDArray[np.float64]) -> None:
    best = np.full((costs.shape[0] + 1, costs.shape[1] + 1), np.inf)
    best[0, 0] = 0
    for u, t in np.ndindex(costs.shape):
        best[u + 1, t + 1] = costs[u, t] + min(best[u, t], best[u, t + 1], best[u + 1, t])
    starts = warp(costs)
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    assert cost_of(starts, costs) == pytest.approx(best[-1, -1])


@pytest.mark.parametrize("width", [1, 3, 7, 9])
def test_neighbours_are_smoothed_as_in_transformers(width: int) -> None:
    x = torch.randn(2, 5, 40, generator=torch.Generator().manual_seed(1))
    assert torch.equal(smooth(x, width), generation_whisper._median_filter(x, width))
    short = x[..., : width // 2]
    assert torch.equal(smooth(short, width), short)


def test_token_times_are_those_that_transformers_generates(tmp_path: Path) -> None:
    folder = read_folder(make_whisper(tmp_path, window=6.0, width=16, seed=3))
    theirs = generation_whisper.WhisperGenerationMixin
    model, tokens = folder.model, folder.tokens
    model.set_attn_implementation("eager")  # the one that gives its attention away
    features = torch.randn(1, 80, 600, generator=torch.Generator().manual_seed(5)).clamp(-1, 1)
    prompt = tokens.prompt("en", timestamps=False, limit=448)
    written = torch.tensor([[*prompt, *torch.randint(300, (25,), generator=torch.Generator().manual_seed(2)).tolist()]])
    with torch.inference_mode():
        out = model(input_features=features, decoder_input_ids=written, output_attentions=True)
    generated = type("Generated", (dict,), {"cross_attentions": [out.cross_attentions], "sequences": written})()
    heads = [list(pair) for pair in folder.alignment_heads]
    expected = theirs._extract_token_timestamps(model, generated, heads, num_frames=400, num_input_ids=len(prompt))
    attention = torch.stack([out.cross_attentions[layer][0, head] for layer, head in folder.alignment_heads])
    ours = token_frames(attention[:, len(prompt) :, :200], folder.median_width)
    assert ours[-1] == 200
    np.testing.assert_allclose(0.02 * ours[:-1], expected[0, len(prompt) : -1], atol=1e-5)
    assert len(set(ours)) > 10  # tokens are not all at one place


def test_tokens_are_found_where_they_were_looked_for() -> None:
    attention = torch.full((2, 4, 100), 0.001)
    for token, (first, last) in enumerate(((0, 20), (20, 25), (25, 70), (70, 100))):
        attention[:, token, first:last] = 0.1
    assert token_frames(attention, 7).tolist() == [0, 20, 25, 70, 100]


def test_attention_that_says_nothing_gives_frames_nevertheless() -> None:
    assert token_frames(torch.zeros(2, 1, 10), 7).tolist() == [0, 10]
    assert token_frames(torch.zeros(2, 0, 10), 7).tolist() == [10]
    assert (np.diff(token_frames(torch.ones(1, 3, 10), 7)) >= 0).all()


# -- from frames to words


def words_of(
    tokens: list[bytes | None], frames: list[int], logprobs: list[float] | None = None, end: float = 100.0
) -> tuple[Word, ...]:
    return word_times(spell(tokens), frames, logprobs or [0.0] * len(tokens), start=10.0, end=end)


def spans(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start, 3), round(word.end, 3)) for word in words]


def test_words_are_as_long_as_their_tokens() -> None:
    words = words_of([b" hel", b"lo", b" world"], [0, 10, 25, 50])
    assert spans(words) == [(" hello", 10.0, 10.5), (" world", 10.5, 11.0)]


def test_marks_take_no_time_and_no_part_in_the_confidence() -> None:
    words = words_of([b" (", b"hi", b").", b" so"], [0, 10, 20, 90, 110], [-9.0, -0.5, -9.0, 0.0])
    assert spans(words) == [(" (hi).", 10.2, 10.4), (" so", 11.8, 12.2)]
    assert words[0].confidence == pytest.approx(np.exp(-0.5))


def test_characters_of_a_token_divide_its_time() -> None:
    words = words_of(["。今天的".encode(), "天".encode()], [0, 30, 40])
    assert spans(words)[1:] == [("天", 10.2, 10.4), ("的", 10.4, 10.6), ("天", 10.6, 10.8)]
    assert spans(words)[0] == ("。今", 10.0, 10.2)


def test_a_character_of_several_tokens_has_all_their_time() -> None:
    data = "今".encode()
    words = words_of([data[:1], data[1:2], data[2:]], [0, 10, 20, 30], [-1.0, -2.0, -3.0])
    assert spans(words) == [("今", 10.0, 10.6)]
    assert words[0].confidence == pytest.approx(np.exp(-2.0))


def test_special_tokens_have_no_word_and_keep_their_time() -> None:
    words = words_of([None, b" one", None, None, b" two", None], [0, 5, 30, 35, 40, 60, 60])
    assert spans(words) == [(" one", 10.1, 10.6), (" two", 10.8, 11.2)]


def test_whitespace_between_timestamps_is_no_word() -> None:
    words = words_of([None, b" ", None, b" two", None, b"\n"], [0, 5, 30, 40, 60, 70, 80])
    assert spans(words) == [(" two", 10.8, 11.2)]


def test_nothing_is_said_after_the_end() -> None:
    words = words_of([b" one", b" two", b" three"], [0, 10, 40, 90], end=10.5)
    assert spans(words) == [(" one", 10.0, 10.2), (" two", 10.2, 10.5), (" three", 10.5, 10.5)]


def test_the_first_word_of_a_sentence_does_not_have_the_pause_before_it() -> None:
    said = [Word(" a", 0, 3.0), Word(" b.", 3.0, 3.2), Word(" c", 3.2, 6.0), Word(" d", 6.0, 8.0), Word(" e", 8.0, 8.2)]
    said += [Word(" f", 8.2, 8.4), Word(" g.", 8.4, 8.6)]
    cut = [(" a", 2.6, 3.0), (" b.", 3.0, 3.2), (" c", 5.6, 6.0)]
    assert spans(tuple(shortened(said))) == [*cut, *spans(tuple(said[3:]))]
    slow = [Word(" a.", 0, 2), Word(" b", 2, 4), Word(" c", 4, 6)]
    assert spans(tuple(shortened(slow))) == [(" a.", 0.6, 2), (" b", 2.6, 4), (" c", 4, 6)]  # 1.4 s are enough


@settings(deadline=None)
@given(data=st.data())
def test_words_follow_each_other_whatever_the_tokens(data: st.DataObject) -> None:
    pieces = st.sampled_from([b" a", b"b", b".", b' "', "今天".encode(), b"\xe4", b"\xbb\x8a", None])
    tokens = data.draw(st.lists(pieces, max_size=12))
    frames = sorted(data.draw(st.lists(st.integers(0, 300), min_size=len(tokens) + 1, max_size=len(tokens) + 1)))
    words = words_of(tokens, frames, [-1.0] * len(tokens), end=15.0)
    assert "".join(word.text for word in words) == "".join(word.text for word in spell(tokens))
    assert all(10.0 <= word.start <= word.end <= 15.0 for word in words)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))
    assert all(word.confidence == pytest.approx(np.exp(-1.0)) for word in words)


def test_a_word_without_text_is_none() -> None:
    assert word_times([Spelled(())], [0], [], start=0.0, end=1.0) == ()


# -- silence


def noise(seconds: float, level_db: float, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (10 ** (level_db / 20) * rng.standard_normal(round(seconds * 16_000))).astype(np.float32)


def rounded(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(round(first, 2), round(last, 2)) for first, last in found]


@pytest.mark.parametrize("floor_db", [-200.0, -75.0, -50.0, -46.0])
def test_pauses_are_found_in_clean_and_in_noisy_recordings(floor_db: float) -> None:
    """Down to 26 dB between speech and noise."""
    samples = np.concatenate([noise(1, -20), noise(0.5, floor_db), noise(1, -22), noise(0.2, floor_db),
                              noise(1, -20), noise(1, floor_db)])  # fmt: skip
    assert rounded(silences(samples, 30.0)) == [(31.0, 31.5), (33.7, 34.7)]


def test_soft_speech_is_no_pause() -> None:
    samples = np.concatenate([noise(0.6, -20), noise(0.5, -38), noise(0.6, -20)])
    assert silences(samples) == []


def test_nothing_but_noise_has_no_pauses() -> None:
    assert silences(noise(5, -40)) == []


def test_what_was_filled_in_is_silent_however_soft_the_speech() -> None:
    samples = np.concatenate([noise(1, -65), np.zeros(8_000, dtype=np.float32), noise(1, -65)])
    assert rounded(silences(samples)) == [(1.0, 1.5)]


def test_a_recording_of_zeros_is_silent_all_the_time() -> None:
    assert silences(np.zeros(16_100, dtype=np.float32), 2.0) == [(2.0, 2.0 + 16_100 / 16_000)]
    assert silences(np.zeros(0, dtype=np.float32)) == []


@pytest.mark.parametrize(
    ("word", "clamped"),
    [
        ((0.2, 0.8), (0.2, 0.8)),  # in speech
        ((0.5, 1.3), (0.5, 1.0)),  # hangs over
        ((1.4, 2.5), (2.0, 2.5)),  # begins early
        ((0.9, 2.5), (2.0, 2.5)),  # around the pause, mostly behind it
        ((0.2, 2.1), (0.2, 1.0)),  # mostly before
        ((1.1, 1.3), (1.0, 1.0)),  # nowhere: at the nearer end
        ((1.6, 1.9), (2.0, 2.0)),
    ],
)
def test_words_are_moved_out_of_silence(word: tuple[float, float], clamped: tuple[float, float]) -> None:
    (found,) = clamp([Word(" a", *word)], [(1.0, 2.0)])
    assert (found.start, found.end) == clamped


@settings(deadline=None)
@given(edges=st.lists(TIMES, max_size=12), pauses=st.lists(TIMES, max_size=6, unique=True))
def test_no_word_is_left_in_silence(edges: list[float], pauses: list[float]) -> None:
    pauses, edges = sorted(pauses), sorted(edges)
    silent = list(zip(pauses[::2], pauses[1::2], strict=False))
    words = [Word(" a", first, last) for first, last in pairwise(edges)]
    found = clamp(words, silent)
    assert [word.text for word in found] == [word.text for word in words]
    assert all(word.start <= word.end for word in found)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for word in found:
        assert not any(min(word.end, last) - max(word.start, first) > 1e-9 for first, last in silent)


def test_words_that_are_far_from_all_speech_are_told() -> None:
    inside, at_its_edge, across = Word(" a", 2.6, 2.9), Word(" b", 2.2, 2.4), Word(" c", 1.9, 3.4)
    brief = Word(" d", 5.5, 5.5)
    words = [inside, at_its_edge, across, brief]
    assert over_silence(words, depths([(2.0, 4.0), (5.0, 6.0)])) == [inside]


@pytest.mark.parametrize("softer", [20.0, 30.0])
def test_whoever_speaks_softly_after_another_is_heard(softer: float) -> None:
    speech = np.concatenate([noise(0.4, -20), noise(0.1, -38)] * 8)
    pause = noise(1.5, -75)
    samples = np.concatenate([speech, pause, 10 ** (-softer / 20) * speech, pause, speech]).astype(np.float32)
    assert rounded(silences(samples)) == [(4.0, 5.5), (9.5, 11.0)]
