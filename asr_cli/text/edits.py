"""Changes of text that keep the times of what was said."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from asr_cli.text.abbreviations import least_sure
from asr_cli.transcript import Word


@dataclass(frozen=True, slots=True)
class Edit:
    """What stands in a text from `start` up to `end` (in characters) reads `text` instead."""

    start: int
    end: int
    text: str


def differences(old: str, new: str) -> Iterator[Edit]:
    """The fewest edits, roughly, that make `new` of `old`.

    >>> list(differences("一百个人", "100个人"))
    [Edit(start=0, end=2, text='100')]
    """
    for kind, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Edit(start, end, new[first:last])


def edited(words: Sequence[Word], edits: Iterable[Edit]) -> tuple[Word, ...]:
    """The words after edits of their running text, in order and apart from each other.

    Words that one edit touches become one word, from the first one's start to the last one's end; the others stay. What
    was inserted between two words belongs to the second; a word without any text is gone.
    """
    groups = grouped(words, list(edits))
    result = (rewritten(group, at, changes) if changes else group[0] for group, at, changes in groups)
    return tuple(word for word in result if word.text)


def grouped(words: Sequence[Word], edits: list[Edit]) -> Iterator[tuple[list[Word], int, list[Edit]]]:
    """Runs of words that the same edits touch, where each run begins in the text, and those edits."""
    position, done, first = 0, 0, 0
    while first < len(words):
        begin, group, changes = position, [words[first]], []
        position += len(words[first].text)
        first += 1
        while done < len(edits) and (edits[done].start < position or first == len(words)):
            changes.append(edits[done])
            while edits[done].end > position:
                group.append(words[first])
                position += len(words[first].text)
                first += 1
            done += 1
        yield group, begin, changes


def rewritten(words: Sequence[Word], at: int, edits: Iterable[Edit]) -> Word:
    text = "".join(word.text for word in words)
    for edit in reversed(list(edits)):
        text = text[: edit.start - at] + edit.text + text[edit.end - at :]
    return Word(text, words[0].start, words[-1].end, least_sure(*(word.confidence for word in words)))
