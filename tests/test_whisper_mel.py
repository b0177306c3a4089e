"""Whisper's spectrograms, and those of transformers."""

import numpy as np
import pytest
import torch
from asr_plugins.whisper.mel import LogMel, filters
from numpy.typing import NDArray
from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

WINDOW = 96_000  # samples, 6 s


def sound(n_samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Noise and a hum, loud first."""
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    t = np.arange(n_samples) / 16_000
    return ((0.05 * noise + 0.2 * np.sin(2 * np.pi * 220 * t)) * np.exp(-t)).astype(np.float32)


def theirs(sounds: list[NDArray[np.float32]], n_mels: int, window: int) -> torch.Tensor:
    extractor = WhisperFeatureExtractor(feature_size=n_mels, chunk_length=window // 16_000)
    return extractor(sounds, sampling_rate=16_000, return_tensors="pt").input_features


@pytest.mark.parametrize("n_mels", [80, 128])
def test_the_filters_are_those_of_transformers(n_mels: int) -> None:
    expected = WhisperFeatureExtractor(feature_size=n_mels).mel_filters.T
    np.testing.assert_allclose(filters(n_mels), expected, atol=1e-8)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_spectrograms_are_those_of_transformers(n_mels: int) -> None:
    # Up to the window's end, where it is mirrored, and around the lengths from which it is.
    sounds = [sound(n, n) for n in (WINDOW, WINDOW - 1, WINDOW - 199, WINDOW - 200, WINDOW - 479, WINDOW - 480,
                                    WINDOW - 481, WINDOW - 641, 16_000, 800, 399, 1)]  # fmt: skip
    sounds += [np.zeros(8_000, dtype=np.float32), np.concatenate([sound(20_000), np.zeros(9_000, dtype=np.float32)])]
    ours = LogMel(n_mels, WINDOW)(sounds)
    assert ours.shape == (len(sounds), n_mels, 600)
    assert ours.dtype == torch.float32
    assert (ours - theirs(sounds, n_mels, WINDOW)).abs().max() < 1e-5


def test_a_window_of_half_a_minute_is_that_of_transformers() -> None:
    whole = sound(480_000)
    assert (LogMel(80, 480_000)([whole]) - theirs([whole], 80, 480_000)).abs().max() < 1e-5


def test_a_spectrogram_does_not_depend_on_company() -> None:
    sounds = [sound(16_000, 1), 0.01 * sound(WINDOW, 2), sound(3_000, 3)]
    mel = LogMel(80, WINDOW)
    # As on a device where all are computed at once.
    torch.testing.assert_close(mel.together(sounds), mel(sounds), atol=1e-6, rtol=0)


def test_nothing_is_cut_off() -> None:
    with pytest.raises(AssertionError, match="96001 samples in a window of 96000"):
        LogMel(80, WINDOW)([sound(WINDOW + 1)])
