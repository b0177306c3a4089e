"""Each format against its golden text, and against the programs that read it."""

import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pysrt
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import UsageError
from asr_cli.subtitles.cue import Cue
from asr_cli.subtitles.layout import layout
from asr_cli.subtitles.lint import lint_file
from asr_cli.subtitles.read import read
from asr_cli.subtitles.timestamps import Ticker, ass_timestamp, lrc_timestamp, timestamp
from asr_cli.subtitles.txt import timestamped_line
from asr_cli.subtitles.writers import WRITERS, Info, Layout, start, write
from asr_cli.transcript import Segment, Word

GOLDEN = Path(__file__).parent / "golden"
INFO = Info(language="en", duration=366_010.25, model="tiny")


def said(text: str, begin: float, step: float = 0.3, speaker: str | None = None) -> Segment:
    """Words of `step` seconds; a Han character is a word."""
    tokens = re.findall(r"[\u4e00-\u9fff][，。]?| ?[^\s\u4e00-\u9fff]+", text)
    words = [Word(t, begin + i * step, begin + (i + 1) * step, 0.5) for i, t in enumerate(tokens)]
    return Segment(tuple(words), speaker)


SEGMENTS = [
    said(" Ask not what your country can do for you, ask what you can do for your country.", 0.5),
    said("欢迎大家来体验语音识别模型，今天是2024年。", 8.0, 0.25),
    Segment((Word(" ", 14.0, 14.5),)),  # nothing to see
    said(" Is <b> & {x} \\N a --> b?", 3_700.0, speaker="Ann, B"),
    said(" A hundred hours on.", 366_000.0, speaker="Ann, B"),
]


def text_of(name: str, segments: list[Segment], **options: bool) -> str:
    file = io.StringIO()
    write(name, segments, file, layout=Layout(**options), info=INFO)
    return file.getvalue()


@pytest.fixture
def written(tmp_path: Path):
    def put(name: str, segments: list[Segment] = SEGMENTS, **options: bool) -> Path:
        path = tmp_path / f"out.{name}"
        path.write_bytes(text_of(name, segments, **options).encode())
        return path

    return put


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_equals_its_golden_text(name: str) -> None:
    assert text_of(name, SEGMENTS) == (GOLDEN / f"subtitles.{name}").read_bytes().decode()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("srt", {"highlight_words": True}),
        ("vtt", {"highlight_words": True}),
        ("ass", {"highlight_words": True}),
        ("txt", {"timestamps": True}),
        ("json", {"word_times": False}),
    ],
)
def test_each_option_equals_its_golden_text(name: str, options: dict[str, bool]) -> None:
    option = next(iter(options))
    assert text_of(name, SEGMENTS, **options) == (GOLDEN / f"{option}.{name}").read_bytes().decode()


CUES = list(layout(SEGMENTS))


def test_pysrt_reads_every_cue_back(written) -> None:
    items = pysrt.open(str(written("srt")), encoding="utf-8", error_handling=pysrt.ERROR_RAISE)
    assert [item.start.ordinal for item in items] == [round(1000 * cue.start) for cue in CUES]
    assert [item.end.ordinal for item in items] == [round(1000 * cue.end) for cue in CUES]
    assert items[0].text == CUES[0].text
    assert items[-1].text == "Ann, B: A hundred hours on."


def test_webvtt_reads_every_cue_back(written) -> None:
    captions = webvtt.read(str(written("vtt"))).captions
    assert len(captions) == len(CUES)
    assert captions[-1].voice == "Ann, B"
    assert "&lt;b&gt; &amp;" in captions[-2].raw_text


