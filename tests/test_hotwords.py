"""Words that are expected: what lists of them mean, and that hits are counted however the transcript writes them."""

import io
import json
from pathlib import Path

import pytest

from asr_cli.subtitles.writers import Info, write
from asr_cli.text.finish import finishers
from asr_cli.text.hotwords import as_written, n_hits, read_hotwords
from asr_cli.transcript import Segment, Word


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("达摩院\n# a comment\n  # another\n\t#third\n", ("达摩院",)),
        ("Windows 11\n", ("Windows 11",)),
        ("# one\nWindows 11\n", ("Windows 11",)),
        ("达摩院 20\n阿里巴巴 10\n", ("达摩院", "阿里巴巴")),
        ("达摩院 20\n", ("达摩院",)),
        ("Windows 11\nLinux\n", ("Windows 11", "Linux")),
        ("C# language\n", ("C# language",)),
    ],
)
def test_a_file_of_hotwords_means_what_its_lines_say(tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
    (tmp_path / "names.txt").write_text(content, encoding="utf-8")
    assert read_hotwords(tmp_path / "names.txt") == words


@pytest.mark.parametrize(
    ("itn", "script", "said", "hotword", "hits"),
    [
        (False, None, "三个个", "个", 2),
        (False, "hant", "三个个", "个", 2),
        (False, "hant", "三个个", "個", 2),
        (False, "hant-tw", "头发里面", "头发", 1),
        (False, "hans", "三個", "個", 1),
        (True, None, "在三十二号楼", "三十二号楼", 1),
        (True, "hant", "在三十二号楼", "三十二号楼", 1),
        (True, None, "在一起", "一起", 1),
        (True, "hant", "三个个", "两个", 0),
    ],
)
def test_hits_are_counted_in_whatever_digits_and_script(
    itn: bool, script: str | None, said: str, hotword: str, hits: int
) -> None:
    stages = finishers(itn=itn, script=script, languages=("zh",))
    segments = iter([Segment(tuple(Word(character, i, i + 0.5) for i, character in enumerate(said)))])
    for stage in stages:
        segments = stage(segments)
    file = io.StringIO()
    write("json", segments, file, info=Info(hotwords=(hotword,), written=as_written([hotword], stages)))
    assert json.loads(file.getvalue())["hotwords"] == [{"text": hotword, "hits": hits}]


def test_a_hotword_is_found_in_any_case_over_line_ends_and_not_inside_a_word() -> None:
    assert n_hits("new york", "New\nYork is new yorker") == 1
    assert n_hits("C++", "c++ and c") == 1
    assert n_hits("五", "五5", "5") == 2
