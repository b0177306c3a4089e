from pathlib import Path

import pytest

from asr_cli.errors import UsageError
from asr_cli.jobs.plan import Source, destination, plan

KNOWN = ("txt", "srt", "json")


def to(output=None, formats=None, *, beside=False, suffix=""):
    return destination(output, formats, known=KNOWN, default="txt", beside=beside, suffix=suffix)


def paths(jobs):
    return [str(target.path) for job in jobs for target in job.targets]


def test_without_o_the_text_goes_to_standard_output():
    (job,) = plan([Source("a.wav")], to())
    assert (job.targets, job.format, job.journal) == ((), "txt", None)


def test_a_known_extension_names_a_file_and_anything_else_a_directory(tmp_path):
    assert paths(plan([Source("a.wav")], to("x/out.srt"))) == ["x/out.srt"]
    assert paths(plan([Source("a.wav")], to("x/out", "srt,json"))) == ["x/out/a.srt", "x/out/a.json"]
    (tmp_path / "folder.srt").mkdir()
    assert paths(plan([Source("a.wav")], to(str(tmp_path / "folder.srt")))) == [str(tmp_path / "folder.srt" / "a.txt")]


def test_subtitles_lie_beside_their_video_with_the_language_if_asked():
    jobs = plan([Source("films/a.mp4"), Source("b.mkv")], to(None, "srt", beside=True, suffix=".en"))
    assert paths(jobs) == ["films/a.en.srt", "b.en.srt"]
    assert jobs[0].targets[0].partial == Path("films/a.en.part.srt")


def test_a_directory_s_tree_is_mirrored():
    jobs = plan([Source("in/x/a.wav", Path("in")), Source("in/a.wav", Path("in"))], to("out"))
    assert paths(jobs) == ["out/x/a.txt", "out/a.txt"]


@pytest.mark.parametrize(
    ("sources", "output", "formats", "says"),
    [
        (["a/x.wav", "b/x.wav"], "out", None, "both write out/x.txt"),
        (["a/X.wav", "b/x.wav"], "out", None, "both write"),
        (["a.wav", "b.wav"], "one.srt", None, "one file for 2 recordings"),
        (["a.wav"], "one.srt", "json", "asks for json"),
        (["a.wav"], None, "srt,json", "takes one format"),
        (["a.wav", "b.wav"], None, "json", "cannot share standard output"),
        (["a.wav"], "out", "docx", "no output format"),
    ],
)
def test_contradictions_are_refused_before_anything_is_loaded(sources, output, formats, says):
    with pytest.raises(UsageError, match=says):
        plan([Source(source) for source in sources], to(output, formats))


def test_all_means_every_format():
    assert paths(plan([Source("a.wav")], to("out", "all"))) == ["out/a.txt", "out/a.srt", "out/a.json"]


def test_urls_and_standard_input_have_names_too():
    jobs = plan([Source("https://x.org/d/talk%20one.mp3?t=1"), Source("-")], to("out"))
    assert paths(jobs) == ["out/talk one.txt", "out/stdin.txt"]
    assert jobs[1].journal is None and jobs[0].journal == Path("out/.talk one.asr-journal")
