"""Inverse text normalization: numbers that were said, in digits, with the times of what was said.

wetext knows the rules of Chinese and English. It sees one run of words at a time, without punctuation, for it moves and
escapes marks; what it changed is found by comparing, and the words around a change stay exactly as they were. Its rules
for Japanese write 千葉 as 1000葉, so they are not used.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Literal

from asr_cli.errors import DependencyError, UsageError
from asr_cli.text.edits import Edit, differences, edited
from asr_cli.text.numbers import DIGITS, KEPT, chinese_edits, english_edits
from asr_cli.transcript import Segment, Word

Normalize = Callable[[str, Literal["zh", "en"]], str]

LANGUAGES = ("zh", "yue", "en")
CHINESE_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff〇]+")
ENGLISH_RUN = re.compile(r"[A-Za-z]+(?:['’ -]+[A-Za-z]+)*")
HAS_NUMERAL = re.compile(f"[{DIGITS}]")


def check_itn(itn: bool, languages: Sequence[str]) -> None:
    """Refuse languages whose numbers nobody here can write."""
    if itn and not writes_numbers_of(languages):
        raise UsageError(
            f"--itn writes the numbers of Chinese and English, and this is {', '.join(languages)}; leave it out"
        )


def writes_numbers_of(languages: Iterable[str]) -> bool:
    return any(language.partition("-")[0] in LANGUAGES for language in languages)


def inverse_normalizer() -> Callable[[Iterable[Segment]], Iterator[Segment]]:
    """The stage that writes numbers in digits."""
    normalize = wetext_normalize()

    def stage(segments: Iterable[Segment]) -> Iterator[Segment]:
        return (replace(segment, words=in_digits(segment.words, normalize)) for segment in segments)

    return stage


def wetext_normalize() -> Normalize:
    try:
        from wetext import Normalizer
    except ImportError as error:
        raise DependencyError(
            "--itn needs wetext, which is not installed; pip install 'asr-cli[itn]', or leave --itn out"
        ) from error
    normalizers = {language: Normalizer(lang=language, operator="itn") for language in ("zh", "en")}
    return lambda text, language: str(normalizers[language].normalize(text))


def in_digits(words: tuple[Word, ...], normalize: Normalize) -> tuple[Word, ...]:
    text = "".join(word.text for word in words)
    edits = sorted(number_edits(text, normalize), key=lambda edit: edit.start)
    return edited(words, spaced(edits, text)) if edits else words


def number_edits(text: str, normalize: Normalize) -> Iterator[Edit]:
    # What is kept is never shown to the library; the same length, so that positions stay.
    shown = KEPT.sub(lambda found: "\n" * len(found[0]), text)
    for run in CHINESE_RUN.finditer(shown):
        if HAS_NUMERAL.search(run[0]):
            yield from moved(run.start(), chinese_changes(run[0], normalize))
    for run in ENGLISH_RUN.finditer(shown):
        yield from moved(run.start(), english_changes(run[0], normalize))


def chinese_changes(said: str, normalize: Normalize) -> Iterator[Edit]:
    for change in differences(said, normalize(said, "zh")):
        yield from moved(change.start, chinese_edits(said[change.start : change.end], change.text))


def english_changes(said: str, normalize: Normalize) -> Iterator[Edit]:
    plain = said.lower().replace("’", "'").replace("-", " ")
    old, new = list(re.finditer(r"\S+", plain)), normalize(plain, "en").split()
    for kind, start, end, first, last in SequenceMatcher(
        None, [word[0] for word in old], new, autojunk=False
    ).get_opcodes():
        if kind == "replace":
            begin = old[start].start()
            yield from moved(begin, english_edits(said[begin : old[end - 1].end()], " ".join(new[first:last])))


def moved(offset: int, edits: Iterable[Edit]) -> Iterator[Edit]:
    return (Edit(edit.start + offset, edit.end + offset, edit.text) for edit in edits)


def spaced(edits: Iterable[Edit], text: str) -> Iterator[Edit]:
    """A space where digits would now touch a Latin word: python三百次 is python 300次."""
    for edit in edits:
        before, after = text[: edit.start][-1:], text[edit.end : edit.end + 1]
        yield replace(edit, text=f" {edit.text}") if is_latin(before) and is_latin(edit.text[0]) else edit
        if is_latin(after) and is_latin(edit.text[-1]):
            yield Edit(edit.end, edit.end, " ")


def is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
