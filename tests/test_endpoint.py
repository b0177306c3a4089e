"""From frames to stretches of speech, as FunASR decides."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import UsageError
from asr_cli.vad.endpoint import Endpointer, EndpointOptions

Spans = list[tuple[int, int]]
GOLDEN = json.loads((Path(__file__).parent / "golden" / "funasr_endpoint.json").read_text(encoding="utf-8"))


def frames(runs: list[tuple[int, int]]) -> bytes:
    return b"".join(bytes([value]) * n_frames for value, n_frames in runs)


# Speech at 1-3 s, 3.9-6 s and 8.2-9 s of 10 s.
THREE = frames(GOLDEN["three"]["runs"])


def spans(speech: bytes, **options: object) -> Spans:
    return list(Endpointer(EndpointOptions(**options)).feed(speech, final=True))  # type: ignore[arg-type]  # by name


def one_by_one(speech: bytes, options: EndpointOptions) -> Spans:
    endpointer = Endpointer(options)
    last = len(speech) - 1
    return [span for i in range(len(speech)) for span in endpointer.feed(speech[i : i + 1], final=i == last)]


speech_runs = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.integers(1, 30), st.integers(30, 300))), max_size=30
).map(frames)
all_options = st.builds(
    EndpointOptions,
    mode=st.sampled_from(["classic", "dynamic"]),
    detect_mode=st.sampled_from([1, 1, 1, 0]),
    max_end_silence_time=st.integers(0, 1500),
    max_start_silence_time=st.integers(0, 3000),
    max_single_segment_time=st.integers(10, 8000),
    window_size_ms=st.integers(10, 400),
    sil_to_speech_time_thres=st.integers(0, 400),
    speech_to_sil_time_thres=st.integers(0, 400),
    lookback_time_start_point=st.integers(0, 500),
    lookahead_time_end_point=st.integers(0, 500),
)


def test_a_stretch_begins_before_its_onset_and_ends_after_its_last_frame() -> None:
    assert spans(THREE) == [(74, 316), (364, 616), (794, 916)]


def test_dynamic_mode_waits_two_seconds_at_first() -> None:
    assert spans(THREE, mode="dynamic") == [(74, 616), (794, 1000)]


@pytest.mark.parametrize("mode", ["classic", "dynamic"])
@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN.keys())
def test_it_decides_as_funasr_does(case: dict[str, Any], mode: str) -> None:
    found = spans(frames(case["runs"]), mode=mode, **case["options"])
    assert [[start * 10, end * 10] for start, end in found] == case[mode]


def test_single_mode_gives_the_first_stretch_only() -> None:
    assert spans(THREE, detect_mode=0) == [(74, 316)]


def test_single_mode_gives_up_after_too_long_a_silence() -> None:
    late = bytes(400) + b"\x01" * 200 + bytes(200)
    assert spans(late, detect_mode=0) == []
    assert spans(late, detect_mode=0, max_start_silence_time=4200) == [(374, 616)]


def test_an_utterance_without_end_is_cut_at_the_longest_and_goes_on_from_there() -> None:
    found = spans(b"\x01" * 9000)
    assert found == [(0, 6001), (6001, 9000)]


def test_nothing_comes_of_silence_clicks_or_no_frames_at_all() -> None:
    assert spans(bytes(5000)) == spans(b"") == spans((bytes(40) + b"\x01" * 10) * 50) == []


def test_dynamic_mode_becomes_impatient_after_a_minute_of_speech() -> None:
    # In speech since the first minute: from the second minute on 200 ms of silence end it, not 2 s.
    long = b"\x01" * 6500 + bytes(60) + b"\x01" * 300 + bytes(300)
    options = {"mode": "dynamic", "max_single_segment_time": 600_000}
    assert len(spans(long, **options)) == 2
    assert len(spans(long[1000:], **options)) == 1


@settings(max_examples=150, deadline=None)
@given(speech_runs, all_options)
def test_skipping_over_runs_decides_as_frame_by_frame_does(speech: bytes, options: EndpointOptions) -> None:
    assert list(Endpointer(options).feed(speech, final=True)) == one_by_one(speech, options)


@settings(max_examples=100, deadline=None)
@given(speech_runs, all_options, st.lists(st.integers(0, 4000), max_size=8))
def test_any_split_of_the_frames_gives_the_same_spans(speech: bytes, options: EndpointOptions, cuts: list[int]) -> None:
    endpointer, found = Endpointer(options), []
    edges = sorted({0, *(min(cut, len(speech) - 1) for cut in cuts if len(speech)), len(speech)})
    for first, last in pairwise(edges):
        promised = endpointer.earliest
        new = list(endpointer.feed(speech[first:last], final=last == len(speech)))
        assert all(start >= promised for start, _ in new)
        found += new
    assert found == list(Endpointer(options).feed(speech, final=True))


@settings(max_examples=100, deadline=None)
@given(speech_runs, all_options)
def test_spans_come_in_order_never_overlap_and_lie_inside(speech: bytes, options: EndpointOptions) -> None:
    found = list(Endpointer(options).feed(speech, final=True))
    assert all(start < end for start, end in found)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    assert not found or (found[0][0] >= 0 and found[-1][1] <= len(speech))


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "fast"}, {"detect_mode": 2}, {"window_size_ms": 0}, {"max_single_segment_time": 5},
     {"max_end_silence_time": -1}, {"speech_noise_thres": 1.5}, {"speech_2_noise_ratio": 0}],
)  # fmt: skip
def test_an_option_without_meaning_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        EndpointOptions(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("name", ["speech_noise_thres", "speech_2_noise_ratio", "decibel_thres", "snr_thres"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_an_option_that_is_no_number_is_refused(name, value):
    with pytest.raises(UsageError):
        EndpointOptions(**{name: value})
