"""One window after the other, each begun where the text of the last one was complete.

The long form of Whisper (Radford et al. 2022, arXiv:2212.04356): the recogniser says up to where it is sure of what it
wrote, the window slides there, and what was said before goes with it. So no word is ever cut in two, and nothing is to
be stitched; in return no window can be heard before the one in front of it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from asr_cli.audio import Audio
from asr_cli.longform.batch import tidy
from asr_cli.longform.cut import limits_of
from asr_cli.longform.gather import LONGEST_GAP, end_sample, first_sample
from asr_cli.longform.stitch import spaced
from asr_cli.transcript import Segment

SCRAP = 0.1  # s; too short for a word, so no progress in front of it and nothing to be heard behind it
N_SAID = 2000  # characters of what was said: more than any prompt takes, so nobody sees where it is cut off

Recognize = Callable[[Iterable[Audio]], Iterator[Segment]]  # longform's own, alone or in company


def slide(speech: Iterable[Audio], recognize: Recognize, max_duration: float) -> Iterator[Segment]:
    """Yield a segment for each window of at most `max_duration` seconds, with the words that are complete in it.

    Of the speech no more is held than a window and a block. recognize: gives no segment once somebody said stop.
    """
    track = Track(speech, max_duration)
    said = ""
    while (window := track.window()) is not None:
        segment = next(iter(recognize([replace(window, said=said)])), None)
        if segment is None:
            return
        n_heard = heard_of(segment, window, is_full=track.is_full(window))
        track.leave(first_sample(window) + n_heard)
        segment = complete(segment, window, n_heard)
        said = said_so_far(said, segment)
        yield segment


def heard_of(segment: Segment, window: Audio, *, is_full: bool) -> int:
    """How many samples of the window are done with: more than none, whatever the recogniser says."""
    whole, scrap = len(window.samples), round(SCRAP * window.sample_rate)
    if segment.heard is None or not math.isfinite(segment.heard):
        return whole
    n_heard = round((min(max(segment.heard, window.start), window.end) - window.start) * window.sample_rate)
    # Behind a window that is not full is silence, so the last of it is no word that goes on there.
    return n_heard if scrap <= n_heard <= whole - (0 if is_full else scrap) else whole


def complete(segment: Segment, window: Audio, n_heard: int) -> Segment:
    """The segment without the words that the next window is going to hear."""
    words = segment.words
    if segment.heard is not None and n_heard < len(window.samples):
        words = tuple(word for word in words if word.start < segment.heard)
    end = (first_sample(window) + n_heard) / window.sample_rate  # as the next window's start is reckoned
    return replace(segment, words=tidy(words, window.start, end), heard=None)


def said_so_far(said: str, segment: Segment) -> str:
    """The text with the segment's behind it; doubtful text is forgotten, or what follows would take after it."""
    if segment.suspect:
        return ""
    first, *others = [word.text for word in segment.words] or [""]
    return "".join([said, spaced(said, first), *others])[-N_SAID:]


class Track:
    """What was pulled of the speech and is not left behind yet."""

    def __init__(self, speech: Iterable[Audio], max_duration: float) -> None:
        self._speech = (stretch for stretch in speech if len(stretch.samples))
        self._max_duration = max_duration
        self._held: deque[Audio] = deque()
        self._left = 0  # samples of the recording that are done with

    def window(self) -> Audio | None:
        """From the next speech on, silence as zeros, to the next long silence at the most; None where all was heard."""
        if not self._held and not self._pull():
            return None
        rate = self._held[0].sample_rate
        first = max(first_sample(self._held[0]), self._left)
        end, limit = first, first + self._longest(rate)
        n_stretches = 0
        while end < limit and (n_stretches < len(self._held) or self._pull()):
            stretch = self._held[n_stretches]
            if first_sample(stretch) - end > LONGEST_GAP * rate or first_sample(stretch) >= limit:
                break
            end = min(end_sample(stretch), limit)
            n_stretches += 1
        samples = np.zeros(end - first, np.float32)
        for stretch in list(self._held)[:n_stretches]:
            at = first_sample(stretch) - first
            samples[max(at, 0) : at + len(stretch.samples)] = stretch.samples[max(-at, 0) : len(samples) - at]
        return Audio(samples, first / rate, rate)

    def is_full(self, window: Audio) -> bool:
        return len(window.samples) == self._longest(window.sample_rate)

    def leave(self, n_samples: int) -> None:
        """So much of the recording is done with."""
        self._left = n_samples
        while self._held and end_sample(self._held[0]) <= n_samples:
            self._held.popleft()

    def _longest(self, rate: int) -> int:
        return limits_of(rate, self._max_duration, 0.0).longest

    def _pull(self) -> bool:
        stretch = next(self._speech, None)
        if stretch is not None:
            self._held.append(stretch)
        return stretch is not None
