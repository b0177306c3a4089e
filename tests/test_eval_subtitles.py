"""What subtitles say is counted to the last line and each word once, whatever is wrong with the file."""

import io
import logging

import pytest

from asr_cli.errors import InputError
from asr_cli.scoring.read import read_texts
from asr_cli.subtitles.style import preset
from asr_cli.subtitles.writers import Layout, write
from asr_cli.transcript import Segment, Word

FIRST = "1\n00:00:01,000 --> 00:00:02,000\n"
SECOND = "2\n00:00:03,000 --> 00:00:04,000\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n"
LATER = "00:03.000 --> 00:04.000\n"


@pytest.fixture
def said(tmp_path):
    def read(content, suffix=".srt"):
        path = tmp_path / f"x{suffix}"
        path.write_text(content, encoding="utf-8")
        return read_texts(path, reference=False).texts["x"]

    return read


@pytest.fixture
def warnings(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("asr"), "propagate", True)
    return caplog


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"{FIRST}hello\n\nworld\n\n{SECOND}yes\n", "hello world yes"),
        (f"{FIRST}hello\n\n42\n\n{SECOND}yes\n", "hello 42 yes"),
        (f"{FIRST}42\n\n{SECOND}yes\n\n7\n", "42 yes 7"),
        (f"{FIRST}hello\n{SECOND}yes\n", "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("\n", "\n\n"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("\n", "\r\r\n"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("1\n", "").replace("2\n00", "00"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("-->", "->"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace(" --> ", "—＞").replace("＞", ">"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("-->", "--&gt;"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace(",000", ""), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace(",000", ":000"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("02,000\n", "02,000  X1:40 X2:600\n"), "hello yes"),
        (f"{FIRST}hello\n\n2\nyes\n\n{SECOND.replace('2', '3', 1)}no\n", "hello yes no"),
        (f"{FIRST}hello\n\n2\n00:00:03,000 -->\nyes\n", "hello yes"),
        (f"{FIRST}a --> b\nfrom 9:00 - 10:00\n9:00 - 10:00\n", "a --> b from 9:00 - 10:00 9:00 - 10:00"),
        (f"{FIRST}{{\\an8}}<font color=\"red\">3 < 5</font> and <i>7</i> > 2\n", "3 < 5 and 7 > 2"),
        (f"{FIRST}Tom &amp; Ann\n", "Tom &amp; Ann"),
        (f"{FIRST}He ran it in\n9:58.32\n", "He ran it in 9:58.32"),
        (f"{FIRST}He ran it in\n\n9:58.32\n", "He ran it in 9:58.32"),
        (f"{FIRST}>> 9:58.32\n1 9:58.32 - 9:59.01\n9:00 -> 9:30\n", ">> 9:58.32 1 9:58.32 - 9:59.01 9:00 -> 9:30"),
        (f"{FIRST}hello\n\n2\n00:00:03,000\nyes\n\n00:00:04,000\nno\n", "hello yes no"),
        (f"{FIRST}hello\n\n2\n00:00:03 -> 00:00:04\nyes\n", "hello yes"),
        (f"{FIRST}hello\n\n{SECOND[:-1]} --> 00:00:05,000\nyes\n", "hello yes"),
        (f"{FIRST}hello\n\n2\n00:00:03 -->\n00:00:05,0 → 00:00:06,0 align:start\nyes\n", "hello yes"),
        (f"{FIRST[:-1]} Hello there\nyou\n\n{SECOND[:-1]} X1:4 Y1:-6 yes 2:1\n", "Hello there you yes 2:1"),
        (f"{FIRST[:-1]} 5 apples\n\n{SECOND[:-1]}你好\n", "5 apples 你好"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("\n00", " 00"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("\n00", "\t00").replace("2\t", "2.\t"), "hello yes"),
        (f"\ufeff{FIRST}hello\n\n\ufeff{FIRST}yes\n\ufeff{SECOND}no\n", "hello yes no"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("2\n", "\u200e2\u00a0\n").replace("00\n", "00\u3000\n"), "hello yes"),
        (f"{FIRST}hello\n\n{SECOND}yes\n".replace("1\n", "a1b3\n").replace("2\n00", "#2\n00"), "hello yes"),
        (f"{FIRST}hello\n\nworld\n{SECOND[2:]}yes\n", "hello world yes"),
        ("0\n" + FIRST[2:] + "hello\n\n1\n" + SECOND[2:] + "yes\n", "hello yes"),
        ("\n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_every_line_of_an_srt_file_is_speech_but_numbers_and_times(said, warnings, content, text):
    assert said(content) == text
    assert not warnings.records


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"{VTT}hello\n\nworld\n\n{LATER}yes\n", "hello world yes"),
        (f"{VTT}hello\n\nname\n{LATER}yes\n", "hello yes"),
        (f"{VTT}hello\n{LATER}yes\n", "hello yes"),
        (f"{VTT}hello\n\nNOTE no\nnot this\n\nSTYLE\n::cue {{}}\n\n{LATER}yes\n\nNOTE\nno\n", "hello yes"),
        (f"{VTT}NOTE well\n\nNOTED\n", "NOTE well NOTED"),
        (VTT.replace("\n\n", " - title\nKind: captions\n\nREGION\nid:a\n\nintro\n") + "a &lt; <b>b</b>\n", "a < b"),
        (VTT.replace("\n\n", "\n") + "<v.loud Ann>hello</v>\n", "hello"),
        (VTT.replace("WEBVTT\n\n", "") + "a &amp; b\n", "a & b"),
        (VTT.replace("-->", "->") + "hello\n", "hello"),
        (VTT.replace("2.000", "2.000 align:start position:0%") + "hel<00:01.500><c>lo</c>\n", "hello"),
        (f"{VTT}hello\n\n00:03.000 -> 00:04.000 align:start\nyes\n", "hello yes"),
        ("WEBVTT\n", ""),
        ("WEBVTT\n\nNOTE nothing\n", ""),
    ],
)
def test_every_line_of_a_vtt_file_is_speech_but_its_furniture(said, warnings, content, text):
    assert said(content, ".vtt") == text
    assert not warnings.records


