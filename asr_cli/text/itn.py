"""Inverse text normalization: numbers that were said, in digits, with the times of what was said.

wetext knows how numbers of Chinese and English are written, but it reads more into words than they say: "flight two
seventy nine" is 2709 to it, and 一二年级 is 12年级. So it sees one number at a time, and what it would write is written
only if it is read as exactly what was said; else the words stay. Its rules for Japanese write 千葉 as 1000葉, so
they are not used.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from asr_cli.errors import DependencyError, UsageError
from asr_cli.text.chinese_numbers import chinese_edits
from asr_cli.text.edits import Edit, edited
from asr_cli.text.english_numbers import english_edits
from asr_cli.transcript import Segment, Word

Normalize = Callable[[str, Literal["zh", "en"]], str]

LANGUAGES = ("zh", "yue", "en")


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
    return lru_cache(4096)(lambda text, language: str(normalizers[language].normalize(text)))


def in_digits(words: tuple[Word, ...], normalize: Normalize) -> tuple[Word, ...]:
    text = "".join(word.text for word in words)
    edits = sorted(number_edits(text, normalize), key=lambda edit: edit.start)
    return edited(words, spaced(edits, text)) if edits else words


def number_edits(text: str, normalize: Normalize) -> Iterator[Edit]:
    yield from chinese_edits(text, lambda said: normalize(said, "zh"))
    yield from english_edits(text, lambda said: normalize(said, "en"))


def spaced(edits: Iterable[Edit], text: str) -> Iterator[Edit]:
    """A space where digits would now touch a Latin word: python三百次 is python 300次."""
    for edit in edits:
        before, after = text[: edit.start][-1:], text[edit.end : edit.end + 1]
        yield replace(edit, text=f" {edit.text}") if is_latin(before) and is_latin(edit.text[0]) else edit
        if is_latin(after) and is_latin(edit.text[-1]):
            yield Edit(edit.end, edit.end, " ")


def is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
