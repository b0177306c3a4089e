"""Arrays, tensors and blocks as recordings."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from asr_cli.audio import Audio
from asr_cli.audio.arrays import checked, from_array
from asr_cli.audio.channels import read_channels
from asr_cli.errors import InputError, NoAudioError, UsageError

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


def hear(samples: object, sample_rate: int | None = 16_000, **options: object) -> np.ndarray:
    blocks = from_array(samples, sample_rate, **options)  # type: ignore[arg-type]
    return np.concatenate([block.samples for block in blocks])


def test_arrays_and_tensors_come_through_as_they_are() -> None:
    assert np.array_equal(hear(TONE), TONE)
    assert np.array_equal(hear(TONE.astype(np.float64)), TONE)
    assert np.array_equal(hear(torch.from_numpy(TONE).requires_grad_()), TONE)
    assert np.allclose(hear(torch.from_numpy(TONE).bfloat16()), TONE, atol=2e-3)


def test_whole_numbers_are_scaled_by_their_full_scale() -> None:
    for dtype in (np.int16, np.int32):
        full = -np.iinfo(dtype).min
        assert np.allclose(hear((TONE * full).astype(dtype)), TONE, atol=1e-4)
    assert np.allclose(hear((TONE * 128 + 128).astype(np.uint8)), TONE, atol=1e-2)


def test_either_side_can_be_the_channels() -> None:
    stereo = np.stack([TONE, np.zeros_like(TONE)])
    for samples in (stereo, stereo.T, (stereo * 32768).astype(np.int16)):
        assert np.allclose(hear(samples), TONE / 2, atol=1e-4)
        assert np.allclose(hear(samples, channel="left"), TONE, atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_is_resampled_in_place(rate: int) -> None:
    times = np.arange(rate * 2) / rate
    samples = hear((0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32), rate)
    assert len(samples) == 32_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    assert np.abs(samples - expected)[500:-500].max() < 1e-3


def test_what_lies_above_the_new_band_is_gone() -> None:
    rate = 48_000
    above = np.sin(2 * np.pi * 9000 * np.arange(rate) / rate).astype(np.float32)
    assert np.abs(hear(above, rate)[500:-500]).max() < 1e-3


def test_blocks_carry_their_start_and_a_stretch_keeps_its_times() -> None:
    blocks = list(from_array(TONE, 16_000, start=0.25, end=0.75, block_seconds=0.2))
    assert [block.start for block in blocks] == pytest.approx([0.25, 0.45, 0.65])
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), TONE[4000:12_000])


def test_samples_that_are_not_numbers_become_silence_and_are_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = TONE.copy()
    samples[[5, 9000]] = np.nan, np.inf
    with caplog.at_level(logging.WARNING, logger="asr"):
        heard = hear(samples)
    assert heard[5] == heard[9000] == 0 and np.isfinite(heard).all()
    assert [record.code for record in caplog.records] == ["W-NAN"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("samples", "rate", "error"),
    [
        (TONE, None, UsageError),
        (TONE, 0, UsageError),
        (TONE * 30_000, 16_000, InputError),
        (TONE[:0], 16_000, NoAudioError),
        (TONE.astype(complex), 16_000, UsageError),
        (TONE.reshape(10, 10, -1), 16_000, UsageError),
        (np.array(["a"]), 16_000, UsageError),
    ],
)
def test_what_is_no_sound_is_refused(samples: np.ndarray, rate: int | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        hear(samples, rate)


def test_an_array_can_be_split() -> None:
    with read_channels(np.stack([TONE, -TONE]), channels="split", sample_rate=16_000) as voices:
        heard = {speaker: np.concatenate([block.samples for block in blocks]) for speaker, blocks in voices}
    assert np.array_equal(heard["left"], TONE) and np.array_equal(heard["right"], -TONE)


def test_blocks_pass_through_and_wrong_ones_do_not() -> None:
    def blocks(*starts: float) -> Iterator[Audio]:
        return (Audio(TONE, start) for start in starts)

    with read_channels(blocks(0, 1, 3.5)) as [(_, heard)]:
        came = list(heard)
    assert [block.start for block in came] == [0, 1, 2, 3, 3.5]
    assert [block.samples.any() for block in came] == [True, True, False, False, True]
    (mended,) = checked([Audio(np.array([np.nan, 0.5], np.float32))])
    assert mended.samples.tolist() == [0, 0.5]
    with pytest.raises(UsageError, match="before the last one ended"):
        list(checked(blocks(0, 0.5)))
    for wrong in (TONE, Audio(TONE.astype(np.float64)), Audio(TONE, sample_rate=8000), Audio(TONE[None])):
        with pytest.raises(UsageError, match="float32"):
            list(checked([wrong]))


def test_options_that_mean_nothing_for_a_source_are_refused() -> None:
    for source, options in (
        (TONE, {"sample_rate": 16_000, "track": 1}),
        (TONE, {"sample_rate": 16_000, "pcm": "16000"}),
        ("talk.mp3", {"sample_rate": 16_000}),
        (iter([Audio(TONE)]), {"sample_rate": 16_000}),
    ):
        with pytest.raises(UsageError), read_channels(source, **options) as [(_, heard)]:
            list(heard)
    with pytest.raises(InputError, match="before the start given"):
        list(from_array(TONE, 16_000, start=100))
