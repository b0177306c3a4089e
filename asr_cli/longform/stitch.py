"""Readings of overlapping pieces joined, so that every word stands once.

A forced cut leaves a stretch that two pieces heard. The two readings are aligned (longest common sequence
over words and times), and one place is chosen where the first ends and the second goes on: at a word they
agree on, if there is one. Segments stay segments, their words divided, so each is out as soon as nothing can
change it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from asr_cli.longform.align import MARGIN, Pair, align, align_untimed, centre, has_times
from asr_cli.text.characters import is_unspaced
from asr_cli.transcript import Segment, Word

LOSS = 0.1  # what dropping a word costs at the least, at the edge of its piece, where half of it may be missing
DISTANCE = 0.1  # what joining costs at the overlap's ends rather than in its middle; less than any lost word


class Column(NamedTuple):
    """One spoken word: what each reading has of it."""

    before: Word | None
    after: Word | None
    same: bool = False

    @property
    def time(self) -> float:
        centres = [centre(word) for word in (self.before, self.after) if word is not None]
        return sum(centres) / len(centres)


def stitch(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield the segments with each overlap's words in one of them only; one without words left is dropped."""
    stitcher = Stitcher()
    for segment in segments:
        yield from stitcher.add(segment)
    yield from stitcher.end()


class Stitcher:
    """`stitch` for those who are handed their segments one by one."""

    def __init__(self) -> None:
        self._held: list[Segment] = []  # what the next overlap may still reach back to

    def add(self, segment: Segment) -> list[Segment]:
        """The segments that nothing can change any more."""
        if segment.overlap is None:
            done, self._held = self._held, [segment] if segment.words else []
            return done
        n_done = 0
        while len(self._held) - n_done > 1 and self._held[n_done].end < segment.overlap[0] - MARGIN:
            n_done += 1
        done = self._held[:n_done]
        self._held = join(self._held[n_done:], segment, segment.overlap)
        return done

    def end(self) -> list[Segment]:
        done, self._held = self._held, []
        return done


def join(held: Sequence[Segment], segment: Segment, overlap: tuple[float, float]) -> list[Segment]:
    start, end = overlap
    earlier = [word for one in held for word in one.words]
    timed = has_times(segment.words) and (not held or has_times(held[-1].words))
    if timed:
        n_before = leading(reversed([centre(word) >= start - MARGIN for word in earlier]))
        n_after = leading(centre(word) <= end + MARGIN for word in segment.words)
    else:  # then any word of theirs may lie in the overlap
        n_before, n_after = len(held[-1].words) if held else 0, len(segment.words)
    before, after = earlier[len(earlier) - n_before :], segment.words[:n_after]
    pairs = align(before, after, overlap) if timed else align_untimed(before, after)
    n_kept, n_skipped = find_seam(before, after, pairs, overlap)
    kept = without_last(held, n_before - n_kept)
    return meet(kept, replace(segment, words=segment.words[n_skipped:], overlap=None))


def leading(flags: Iterable[bool]) -> int:
    n = 0
    for flag in flags:
        if not flag:
            break
        n += 1
    return n


def find_seam(
    before: Sequence[Word], after: Sequence[Word], pairs: Sequence[Pair], overlap: tuple[float, float]
) -> tuple[int, int]:
    """How many words to keep of the first reading, and how many to skip of the second."""
    columns = list(columns_of(before, after, pairs))
    agreed = any(column.same for column in columns)
    costs = seam_costs(columns, overlap)
    # Next to a word they agree on, what they disagree about comes from one reading whole, never half of each.
    places = [at for at in range(len(columns) + 1) if not agreed or beside_agreement(columns, at)]
    best = min(places, key=costs.__getitem__)
    n_kept = sum(column.before is not None for column in columns[:best])
    n_skipped = sum(column.after is not None for column in columns[:best])
    return n_kept, n_skipped


def beside_agreement(columns: Sequence[Column], at: int) -> bool:
    return any(column.same for column in columns[max(0, at - 1) : at + 1])


def columns_of(before: Sequence[Word], after: Sequence[Word], pairs: Iterable[Pair]) -> Iterator[Column]:
    """Yield both readings side by side, what has no partner in order of time."""
    i = j = 0
    for pair in pairs:
        yield from by_time(before[i : pair.before], after[j : pair.after])
        yield Column(before[pair.before], after[pair.after], pair.same)
        i, j = pair.before + 1, pair.after + 1
    yield from by_time(before[i:], after[j:])