@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
@pytest.mark.parametrize("highlight_words", [False, True])
def test_pysubs2_reads_every_cue_back(written, name: str, highlight_words: bool) -> None:
    segments = SEGMENTS[:-1]  # its ASS reader stops at 99 hours
    events = pysubs2.load(str(written(name, segments, highlight_words=highlight_words))).events
    assert any("country can do for you," in event.plaintext for event in events)
    assert all(a.end <= b.start for a, b in pairwise(events))
    if name == "ass" or not highlight_words:
        assert len(events) == len(CUES) - 1
        assert all(abs(e.start - 1000 * c.start) <= 5 for e, c in zip(events, CUES, strict=False))


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "lrc"])
def test_ffprobe_counts_every_cue(written, name: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe on this machine")
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets"]
    done = subprocess.run([*command, "-of", "csv=p=0", written(name)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert int(done.stdout) == len(CUES)


@pytest.mark.parametrize("name", ["srt", "vtt"])
@pytest.mark.parametrize("highlight_words", [False, True])
def test_our_own_reader_and_linter_accept_it(written, name: str, highlight_words: bool) -> None:
    path = written(name, highlight_words=highlight_words)
    assert [problem for problem in lint_file(path) if problem.severity == "error"] == []
    if not highlight_words:
        assert [cue.start for cue in read(path)] == [round(cue.start, 3) for cue in CUES]
        assert len(read(path)) == len(CUES)


@pytest.mark.parametrize("name", WRITERS)
def test_a_result_without_speech_is_a_valid_file(written, name: str) -> None:
    path = written(name, [])
    if name == "srt":
        assert len(pysrt.open(str(path), error_handling=pysrt.ERROR_RAISE)) == 0
        assert path.stat().st_size > 0
    if name == "vtt":
        assert len(webvtt.read(str(path))) == len(pysubs2.load(str(path))) == 0
    if name == "ass":
        assert len(pysubs2.load(str(path))) == 0
    if name == "json":
        assert json.loads(path.read_text())["segments"] == []
    if name in ("srt", "vtt"):
        assert [(p.code, p.severity) for p in lint_file(path)] == [("no-cues", "warning")]


def test_json_is_utf8_versioned_and_whole() -> None:
    text = text_of("json", SEGMENTS)
    found = json.loads(text)
    assert "欢迎" in text
    assert (found["version"], found["language"], found["model"]) == (1, "en", "tiny")
    assert [segment["id"] for segment in found["segments"]] == [0, 1, 2, 3]
    assert found["text"] == "\n".join(segment["text"] for segment in found["segments"])
    for segment in found["segments"]:
        assert "".join(word["word"] for word in segment["words"]).strip() == segment["text"]


def test_json_tells_of_a_segment_s_language_and_doubts_where_they_are_known() -> None:
    plain = Segment((Word(" yes", 0, 1),))
    doubtful = replace(plain, language="en", suspect="repetition")
    first, second = json.loads(text_of("json", [plain, doubtful]))["segments"]
    assert not {"language", "suspect"} & first.keys()
    assert (second["language"], second["suspect"]) == ("en", "repetition")


def test_an_unsure_recogniser_gives_null_probability() -> None:
    words = (Word(" yes", 0, 1), Word(" no", 1, 2, float("nan")))
    (segment,) = json.loads(text_of("json", [Segment(words)]))["segments"]
    assert [word["probability"] for word in segment["words"]] == [None, None]


@pytest.mark.parametrize("name", ["txt", "srt", "vtt", "tsv", "json"])
@pytest.mark.parametrize("options", [{}, {"highlight_words": True}, {"max_line_width": 20, "max_line_count": 2}])
def test_whispers_own_writers_accept_our_json(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    utils = pytest.importorskip("whisper.utils", reason="openai-whisper is not installed")
    result = json.loads(text_of("json", SEGMENTS))
    utils.get_writer(name, str(tmp_path))(result, "out.wav", options)
    text = (tmp_path / f"out.{name}").read_text()
    assert "country" in text
    if name == "srt" and not options:
        assert len(pysrt.from_string(text)) == 4
    if name == "tsv":
        ours = [line.split("\t")[:2] for line in text_of("tsv", SEGMENTS).splitlines()]
        assert [line.split("\t")[:2] for line in text.splitlines()] == ours


def test_all_formats_grow_in_one_pass_and_finish_valid() -> None:
    files = {name: io.StringIO() for name in WRITERS}
    outputs = [start(name, file) for name, file in files.items()]
    sizes = []
    for segment in SEGMENTS:
        for output in outputs:
            output.add(segment)
        sizes.append([len(file.getvalue()) for file in files.values()])
    for output in outputs:
        output.finish(INFO)
    assert all(late >= early for a, b in pairwise(sizes) for early, late in zip(a, b, strict=True))
    assert {name: file.getvalue() for name, file in files.items()} == {n: text_of(n, SEGMENTS) for n in WRITERS}


def test_an_unknown_format_is_a_usage_error_that_lists_them() -> None:
    with pytest.raises(UsageError, match="txt, srt, vtt, json, tsv, lrc, ass"):
        start("docx", io.StringIO())


def test_text_that_no_file_could_hold_is_written_all_the_same() -> None:
    bad = Segment((Word(" a\ud800\nb\x00\u2028c", 0, 1), Word("\ufeff d\te", 1, 2)), speaker="x\ny")
    for name in WRITERS:
        text_of(name, [bad]).encode()
    assert text_of("txt", [bad]) == "x y: a\ufffd b c d e\n"


def test_times_are_spelt_as_each_format_wants() -> None:
    assert timestamp(359_999_999, point=",") == "99:59:59,999"
    assert timestamp(360_000_000) == "100:00:00.000"
    assert ass_timestamp(366_150) == "1:01:01.50"
    assert lrc_timestamp(36_000_000) == "6000:00.00"
    assert timestamped_line(said(" Hi there", 0.0, 3.5)) == "[00:00.000 --> 00:07.000] Hi there"
    assert timestamped_line(said(" Hi", 3600.0, 1.0)) == "[01:00:00.000 --> 01:00:01.000] Hi"


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=30), st.sampled_from([100, 1000]))
def test_rounding_never_makes_an_overlap_or_an_empty_span(steps, per_second: int) -> None:
    ticker, time, last = Ticker(per_second), 0.0, 0
    for pause, duration in steps:
        begin, end = ticker.span(time + pause / 500, time + pause / 500 + duration / 500)
        assert last <= begin < end
        time, last = time + pause / 500 + duration / 500, end


@pytest.mark.parametrize("name", ["srt", "vtt", "ass"])
def test_words_too_short_to_be_marked_are_still_shown(name: str) -> None:
    words = (Word(" a", 1.0, 1.04), Word(" b", 1.04, 1.04))
    file = io.StringIO()
    write(name, [Segment(words)], file, layout=Layout(highlight_words=True))
    assert re.sub(r"\{.*?\}", "", file.getvalue()).rstrip().endswith("a b")


def test_karaoke_syllables_last_as_long_as_the_words() -> None:
    cue = Cue(1.0, 3.0, ((Word(" one", 1.0, 1.5), Word(" two", 1.7, 2.0)),))
    assert cue.lines == ("one two",)
    file = io.StringIO()
    WRITERS["ass"].open(file, Layout(highlight_words=True)).add(cue)
    assert file.getvalue().splitlines()[-1].endswith(r",,{\k50}one{\k20}{\k30} two")


def test_writing_needs_no_library_at_all() -> None:
    code = "import sys; before = set(sys.modules); import asr_cli.subtitles.writers, asr_cli.subtitles.lint; " + (
        "print({'pysrt', 'chardet', 'numpy', 'torch'} & set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
