"""Divide atoms into cues, and a cue into rows, at the least badness (Knuth and Plass 1981, for two lines)."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise

from asr_cli.subtitles.atoms import SENTENCE, Atom
from asr_cli.subtitles.style import Style
from asr_cli.transcript import Word

PER_CUE = 2.0  # fewer cues are calmer
TOO_SHORT = 6.0  # a flash nobody can read
ORPHAN = 4.0  # a remainder of a word or two
SLACK = 1.0
UNEVEN = 8.0  # rows of one length read faster than a long and a short one
TOP_HEAVY = 0.5  # the lower row may be the longer one


class Divider:
    """Atoms with the sums that make any stretch of them cheap to judge.

    reserve: columns of the first line that a speaker's name takes.
    """

    def __init__(self, atoms: Sequence[Atom], style: Style, reserve: int = 0) -> None:
        self.atoms, self.style = atoms, style
        self.reserve = min(reserve, style.max_line_width // 2)
        self.columns = list(accumulate((a.width for a in atoms), initial=0))
        self.n_words = list(accumulate((len(a.words) for a in atoms), initial=0))
        self.crossings = list(accumulate((a.crossing for a in atoms), initial=0.0))

    def width(self, i: int, j: int) -> int:
        return self.columns[j] - self.columns[i] - self.atoms[i].lead

    def fits_line(self, i: int, j: int, line: int) -> bool:
        if j == i + 1:
            return True  # an unbreakable run stays whole, however wide
        limit, n_words = (
            self.style.max_line_width - (0 if line else self.reserve),
            self.n_words[j] - self.n_words[i],
        )
        return self.width(i, j) <= limit and n_words <= (self.style.max_words_per_line or n_words)

    def reach(self, i: int) -> int:
        """The last place where a cue that begins at i may end: lines and duration."""
        j = i
        for line in range(self.style.max_line_count):
            begin = j
            while j < len(self.atoms) and self.fits_line(begin, j + 1, line) and self.fits_time(i, j + 1):
                j += 1
        return j

    def fits_time(self, i: int, j: int) -> bool:
        return j == i + 1 or self.atoms[j - 1].end - self.atoms[i].start <= self.style.max_duration

    def cues(self) -> list[tuple[int, int]]:
        """The best division into cues, as (first atom, one past the last)."""
        n = len(self.atoms)
        best = [0.0] + [float("inf")] * n
        origin = [0] * (n + 1)
        for i in range(n):
            for j in range(i + 1, self.reach(i) + 1):
                badness = best[i] + self.badness(i, j)
                if badness < best[j]:
                    best[j], origin[j] = badness, i
        ends = [n]
        while ends[-1]:
            ends.append(origin[ends[-1]])
        ends.reverse()
        return list(pairwise(ends))

    def badness(self, i: int, j: int) -> float:
        first, last, style = self.atoms[i], self.atoms[j - 1], self.style
        after = self.atoms[j] if j < len(self.atoms) else None
        joint = after.joint if after else SENTENCE
        total = PER_CUE + 1.5 * joint + self.crossings[j] - self.crossings[i + 1]
        fill = min(self.width(i, j) / (style.max_line_width * style.max_line_count), 1.0)
        total += SLACK * (1 - fill) ** 2
        if first.joint != SENTENCE or joint != SENTENCE:
            total += ORPHAN * max(0.0, 1 - 5 * fill)
        seen = (after.start - first.start) if after else last.end - first.start + style.linger
        if seen < style.min_duration:
            total += TOO_SHORT * (1 - max(seen, 0.0) / style.min_duration)
        return total

    def rows(self, i: int, j: int) -> tuple[tuple[Word, ...], ...]:
        """A cue's rows: as few as hold it, of about one length, divided where it hurts least."""
        for n_lines in range(1, self.style.max_line_count + 1):
            badness, ends = self.divide(i, j, n_lines)
            if badness < float("inf"):
                return tuple(
                    tuple(word for a in self.atoms[begin:end] for word in a.words)
                    for begin, end in zip((i, *ends), ends, strict=False)
                )
        raise AssertionError("a cue that fits its lines was chosen")

    def divide(self, i: int, j: int, n_lines: int) -> tuple[float, tuple[int, ...]]:
        target, limit = self.width(i, j) / n_lines, self.style.max_line_width

        @cache
        def best(begin: int, line: int) -> tuple[float, tuple[int, ...]]:
            if line == n_lines - 1:
                fits = self.fits_line(begin, j, line)
                return (uneven(begin, j), (j,)) if fits else (float("inf"), ())
            found: tuple[float, tuple[int, ...]] = (float("inf"), ())
            for end in range(begin + 1, j - (n_lines - line - 2)):
                if not self.fits_line(begin, end, line):
                    break
                rest, ends = best(end, line + 1)
                top_heavy = TOP_HEAVY if self.width(begin, end) > target else 0.0
                badness = uneven(begin, end) + self.atoms[end].joint + top_heavy + rest
                if badness < found[0]:
                    found = badness, (end, *ends)
            return found

        def uneven(begin: int, end: int) -> float:
            return UNEVEN * ((self.width(begin, end) - target) / limit) ** 2

        return best(i, 0)