def by_time(before: Sequence[Word], after: Sequence[Word]) -> Iterator[Column]:
    i = j = 0
    while i < len(before) or j < len(after):
        if j == len(after) or (i < len(before) and centre(before[i]) <= centre(after[j])):
            yield Column(before[i], None)
            i += 1
        else:
            yield Column(None, after[j])
            j += 1


def seam_costs(columns: Sequence[Column], overlap: tuple[float, float]) -> list[float]:
    """What is lost by joining before each column (and after the last): of shape (n_columns + 1,).

    A word counts for more in the middle of its piece than near the edge, so all else equal the middle of the
    overlap wins. Words said at the same moment on both sides of a seam are one word twice, as bad as a loss.
    """
    start, end = overlap
    length = max(end - start, 1e-3)
    lost_after = [0.0 if c.after is None or c.same else worth(c.after, start, length) for c in columns]
    lost_before = [0.0 if c.before is None or c.same else worth(c.before, end, length) for c in columns]
    skipped = list(accumulate(lost_after, initial=0.0))
    dropped = list(accumulate(reversed(lost_before), initial=0.0))[::-1]
    lasts = carried(c.before for c in columns)
    firsts = carried(c.after for c in reversed(columns))[::-1]
    times = [start, *(column.time for column in columns), end]
    return [
        skipped[at]
        + dropped[at]
        + doubled(lasts[at], firsts[at])
        + DISTANCE * min(abs((times[at] + times[at + 1]) - (start + end)) / (2 * length), 0.5)
        for at in range(len(columns) + 1)
    ]


def carried(words: Iterable[Word | None]) -> list[Word | None]:
    """For each border between the words, the last one before it."""
    seen: list[Word | None] = [None]
    for word in words:
        seen.append(word or seen[-1])
    return seen


def worth(word: Word, edge: float, length: float) -> float:
    """How much a word is to be trusted, by its distance from the edge of its piece."""
    return LOSS + min(abs(centre(word) - edge) / length, 1.0)


def doubled(last: Word | None, first: Word | None) -> float:
    """The share of the shorter word that is said while the other is."""
    if last is None or first is None:
        return 0.0
    shorter = max(min(last.end - last.start, first.end - first.start), 0.01)
    return min(max(last.end - first.start, 0.0) / shorter, 1.0)


def without_last(segments: Sequence[Segment], n_words: int) -> list[Segment]:
    kept = list(segments)
    while kept and n_words >= len(kept[-1].words):
        n_words -= len(kept.pop().words)
    if kept and n_words:
        kept[-1] = replace(kept[-1], words=kept[-1].words[:-n_words])
    return kept


def meet(before: list[Segment], after: Segment) -> list[Segment]:
    """Put what continues behind what was kept: times in order, a space where the script wants one."""
    if not before or not after.words:
        return before + ([after] if after.words else [])
    last, first = before[-1].words[-1], after.words[0]
    words = (replace(first, text=spaced(last.text, first.text)), *after.words[1:])
    if last.end > first.start:
        seam = border(last, first)
        words = tuple(replace(w, start=max(w.start, seam), end=max(w.end, seam)) for w in words)
        before = [replace(segment, words=ended(segment.words, seam)) for segment in before]
    return [*before, replace(after, words=words)]


def border(last: Word, first: Word) -> float:
    """A moment that leaves both words some time, where there is one."""
    middle = (last.end + first.start) / 2
    if last.start < first.end and not last.start < middle < first.end:
        return (last.start + first.end) / 2
    return middle


def ended(words: Iterable[Word], moment: float) -> tuple[Word, ...]:
    return tuple(replace(w, start=min(w.start, moment), end=min(w.end, moment)) for w in words)


def spaced(earlier: str, text: str) -> str:
    """The word with the leading space it needs: recognisers differ about an utterance's first word.

    >>> spaced(" went", "home"), spaced("回", " 家"), spaced(" said", ",")
    (' home', '家', ',')
    """
    bare = text.lstrip()
    if not bare or is_unspaced(bare[0]):
        return bare
    if bare[0].isalnum() and earlier and not is_unspaced(earlier[-1]):
        return " " + bare
    return text
