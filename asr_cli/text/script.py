"""Chinese in the script that was asked for, through OpenCC: the same words, the same times."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from asr_cli.errors import UsageError
from asr_cli.text.edits import differences, edited
from asr_cli.transcript import Segment, Word

# OpenCC's tables. Characters only: those that also change words (软件 to 軟體) would write what nobody said.
TABLES = {"hans": "t2s", "hant": "s2t", "hant-tw": "s2tw", "hant-hk": "s2hk"}
CHINESE = frozenset(("zh", "yue", "wuu", "nan", "hak", "cmn"))


def check_script(script: str | None, languages: Sequence[str]) -> None:
    """Refuse a script that is not known, or none of the languages to be heard."""
    if script is None:
        return
    if script not in TABLES:
        raise UsageError(f"{script!r} is no script; choose {', '.join(TABLES)}")
    if not is_chinese(languages):
        raise UsageError(f"--script is for Chinese, and this is {', '.join(languages)}; leave it out")


def is_chinese(languages: Iterable[str]) -> bool:
    return any(language.partition("-")[0] in CHINESE for language in languages)


def converter(script: str) -> Callable[[Iterable[Segment]], Iterator[Segment]]:
    """The stage that writes segments in `script`: "hans", "hant", "hant-tw" or "hant-hk"."""
    from opencc import OpenCC

    convert = OpenCC(TABLES[script]).convert

    def stage(segments: Iterable[Segment]) -> Iterator[Segment]:
        return (replace(segment, words=converted(segment.words, convert)) for segment in segments)

    return stage


def converted(words: tuple[Word, ...], convert: Callable[[str], str]) -> tuple[Word, ...]:
    """The words in another script; Japanese as it was.

    All of them at once, because a phrase decides: 头发 is 頭髮 and 发展 is 發展.
    """
    old = "".join(word.text for word in words)
    if any(is_kana(character) for character in old):
        return words
    new = convert(old)
    if len(new) != len(old):
        return edited(words, differences(old, new))
    return tuple(spelled_as(words, new))


def spelled_as(words: Iterable[Word], text: str) -> Iterator[Word]:
    position = 0
    for word in words:
        piece = text[position : position + len(word.text)]
        yield word if piece == word.text else replace(word, text=piece)
        position += len(word.text)


def is_kana(character: str) -> bool:
    return "\u3041" <= character <= "\u3096" or "\u30a1" <= character <= "\u30fa" or "\uff66" <= character <= "\uff9d"
