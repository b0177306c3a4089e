"""The filterbank is Kaldi's, however the samples come."""

from itertools import pairwise
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.features.fbank import Fbank

GOLDEN = np.load(Path(__file__).parent / "golden" / "funasr_features.npz")
SAMPLES = torch.from_numpy(GOLDEN["samples"].astype(np.float32) / 32768)  # 4 s of Mandarin
SILENCE = -15.9424


def kaldi(samples: torch.Tensor, sample_rate: int) -> torch.Tensor:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.dither = 0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    options.energy_floor = 0
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(sample_rate, (samples * 32768).tolist())
    fbank.input_finished()
    return torch.from_numpy(np.stack([fbank.get_frame(index) for index in range(fbank.num_frames_ready)]))


@pytest.mark.parametrize("sample_rate", [16_000, 8_000])
def test_it_equals_funasrs_frontend(sample_rate: int) -> None:
    ours, _ = Fbank(sample_rate)(SAMPLES)
    theirs = torch.from_numpy(GOLDEN[f"fbank_{sample_rate}"])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sample_rate", [16_000, 8_000])
def test_it_equals_kaldi_native_fbank_within_what_float32_can_tell_apart(sample_rate: int) -> None:
    ours, _ = Fbank(sample_rate)(SAMPLES)
    theirs = kaldi(SAMPLES, sample_rate)
    assert ours.shape == theirs.shape
    # A transform rounds in proportion to the loudest bin: a bin 70 dB below it has few digits left. And a mel scale in
    # float32 places the edges of the bands to 1e-5 of their width.
    amplitude = (theirs / 2).exp()
    error = (amplitude - (ours / 2).exp()).abs() / amplitude.amax(dim=1, keepdim=True)
    assert error.max() < 2e-5
    assert (ours - theirs).abs().max() < 1e-3


def test_a_second_has_98_frames_and_digital_silence_lies_on_the_floor() -> None:
    energies, rest = Fbank()(torch.zeros(16_000))
    assert energies.shape == (98, 80)
    assert energies.sub(SILENCE).abs().max() < 1e-3
    assert len(rest) == 16_000 - 98 * 160


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_frames_lie_wholly_inside_the_signal(n_samples: int, n_frames: int) -> None:
    assert len(Fbank()(torch.zeros(n_samples))[0]) == n_frames


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 16_000), max_size=12))
def test_any_split_of_the_samples_gives_the_same_frames(cuts: list[int]) -> None:
    samples, fbank = SAMPLES[:16_000], Fbank()
    state, parts = None, []
    for first, last in pairwise(sorted({0, *cuts, 16_000})):
        energies, state = fbank(samples[first:last], state)
        parts.append(energies)
    torch.testing.assert_close(torch.cat(parts), fbank(samples)[0], rtol=0, atol=1e-5)


def test_a_long_input_is_transformed_in_slabs_without_a_seam() -> None:
    samples = SAMPLES.repeat(3)
    whole, _ = Fbank()(samples)
    middle, _ = Fbank()(samples[500 * 160 : 530 * 160 + 240])
    torch.testing.assert_close(whole[500:530], middle, rtol=0, atol=1e-5)


def test_a_batch_gives_what_its_rows_give() -> None:
    rows = torch.stack([SAMPLES[:8000], SAMPLES[8000:16_000]])
    batch, _ = Fbank()(rows)
    for row, energies in zip(rows, batch, strict=True):
        torch.testing.assert_close(energies, Fbank()(row)[0], rtol=0, atol=1e-5)
