"""Samples into a WAV file, for whoever wants the sound of a stretch."""

import wave
from pathlib import Path
from typing import Any

import numpy as np

from asr_cli.audio import SAMPLE_RATE


def write(path: Path, samples: Any) -> None:
    """16-bit mono of 16 kHz samples in [-1, 1]."""
    pcm = np.clip(np.rint(np.asarray(samples) * 32768), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.tobytes())
