"""When each word was said, from where the decoder's cross-attention looked while it wrote (as released with
openai-whisper): dynamic time warping finds the way through the frames that saw the most attention.

H heads, U tokens, T frames of 20 ms.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from asr_cli.transcript import Word
from asr_plugins.whisper.spelling import Part, Spelled, are_marks

STEP = 0.02  # s
SENTENCE_ENDS = frozenset(".!?。！？…")
LONGEST_MEDIAN = 0.7  # s; as released: slow as speech may be, nobody's first word is longer than twice that


def token_frames(attention: Tensor, width: int, silent: Iterable[slice] = ()) -> NDArray[np.int64]:
    """The frame at which each token begins, of shape (U + 1,): last the frame after the last one.

    attention: of shape (H, U, T), softmax over frames; row u is from where token u was predicted. Give the row that
    predicted the end of the text, too: that is where the last word ends. width: frames of the median filter. silent:
    frames where nobody speaks. What looks there says nothing, and in a long pause it would outweigh a whole word.
    """
    n_heads, n_tokens, n_frames = attention.shape
    if not n_tokens or not n_frames:
        return np.full(n_tokens + 1, n_frames)
    # One head fits into a processor's cache.
    parts = attention.float().split(1 if attention.device.type == "cpu" else n_heads)
    looks = torch.stack([smooth(standardised(part), width).sum(dim=0) for part in parts]).sum(dim=0)
    for frames in silent:
        looks[:, frames] = 0.0
    return np.append(warp(-(looks / n_heads).cpu().double().numpy()), n_frames)


def standardised(x: Tensor) -> Tensor:
    """By the mean and the spread over tokens; a frame that all look at alike says nothing."""
    x = x - x.mean(dim=1, keepdim=True)
    spread = x.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(spread > 0, x / spread, 0.0)


def smooth(x: Tensor, width: int) -> Tensor:
    """The median of each `width` neighbours (odd) in the last dimension, mirrored at its ends.

    Minima and maxima of whole tensors sort all neighbourhoods at once, far faster than one after the other.
    """
    half = width // 2
    if not half or x.shape[-1] <= half:
        return x
    padded = F.pad(x, (half, half), mode="reflect")
    rows = [padded[..., i : i + x.shape[-1]].clone() for i in range(width)]
    lower = torch.empty_like(x)
    for last in range(width - 1, half - 1, -1):  # with each pass the highest that is left comes to its end
        for i in range(last):
            torch.minimum(rows[i], rows[i + 1], out=lower)
            torch.maximum(rows[i], rows[i + 1], out=rows[i + 1])
            rows[i], lower = lower, rows[i]
    return rows[half]


def warp(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first frame of each token on the cheapest way through `costs`, of shape (U, T).

    A way goes on to the next frame, the next token, or both; where two are as cheap, it stays at a token for longer.
    All frames of a token are found at once: what staying costs is a difference of sums, so the best place to have come
    from is a running minimum.
    """
    n_tokens, n_frames = costs.shape
    sums = np.cumsum(costs, axis=1)
    coming = costs - sums  # less what was paid up to a frame; the cheapest way to come there is added below
    best = np.full((n_tokens, n_frames + 1), np.inf)
    best[0, 1:] = sums[0]
    for u in range(1, n_tokens):
        coming[u] += np.minimum(best[u - 1, :-1], best[u - 1, 1:])
        np.minimum.accumulate(coming[u], out=best[u, 1:])
        best[u, 1:] += sums[u]
    starts = np.zeros(n_tokens, dtype=np.int64)
    frame = n_frames - 1
    for u in range(n_tokens - 1, 0, -1):
        starts[u] = coming[u, : frame + 1].argmin()
        is_diagonal = best[u - 1, starts[u]] <= best[u - 1, starts[u] + 1]
        frame = starts[u] - int(is_diagonal)
    return starts


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of a word has of the frames and of the tokens."""

    start: float  # frame
    end: float
    ids: range


def word_times(
    words: Sequence[Spelled], frames: Sequence[int] | NDArray[np.int64], logprobs: Sequence[float],
    *, start: float, end: float,
) -> tuple[Word, ...]:  # fmt: skip
    """Words with times, none outside of `start` to `end`, in seconds from the start of the recording.

    words: spelled from tokens whose first frames are `frames`, one more than there are tokens, of a window that begins
    at `start`. logprobs: of each token; a word's confidence is the geometric mean of its tokens'. Marks are not spoken:
    they take no time, and no part in the confidence.
    """
    shares = iter(divide([part for word in words for part in word.parts], frames))
    found = []
    for word in words:
        own = [(part, next(shares)) for part in word.parts]
        if not word.text.strip():
            continue
        spoken = [share for part, share in own if not are_marks(part.text)] or [share for _, share in own]
        first = min(max(start + spoken[0].start * STEP, start), end)
        last = min(max(start + spoken[-1].end * STEP, first), end)
        values = [logprobs[id] for share in spoken for id in share.ids]
        found.append(Word(word.text, first, last, math.exp(min(sum(values) / len(values), 0.0))))
    return tuple(shortened(found))


def divide(parts: Sequence[Part], frames: Sequence[int] | NDArray[np.int64]) -> Iterator[Share]:
    """The share of each part; those in one token share its frames by the number of their characters."""
    first = 0
    for group in grouped(parts):
        last = first + group[0].n_ids - 1
        begin, end = float(frames[last]), float(frames[last + 1])
        lengths = [0 if are_marks(part.text) else len(part.text) for part in group]
        step = (end - begin) / (sum(lengths) or 1)
        for i, length in enumerate(lengths):
            after = end if i == len(group) - 1 else begin + step * length
            # Tokens before the last hold nothing complete: they belong to the first character.
            yield Share(begin if i else float(frames[first]), after, range(last if i else first, last + 1))
            begin = after
        first = last + 1


def grouped(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Parts that end with the same token."""
    group: list[Part] = []
    for part in parts:
        if group and part.n_ids:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def shortened(words: Sequence[Word]) -> Iterator[Word]:
    """Words that begin a sentence, cut to twice the median where they are longer: they had the pause before, too."""
    durations = [word.end - word.start for word in words if word.end > word.start]
    longest = 2 * min(median(durations), LONGEST_MEDIAN) if durations else 0.0
    for i, word in enumerate(words):
        is_first = i == 0 or not SENTENCE_ENDS.isdisjoint(words[i - 1].text)
        yield replace(word, start=max(word.start, word.end - longest)) if is_first else word
