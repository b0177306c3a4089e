"""Sound that is already in memory: arrays, tensors, and blocks somebody else made."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.decoder import Decoder
from asr_cli.audio.ffmpeg import PIPED, decode_command
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.samples import Frames, cleaner, parse_channel, pick
from asr_cli.errors import DependencyError, InputError, NoAudioError, UsageError

NAME = "the array"
LOUDEST = 16.0  # float samples beyond this were never scaled to [-1, 1]


def is_array(source: Any) -> bool:
    """Whether this is a numpy array or a torch tensor (which need not be imported to tell)."""
    return isinstance(source, np.ndarray) or (hasattr(source, "detach") and hasattr(source, "cpu"))


def array_channels(samples: Any) -> int:
    return int(to_frames(samples).shape[1])


def from_array(
    samples: Any,
    sample_rate: int | None,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: str | int = "mix",
    block_seconds: float = 0.5,
) -> Generator[Audio]:
    """Yield blocks of an array or tensor of shape (n,), (channels, n) or (n, channels), float or integer."""
    if not sample_rate or sample_rate != int(sample_rate) or sample_rate < 0:
        raise UsageError("an array needs its sample rate: pass sample_rate=16000, or what it was recorded at")
    frames = to_frames(samples)
    if not len(frames):
        raise NoAudioError(f"{NAME} holds no samples; there is nothing to transcribe")
    stop = None if end is None else round(end * sample_rate)
    if start * sample_rate >= len(frames):
        raise InputError(f"{NAME} ends at {len(frames) / sample_rate:.2f} s, before the start given ({start:g} s)")
    frames = frames[round(start * sample_rate) : stop]
    mono = cleaner(NAME)(scaled(pick_raw(frames, parse_channel(channel))))
    n_block = max(round(block_seconds * SAMPLE_RATE), 1)
    pieces: Iterator[Frames]
    if sample_rate == SAMPLE_RATE:
        pieces = (mono[n : n + n_block] for n in range(0, len(mono), n_block))
    else:
        pieces = resampled(mono, int(sample_rate), n_block)
    n_heard = 0
    for piece in pieces:
        yield Audio(piece, start=start + n_heard / SAMPLE_RATE)
        n_heard += len(piece)


def to_frames(samples: Any) -> NDArray[Any]:
    """Any supported array as (n_frames, n_channels), values untouched; the shorter side is the channels."""
    if hasattr(samples, "detach"):
        tensor = samples.detach().cpu()
        samples = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    array = np.asarray(samples)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise UsageError(
            f"an array of {array.dtype} with shape {array.shape} is no sound; pass float or integer samples"
            " of shape (n,), (channels, n) or (n, channels)"
        )
    if array.ndim == 1:
        return array[:, None]
    return array.T if array.shape[0] < array.shape[1] else array


def pick_raw(frames: NDArray[Any], channel: int | None) -> NDArray[Any]:
    # One channel of whole numbers keeps its type, so that `scaled` can see what full scale is.
    if frames.dtype.kind != "f" and frames.shape[1] > 1 and channel is None:
        return pick(np.column_stack([scaled(column) for column in frames.T]), channel, NAME)
    return pick(frames, channel, NAME)


def scaled(samples: NDArray[Any]) -> Frames:
    """Integers by their full scale, to [-1, 1); floats as they are."""
    if samples.dtype.kind == "u":
        half = 2.0 ** (samples.dtype.itemsize * 8 - 1)
        return ((samples.astype(np.float64) - half) / half).astype(np.float32)
    if samples.dtype.kind == "i":
        return (samples / 2.0 ** (samples.dtype.itemsize * 8 - 1)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        peak = np.nanmax(np.abs(samples), initial=0.0, where=np.isfinite(samples))
    if peak > LOUDEST:
        raise InputError(
            f"float samples lie in [-1, 1], but {NAME} reaches {peak:g}; divide it by 32768, or pass it as int16"
        )
    return samples.astype(np.float32, copy=False)


def resampled(mono: Frames, sample_rate: int, n_block: int) -> Iterator[Frames]:
    samples = iter(np.array_split(mono, len(mono) // SAMPLE_RATE + 1))

    def read(_: int) -> bytes:
        return next(samples, mono[:0]).astype("<f4").tobytes()

    command = decode_command("pipe:0", protocols=PIPED, pcm=PcmFormat(sample_rate, 1, "f32le"))
    with Decoder(command, read) as decoder:
        while len(frames := decoder.read(n_block)):
            yield frames[:, 0].clip(-1.0, 1.0)
        if decoder.finish():
            last = decoder.report.rstrip().rpartition("\n")[2]
            raise DependencyError(f"ffmpeg could not resample {NAME} from {sample_rate} Hz: {last}")


def checked(blocks: Iterable[Any]) -> Iterator[Audio]:
    """Blocks as they come, silence in the gaps; refused where they are not what the stages after expect."""
    end: float | None = None
    clean = cleaner("a block")
    for block in blocks:
        if not is_block(block):
            raise UsageError(
                f"blocks are Audio of float32 samples, shape (n,), at {SAMPLE_RATE} Hz; not {block!r:.120}"
            )
        if end is not None:
            if block.start < end - 0.5 / SAMPLE_RATE:
                raise UsageError(f"a block starts at {block.start:g} s, before the last one ended ({end:g} s)")
            yield from silence(end, block.start)
        end = block.end
        yield replace(block, samples=clean(block.samples))


def silence(start: float, end: float) -> Iterator[Audio]:
    n_left = round((end - start) * SAMPLE_RATE)
    while n_left > 0:
        piece = Audio(np.zeros(min(n_left, SAMPLE_RATE), np.float32), start=end - n_left / SAMPLE_RATE)
        yield piece
        n_left -= len(piece.samples)


def is_block(block: Any) -> TypeGuard[Audio]:
    return (
        isinstance(block, Audio)
        and block.sample_rate == SAMPLE_RATE
        and isinstance(block.samples, np.ndarray)
        and block.samples.ndim == 1
        and block.samples.dtype == np.float32
    )