def test_vtt_is_told_by_its_head_whatever_the_file_is_called(said, tmp_path):
    assert said(f"{VTT}Tom &amp; Ann\n\nNOTE no\n") == "Tom & Ann"
    assert read_texts(tmp_path / "x.srt", reference=False).form == "VTT"


def test_lines_before_the_first_cue_are_named_and_not_counted(said, warnings):
    assert said(f"Subtitles by me\nand you\n\n{FIRST}hello\n") == "hello"
    (record,) = warnings.records
    assert record.code == "W-NOT-A-CUE"
    assert "x.srt has text before its first cue, from line 1 on ('Subtitles by me'); not counted" in record.message


@pytest.mark.parametrize(
    ("content", "suffix"),
    [("hello world\n", ".srt"), ("1\nhello\n\n2\nworld\n", ".srt"), ("WEBVTT\n\nhello\n", ".vtt")],
)
def test_a_file_without_any_cue_is_refused(said, content, suffix):
    with pytest.raises(InputError, match=rf"'.*x\{suffix}' holds no cue \(line \d: '.*'\); give subtitles, or call it"):
        said(content, suffix)


def segment(text, start=0.0, speaker=None):
    spoken = enumerate(text.split())
    return Segment(tuple(Word(f" {word}", start + n * 0.4, start + n * 0.4 + 0.3) for n, word in spoken), speaker)


@pytest.mark.parametrize("name", ["srt", "vtt"])
@pytest.mark.parametrize("min_gap", [0.083, 0.0])
def test_a_moving_highlight_says_its_words_once_and_repeated_words_are_kept(said, name, min_gap):
    spoken = ["yes", "yes", "no no a < b & c", "no no", "yes"]
    file = io.StringIO()
    layout = Layout(highlight_words=True, style=preset("en", min_gap=min_gap, min_duration=0.3, linger=0.1))
    write(name, [segment(text, 2.0 * n) for n, text in enumerate(spoken)], file, layout=layout)
    assert file.getvalue().count("-->") > 2 * len(spoken)
    assert said(file.getvalue(), f".{name}") == " ".join(spoken)


def test_equal_cues_that_touch_are_one_only_where_a_mark_moves_on(said):
    times = [f"00:00:0{n},000 --> 00:00:0{n + 1},000\n" for n in range(6)]
    cues = ["yes", "yes", "<u>yes</u> you", "yes <u>you</u>", "yes you", "<u>yes</u> you"]
    assert said("\n\n".join(map("".join, zip(times, cues, strict=True)))) == "yes yes yes you yes you"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("No.", "<i>No.</i>"),
        ("<i>No.</i>", "<b><i>No.</i></b>"),
        ("- No.", "- <i>No.</i>"),
        ("Oh no", '<font color="red">Oh no</font>'),
        ("Oh no", "<u>Oh no</u>"),
        ("Oh no", "<i>Oh</i> <i>no</i>"),
        ("<i>Oh</i> no", "<b><i>Oh</i></b> no"),
        ("<i>Oh</i> no", "<i>Oh no</i>"),
        ("<u>No</u>", "<u>No</u>"),
        ("♪", "<i>♪</i>"),
    ],
)
def test_what_is_marked_as_a_whole_is_no_moving_highlight(said, first, second):
    once = said(f"{FIRST}{first}\n")
    touching = "00:00:02,000 --> 00:00:03,000\n"
    for one, other in ((first, second), (second, first)):
        assert said(f"{FIRST}{one}\n\n2\n{touching}{other}\n") == f"{once} {once}"


@pytest.mark.parametrize("cues", [("a", "<u>a</u>", "a"), ("<i><u>a</u> b</i>", "<i>a b</i>", "<i>a <u>b</u></i>")])
def test_a_highlight_is_counted_once_in_a_single_word_and_in_italics(said, cues):
    times = [f"00:00:0{n},000 --> 00:00:0{n + 1},000\n" for n in range(3)]
    assert said("\n\n".join(map("".join, zip(times, cues, strict=True)))) in ("a", "a b")


def test_names_are_taken_off_in_vtt(said):
    file = io.StringIO()
    write("vtt", [segment("hello there", 1.0, "left"), segment("yes", 5.0, "right")], file)
    assert said(file.getvalue(), ".vtt") == "hello there yes"
