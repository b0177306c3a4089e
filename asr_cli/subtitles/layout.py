"""Segments in, cues out: what is said becomes what is shown, one cue after another and never two at once."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace

from asr_cli.subtitles.atoms import LONG_PAUSE, SENTENCE_ENDS, atoms
from asr_cli.subtitles.columns import CLOSING, breaks_freely, columns
from asr_cli.subtitles.cue import Cue, name_prefix
from asr_cli.subtitles.division import Divider
from asr_cli.subtitles.repair import cut_wide, repair
from asr_cli.subtitles.style import FRAME, Style, Styling, by_script, choose
from asr_cli.transcript import Segment, Word

SILENCE = 1.5  # seconds; no cue reaches across it
N_WORDS = 240  # looked at together: several cues of any script; more changes nothing and only waits longer


def layout(segments: Iterable[Segment], style: Styling | None = None) -> Iterator[Cue]:
    """Yield each cue as soon as nothing later can change it.

    Every word is in exactly one cue, a cue is of one speaker and language, and cues never overlap, whatever the times.
    """
    typesetter = Typesetter(style)
    for segment in segments:
        yield from typesetter.add(segment)
    yield from typesetter.finish()


class Typesetter:
    """`layout` for those who are handed their segments one by one."""

    def __init__(self, style: Styling | None = None) -> None:
        self.style = style or by_script()
        self.words: list[Word] = []  # one speaker's, without a long silence; not in a cue yet
        self.about = Segment(())  # what is known of them: a cue has one speaker, one language, and is suspect or not
        self.clocks: dict[str | None, float] = {}  # each speaker's times run forwards
        self.begun: dict[str | None, float] = {}  # where each speaker's last cue starts
        self.waiting: list[tuple[float, int, Cue, Style]] = []  # a heap: another speaker's may belong before these
        self.n_cues = 0
        self.shown: tuple[Cue, Style] | None = None  # the last cue: its end depends on the next one's start

    def add(self, segment: Segment) -> Iterator[Cue]:
        words = list(repair(segment.words, self.clocks.get(segment.speaker, 0.0)))
        if not words:
            return
        self.clocks[segment.speaker] = words[-1].start
        about = replace(segment, words=(), overlap=None, heard=None)
        if self.words and (about != self.about or self.is_pause(words[0], LONG_PAUSE)):
            self.set(final=True)
        self.about = about
        for word in join(self.words, words):
            if self.words and self.is_pause(word, SILENCE):
                self.set(final=True)
            self.words.append(clinging(word, self.words[-1]) if self.words else word)
            if len(self.words) >= N_WORDS:
                self.set(final=False)
        # What is still in hand began before what came just now; nothing after it may pass.
        yield from self.release(min(words[0].start, self.words[0].start if self.words else words[0].start))

    def finish(self) -> Iterator[Cue]:
        self.set(final=True)
        yield from self.release(float("inf"))
        if self.shown is not None:
            cue, style = self.shown
            self.shown = None
            yield timed(cue, None, style)[0]

    def is_pause(self, word: Word, silence: float) -> bool:
        last = self.words[-1]
        if is_mark(word):  # nobody says it, so nobody waited before it; and it may not begin a line
            return False
        ended = last.text[-1] in SENTENCE_ENDS or last.text[-1] == "."
        return word.start - last.end >= (LONG_PAUSE if ended else silence)

    def set(self, *, final: bool) -> None:
        """Make cues of the words in hand; of the last ones only when they are known to be the last."""
        if not self.words:
            return
        style = choose(self.style, "".join(word.text for word in self.words))
        speaker = self.about.speaker
        reserve = columns(name_prefix(speaker))
        pieces = atoms(cut_wide(self.words, style.max_line_width), width=style.max_line_width)
        divider = Divider(pieces, style, reserve)
        cues = divider.cues()
        chosen = cues if final else cues[: max(1, len(cues) - 2)]
        for i, j in chosen:
            # Half of a word that was cut in two may begin after the word that follows it.
            begin = self.begun[speaker] = max(pieces[i].start, self.begun.get(speaker, 0.0))
            end = max(pieces[j - 1].end, begin)
            cue = Cue(begin, end, divider.rows(i, j), speaker, self.about.language, self.about.suspect)
            heapq.heappush(self.waiting, (cue.start, self.n_cues, cue, style))
            self.n_cues += 1
        self.words = [word for piece in pieces[chosen[-1][1] :] for word in piece.words]

    def release(self, until: float) -> Iterator[Cue]:
        """The cues before which nothing can come any more: segments arrive in the order of their starts."""
        while self.waiting and self.waiting[0][0] <= until:
            _, _, cue, style = heapq.heappop(self.waiting)
            if self.shown is not None:
                done, begin = timed(self.shown[0], cue.start, self.shown[1])
                yield done
                cue = replace(cue, start=begin, end=max(cue.end, begin))
            self.shown = cue, style


def join(before: list[Word], words: list[Word]) -> list[Word]:
    """The words of a segment, made to follow those before them."""
    if not before:
        return words
    last, first = before[-1], words[0]
    before[-1] = replace(last, end=max(min(last.end, first.start), last.start))
    if not (first.text[0].isspace() or breaks_freely(first.text[0]) or breaks_freely(last.text[-1])):
        first = replace(first, text=" " + first.text)
    return [first, *words[1:]]


def is_mark(word: Word) -> bool:
    """Whether it is nothing but what may not begin a line."""
    return all(character in CLOSING for character in word.text.strip())


def clinging(word: Word, last: Word) -> Word:
    """A mark that a recogniser put far behind its word, or set to last, ends with the word."""
    if not is_mark(word) or word.start - last.end < LONG_PAUSE:
        return word
    return replace(word, start=last.end, end=last.end)


def timed(cue: Cue, following: float | None, style: Style) -> tuple[Cue, float]:
    """A cue with its final times, and when the following one may start.

    A cue takes what silence there is to be readable. Where the next words come too soon it stays for
    its own speech or the minimum, whichever is less, and they wait.
    """
    speech = max(cue.end - cue.start, 0.0)
    end = min(max(cue.end + style.linger, cue.start + style.min_duration), cue.start + style.max_duration)
    begin = 0.0
    if following is not None:
        keep = max(FRAME, min(style.min_duration, speech) - style.min_gap)
        begin = max(following, cue.start + keep + style.min_gap)
        end = min(end, begin - style.min_gap)
    rows = tuple(tuple(within(word, cue.start, end) for word in row) for row in cue.rows)
    return replace(cue, end=end, rows=rows), begin


def within(word: Word, start: float, end: float) -> Word:
    if start <= word.start and word.end <= end:
        return word
    return replace(word, start=min(max(word.start, start), end), end=min(max(word.end, start), end))
