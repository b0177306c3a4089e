"""One utterance through pocketsphinx. A worker process imports this and little else: no torch.

Times are seconds.
"""

import re
import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (text with its leading space, start, end, confidence) of a word; times from the utterance's start
Spoken = tuple[str, float, float, float]

FRAME_SECONDS = 0.01
FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")  # silence, breath, noise
ALTERNATE = re.compile(r"\(\d+\)$")  # which of a word's pronunciations was heard
TARGET_RMS = 0.1  # of full scale; 0.05 gives the same word error rate, a recording's own level a slightly higher one
LOUDEST = 0.95
MOST_GAIN = 100.0  # what is quieter still is the hiss of an empty room
SHORTEST_SECONDS = 0.05  # shorter than a phone: nothing to recognise


def recognize(samples: NDArray[np.float32]) -> list[Spoken]:
    """The words of 16 kHz samples in [-1, 1]. Not for two threads at once: a process has one engine."""
    if len(samples) < SHORTEST_SECONDS * 16_000 or not samples.any():
        return []
    engine = decoder()
    forget(engine)
    engine.start_utt()
    # Whole utterance at once: its mean is then taken over all of it, and over nothing that came before.
    engine.process_raw(leveled(samples).tobytes(), no_search=False, full_utt=True)
    engine.end_utt()
    pieces = engine.seg() if engine.hyp() is not None else ()
    return [spoken(piece) for piece in pieces if not FILLER.fullmatch(piece.word)]


def forget(engine: Any) -> None:
    """Start the noise estimate afresh; or else an utterance's words would depend on the one before it."""
    with warnings.catch_warnings():
        # pocketsphinx calls this unnecessary, because to most it does not matter that two runs differ a little.
        warnings.simplefilter("ignore", DeprecationWarning)
        engine.start_stream()


def spoken(piece: Any) -> Spoken:
    confidence = min(1.0, max(0.0, piece.prob))  # rounding takes the posterior a little past 1
    text = " " + ALTERNATE.sub("", piece.word)
    return text, piece.start_frame * FRAME_SECONDS, (piece.end_frame + 1) * FRAME_SECONDS, confidence


def leveled(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """As loud as the model is used to, never clipped."""
    rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    peak = float(np.abs(samples).max())
    gain = min(TARGET_RMS / max(rms, 1e-6), LOUDEST / max(peak, 1e-6), MOST_GAIN)
    scaled: NDArray[np.int16] = np.rint(samples * (gain * 32767)).astype(np.int16)
    return scaled


@cache
def decoder() -> Any:
    """This process's engine; loading takes a second, so it is kept."""
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", cmn="batch")
