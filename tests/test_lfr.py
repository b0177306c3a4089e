"""Stacked frames are FunASR's, however the frames come."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate

GOLDEN = np.load(Path(__file__).parent / "golden" / "funasr_features.npz")
SAMPLES = torch.from_numpy(GOLDEN["samples"].astype(np.float32) / 32768)[20_000:]
LENGTHS = sorted(int(name.removeprefix("asr_")) for name in GOLDEN.files if name.startswith("asr_"))


def test_edges_repeat_and_the_middle_is_centred() -> None:
    frames = torch.arange(10.0).unsqueeze(1)
    rows, _ = LowFrameRate(7, 6)(frames)
    assert rows.tolist() == [[0, 0, 0, 0, 1, 2, 3], [3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize(("name", "m", "n"), [("vad", 5, 1), ("asr", 7, 6)])
def test_every_awkward_length_stacks_as_funasr_does(name: str, m: int, n: int, n_samples: int) -> None:
    frames, _ = Fbank()(SAMPLES[:n_samples])
    rows, _ = LowFrameRate(m, n)(frames)
    theirs = torch.from_numpy(GOLDEN[f"{name}_{n_samples}"])
    torch.testing.assert_close(rows[:, ::13], theirs, rtol=0, atol=1e-5)


@settings(max_examples=80, deadline=None)
@given(
    n_frames=st.integers(0, 40),
    cuts=st.lists(st.integers(0, 40), max_size=8),
    shape=st.sampled_from([(5, 1), (7, 6), (1, 1), (3, 2), (3, 3)]),
)
def test_any_split_of_the_frames_gives_the_same_rows(n_frames: int, cuts: list[int], shape: tuple[int, int]) -> None:
    frames, stack = torch.arange(n_frames * 2.0).view(-1, 2), LowFrameRate(*shape)
    state, parts = None, []
    for first, last in pairwise(sorted({0, *(min(cut, n_frames) for cut in cuts), n_frames})):
        rows, state = stack(frames[first:last], state, final=False)
        parts.append(rows)
    parts.append(stack(frames[n_frames:], state, final=True)[0])
    whole, _ = stack(frames)
    assert len(whole) == -(-n_frames // shape[1])
    assert torch.equal(torch.cat(parts), whole)
