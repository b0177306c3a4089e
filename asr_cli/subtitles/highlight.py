"""A cue as a moving highlight: the same lines again and again, with the word being spoken marked."""

from collections.abc import Callable, Iterator

from asr_cli.subtitles.cue import Cue

BREATH = 0.05  # seconds; a shorter pause between words only makes the mark flicker


def frames(cue: Cue, *, escape: Callable[[str], str]) -> Iterator[tuple[float, float, tuple[str, ...]]]:
    """Yield (start, end, lines), at least one, that follow each other from the cue's start to its end."""
    if cue.end <= cue.start:
        yield cue.start, cue.end, marked(cue, None, escape)
        return
    position = cue.start
    spoken = [(i, word) for i, word in enumerate(cue.words) if word.end - word.start >= BREATH]
    for (i, word), following in zip(spoken, [*spoken, None][1:], strict=True):
        if word.start - position >= BREATH:
            yield position, word.start, marked(cue, None, escape)
            position = word.start
        end = following[1].start if following and following[1].start - word.end < BREATH else word.end
        if end - position >= BREATH:
            yield position, end, marked(cue, i, escape)
            position = end
    if cue.end > position:
        yield position, cue.end, marked(cue, None, escape)


def marked(cue: Cue, spoken: int | None, escape: Callable[[str], str]) -> tuple[str, ...]:
    lines, n = [], 0
    for row in cue.rows:
        line = ""
        for word in row:
            text = escape(word.text)
            if n == spoken:
                body = text.lstrip()
                text = f"{text[: len(text) - len(body)]}<u>{body}</u>"
            line, n = line + text, n + 1
        lines.append(line.strip())
    return tuple(lines)
