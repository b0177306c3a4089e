"""The linter names every fault of a file, and readers' leniency hides none."""

from pathlib import Path

import pytest

from asr_cli.errors import InputError, NotFoundError
from asr_cli.subtitles.lint import lint_file
from asr_cli.subtitles.read import read
from asr_cli.subtitles.style import preset

GOOD = "1\n00:00:01,000 --> 00:00:03,000\nHello there.\n\n2\n00:00:03,100 --> 00:00:05,000\nGood day.\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nHello there.\n\n00:03.100 --> 00:05.000\nGood day.\n"


@pytest.fixture
def judged(tmp_path: Path):
    def judge(text: str | bytes, suffix: str = ".srt", style: str = "en") -> list[tuple[str, str, int]]:
        path = tmp_path / f"file{suffix}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [(p.severity, p.code, p.cue) for p in lint_file(path, preset(style))]

    return judge


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.encode("utf-16"),
        GOOD.replace("00:00:05", "100:00:05").replace("00:00:03,100", "100:00:03,100"),
        GOOD.replace("Hello there.", "<i>Hello</i>\nthere."),
    ],
    ids=["plain", "no final newline", "CRLF", "BOM", "UTF-16", "over 99 hours", "tags"],
)
def test_a_good_file_has_no_fault(judged, text) -> None:
    assert judged(text) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("2\n00", "7\n00", ("error", "index", 2)),
        ("2\n00", "00", ("error", "index", 2)),
        ("--> 00:00:03,000", "--> 00:00:03,500", ("error", "overlap", 2)),
        ("00:00:01,000 -->", "00:00:03,050 -->", ("error", "backwards", 1)),
        ("--> 00:00:03,000", "--> 00:00:01,000", ("error", "zero-length", 1)),
        ("00:00:01,000 -->", "-00:00:01,000 -->", ("error", "negative", 1)),
        ("--> 00:00:05,000", "--> -00:00:05,000", ("error", "negative", 2)),
        ("00:00:03,100 --> 00:00:05,000", "00:00:00,100 --> 00:00:00,950", ("error", "order", 2)),
        ("01,000", "01.000", ("error", "decimal-sign", 1)),
        ("00:00:03,000", "00:00:63,000", ("error", "time-syntax", 1)),
        ("00:00:03,000", "00:61:03,000", ("error", "time-syntax", 1)),
        ("01,000 -->", "01,000 ->", ("error", "syntax", 0)),
        ("Good day.", "a --> b", ("error", "arrow", 2)),
        ("Good day.", "Good\n\nday.", ("error", "blank-line", 2)),
        ("Hello there.\n", "", ("error", "empty", 1)),
        ("--> 00:00:03,000", "--> 00:00:01,500", ("warning", "short", 1)),
        ("--> 00:00:05,000", "--> 00:00:15,000", ("warning", "long", 2)),
        ("00:00:03,100", "00:00:03,000", ("warning", "gap", 2)),
        ("Good day.", "a b c " * 8, ("warning", "width", 2)),
        ("Good day.", "a\nb\nc", ("warning", "lines", 2)),
        ("Good day.", "a b c d e f " * 3 + "\n" + "a b c d e f " * 3, ("warning", "cps", 2)),
        ("Good day.", "Good\n, day.", ("warning", "line-start", 2)),
        ("Good day.", "Good (\nday.", ("warning", "line-end", 2)),
    ],
)
def test_each_fault_of_an_srt_file_is_named_with_its_cue(judged, old: str, new: str, fault) -> None:
    assert old in GOOD
    assert fault in judged(GOOD.replace(old, new, 1))


def test_a_vtt_file_with_all_its_furniture_has_no_fault(judged) -> None:
    furniture = "WEBVTT - title\nKind: captions\n\nSTYLE\n::cue {}\n\nNOTE text\n\nintro\n"
    full = VTT.replace("WEBVTT\n\n", furniture).replace("03.000\n", "03.000 align:start\n<v.loud Ann>")
    assert judged(VTT, ".vtt") == judged(full, ".vtt") == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("WEBVTT\n\n", "", ("error", "header", 0)),
        ("01.000", "01,000", ("error", "decimal-sign", 1)),
        ("--> 00:03.000", "--> 00:04.000", ("error", "overlap", 2)),
        ("--> 00:03.000", "--> 00:00.500", ("error", "backwards", 1)),
        ("Hello there.", "Hello\n\nthere.", ("error", "blank-line", 1)),
        ("Good day.\n", "", ("error", "empty", 2)),
        ("00:01.000 -->", "0:1 -->", ("error", "time-syntax", 1)),
    ],
)
def test_each_fault_of_a_vtt_file_is_named_with_its_cue(judged, old: str, new: str, fault) -> None:
    assert fault in judged(VTT.replace(old, new, 1), ".vtt")


def test_an_empty_file_is_an_error_and_one_without_cues_a_warning(judged) -> None:
    assert judged("") == judged("", ".vtt") == [("error", "empty-file", 0)]
    assert judged("\n") == judged("WEBVTT\n", ".vtt") == [("warning", "no-cues", 0)]


def test_a_fast_cue_is_only_ever_a_warning(judged) -> None:
    found = judged("1\n00:00:01,000 --> 00:00:02,000\n欢迎大家来体验语音识别模型\n", style="zh")
    assert found == [("warning", "cps", 1)]


def test_the_style_is_the_texts_own_unless_one_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:06,000\n" + "天" * 20 + "\n", encoding="utf-8")
    assert [p.code for p in lint_file(path)] == ["width"]
    assert lint_file(path, preset("en")) == []


def test_voices_entities_and_tags_of_vtt_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text("WEBVTT\n\n1\n00:01.000 --> 01:00:03.000\n<v Ann &amp; Bob>a &lt; <b>b</b>\nc\n")
    (cue,) = read(path)
    assert (cue.speaker, cue.lines, cue.start, cue.end) == ("Ann & Bob", ("a < b", "c"), 1.0, 3603.0)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        lint_file(tmp_path / "none.srt")
    with pytest.raises(InputError, match=r"give a .srt or .vtt"):
        lint_file(tmp_path / "a.docx")
    (tmp_path / "gbk.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\n你好\n".encode("gbk"))
    with pytest.raises(InputError, match="not UTF-8"):
        lint_file(tmp_path / "gbk.srt")
