"""Samples made fit for what comes after: one channel, finite, within [-1, 1]."""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from asr_cli.errors import InputError, UsageError

log = logging.getLogger("asr")
Frames = NDArray[np.float32]
SIDES = {"left": 0, "right": 1}


def parse_channel(channel: str | int) -> int | None:
    """The channel's number from 0, or None for the mean of all."""
    if channel == "mix":
        return None
    if isinstance(channel, str) and channel in SIDES:
        return SIDES[channel]
    if str(channel).isdecimal():
        return int(channel)
    raise UsageError(f"{channel!r} is no channel; use mix, left, right or a number from 0")


def pick(frames: Frames, channel: int | None, name: str) -> Frames:
    """(n_frames, n_channels) to (n_frames,): one channel, or the mean, which unlike a sum cannot clip."""
    n_channels = frames.shape[1]
    if channel is not None and channel >= n_channels > 1:
        raise InputError(f"{name} has no channel {channel}; it has {n_channels}, counted from 0")
    if n_channels == 1:
        # Left and right of a mono recording are the recording; a third channel is a mistake.
        if channel is not None and channel > 1:
            raise InputError(f"{name} has no channel {channel}; it is mono")
        return frames[:, 0]
    if channel is not None:
        return frames[:, channel]
    with np.errstate(invalid="ignore", over="ignore"):  # of what is no number, or far too loud: the cleaner's affair
        return np.asarray(frames.mean(axis=1), np.float32)


def cleaner(name: str) -> Callable[[Frames], Frames]:
    """A function that zeroes samples that are not numbers, saying so once, and limits the rest to [-1, 1]."""
    told = False

    def clean(samples: Frames) -> Frames:
        nonlocal told
        finite = np.isfinite(samples)
        if not finite.all():
            if not told:
                log.warning(
                    f"{name} holds samples that are not numbers (NaN or infinite); they are taken as silence",
                    extra={"code": "W-NAN"},
                )
            told = True
            samples = np.where(finite, samples, np.float32(0))
        return samples.clip(-1.0, 1.0).astype(np.float32, copy=False)

    return clean
