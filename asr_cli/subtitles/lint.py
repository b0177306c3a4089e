"""Judge subtitles: what is broken, and what is hard to read. Any SRT or VTT, ours or not."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path

from asr_cli.subtitles.columns import CLOSING, OPENING, columns, is_blank, reading_units
from asr_cli.subtitles.cue import Cue
from asr_cli.subtitles.problem import Problem, error, warning
from asr_cli.subtitles.read import is_srt, read, read_text
from asr_cli.subtitles.style import Style, Styling, by_script, choose
from asr_cli.subtitles.syntax import srt_syntax, vtt_syntax

__all__ = ["Problem", "lint", "lint_file", "read"]

ROUNDING = 0.0015  # seconds; files hold whole milliseconds


def lint_file(path: Path, style: Styling | None = None) -> list[Problem]:
    """Everything wrong with the file, in the order of its cues. Style None: that of the text's script."""
    cues = read(path)
    chosen = choose(style or by_script(), "".join(cue.text for cue in cues))
    syntax = (srt_syntax if is_srt(path) else vtt_syntax)(read_text(path))
    found: dict[tuple[str, int], Problem] = {}
    for problem in chain(syntax, lint(cues, chosen)):
        found.setdefault((problem.code, problem.cue), problem)  # both may notice the same thing
    return sorted(found.values(), key=lambda problem: problem.cue)


def lint(cues: Iterable[Cue], style: Style) -> Iterator[Problem]:
    """Yield what is wrong with each cue, and with its place after the one before."""
    before: Cue | None = None
    for number, cue in enumerate(cues, 1):
        yield from lint_text(cue, number, style)
        yield from lint_times(cue, number, style)
        if before is not None:
            yield from lint_order(before, cue, number, style)
        before = cue


def lint_times(cue: Cue, number: int, style: Style) -> Iterator[Problem]:
    if min(cue.start, cue.end) < 0:
        yield error("negative", number, f"a time is negative: {cue.start:.3f} --> {cue.end:.3f}")
    if cue.duration < 0:
        yield error("backwards", number, f"the cue ends {-cue.duration:.3f} s before it starts")
    elif cue.duration < 0.0005:
        yield error("zero-length", number, "the cue starts and ends at the same time")
    elif cue.duration < style.min_duration - ROUNDING:
        yield warning("short", number, f"shown for {cue.duration:.3f} s; at least {style.min_duration:g} s")
    elif cue.duration > style.max_duration + ROUNDING:
        yield warning("long", number, f"shown for {cue.duration:.3f} s; at most {style.max_duration:g} s")


def lint_order(before: Cue, cue: Cue, number: int, style: Style) -> Iterator[Problem]:
    gap = cue.start - before.end
    if cue.start < before.start:
        yield error("order", number, f"starts {before.start - cue.start:.3f} s before the cue above it")
    elif gap < -0.0005:
        yield error("overlap", number, f"starts {-gap:.3f} s before the cue above it ends")
    elif gap < style.min_gap - ROUNDING:
        yield warning("gap", number, f"{max(gap, 0.0):.3f} s after the cue above it; at least {style.min_gap:g} s")


def lint_text(cue: Cue, number: int, style: Style) -> Iterator[Problem]:
    lines = cue.lines
    if all(map(is_blank, lines)):
        yield error("empty", number, "the cue has no text")
        return
    if any(map(is_blank, lines)):
        yield error("blank-line", number, "a blank line inside the cue")
    if len(lines) > style.max_line_count:
        yield warning("lines", number, f"{len(lines)} lines; at most {style.max_line_count}")
    width = max(map(columns, lines))
    if width > style.max_line_width:
        yield warning("width", number, f"{width} columns wide; at most {style.max_line_width}")
    yield from lint_breaks(lines, number)
    units = reading_units("".join(lines))
    if cue.duration > 0 and units / cue.duration > style.max_cps + 0.05:
        yield warning("cps", number, f"{units / cue.duration:.1f} characters a second; at most {style.max_cps:g}")


def lint_breaks(lines: tuple[str, ...], number: int) -> Iterator[Problem]:
    for above, below in pairwise(lines):
        if below[:1] in CLOSING and not below[1:2].isalnum():
            yield warning("line-start", number, f"a line starts with {below[0]!r}")
        if above[-1:] in OPENING:
            yield warning("line-end", number, f"a line ends with {above[-1]!r}")
