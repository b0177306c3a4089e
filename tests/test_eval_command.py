"""asr eval as a user runs it: what it prints, and its exit codes."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from asr.main import answer

from asr_cli.subtitles.columns import columns

REFERENCE = "utt1 The cat sat.\nutt2 你好世界 hello\nutt3 a b c\n"
HYPOTHESIS = "utt1 the cat sat on\nutt2 你好是界 hullo\nutt9 x\n"


@pytest.fixture(autouse=True)
def own_log():
    """The program takes the library's log over; the next test gets it back."""
    log = logging.getLogger("asr")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def sides(tmp_path):
    paths = tmp_path / "ref", tmp_path / "hyp"
    for path, text in zip(paths, (REFERENCE, HYPOTHESIS), strict=True):
        path.write_text(text, encoding="utf-8")
    return [str(path) for path in paths]


@pytest.fixture
def told(sides, capsys):
    """Run `asr eval` on the two sides: exit code, standard output, standard error."""

    def run(*options, of=sides):
        code = answer(["eval", *of, *options])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def row(output: str, name: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(f"{name} "))


def test_it_says_what_was_counted_how_and_what_came_of_it(told):
    code, output, errors = told()
    assert code == 0
    assert "normalisation: NFKC, lower case, punctuation and symbols removed" in output
    assert "mer: mixed error rate: Han, kana and other scripts without spaces by character" in output
    assert row(output, "mer")[:10] == ["mer", "3", "3", "11", "6", "2", "3", "1", "54.55", "%"]
    assert output.splitlines()[-1] == "missing, counted as deletions: 1: utt3"
    assert "has no reference for utt9; not counted  [W-NO-REFERENCE]" in errors


def test_present_leaves_the_missing_out_and_strict_refuses_them(told):
    _, output, _ = told("--mode", "present")
    assert row(output, "mer")[:4] == ["mer", "2", "2", "8"]
    assert "missing, left out: 1: utt3" in output
    code, output, errors = told("--mode", "strict")
    assert (code, output) == (5, "")
    assert "lacks utt3" in errors


def test_all_rates_can_be_had_at_once_and_texts_taken_as_they_are(told):
    _, output, _ = told("--metric", "all", "--no-normalize")
    assert "normalisation: none; the text as it is" in output
    assert [row(output, name)[3] for name in ("mer", "wer", "cer")] == ["11", "8", "27"]


def test_kaldi_prints_the_lines_of_compute_wer_and_no_more(told):
    assert told("--kaldi")[1] == (
        "%WER 100.00 [ 8 / 8, 1 ins, 3 del, 4 sub ] [PARTIAL]\n%SER 100.00 [ 3 / 3 ]\n"
        "Scored 3 sentences, 1 not present in hyp.\n"
    )
    assert told("--kaldi", "--metric", "cer")[0] == 2


def test_utterances_are_listed_the_worst_first(told):
    _, output, _ = told("--per-utt")
    *_, head, first, second, third = output.splitlines()
    assert head.split() == ["MER", "UNITS", "CORRECT", "SUB", "DEL", "INS", "RATE"]
    assert first.split() == ["utt3", "3", "0", "0", "3", "0", "100.00", "%", "missing"]
    assert [second.split()[0], third.split()[0]] == ["utt2", "utt1"]


def test_an_alignment_stands_in_columns(told):
    _, output, _ = told("--align")
    assert output.endswith(
        "\nutt3  mer 100.00 %  (0 sub, 3 del, 0 ins of 3)\nref a b c\nhyp * * *\n    D D D\n"
        "\nutt2  mer 40.00 %  (2 sub, 0 del, 0 ins of 5)\n"
        "ref 你 好 世 界 hello\nhyp 你 好 是 界 hullo\n          S     S\n"
        "\nutt1  mer 33.33 %  (0 sub, 0 del, 1 ins of 3)\nref the cat sat **\nhyp the cat sat on\n                I\n\n"
    )


def test_a_long_alignment_is_folded_and_every_mark_stands_under_its_error(told, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    said = "今天天气 nice 我们 go to 公园 " * 5
    for name, text in (("r.txt", said), ("h.txt", said.replace("气", "汽").replace("go to", "went"))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    _, output, _ = told("--align", of=[str(tmp_path / "r.txt"), str(tmp_path / "h.txt")])
    lines = output[output.index("ref ") :].splitlines()
    assert max(map(columns, lines)) <= 40
    assert sum(line.startswith("ref") for line in lines) > 2
    marks = 0
    for reference, hypothesis, mark in zip(lines, lines[1:], lines[2:], strict=False):
        if reference.startswith("ref") and mark.startswith("    "):
            for column, letter in enumerate(mark):
                if letter != " ":
                    assert at(reference, column) != at(hypothesis, column)
                    marks += 1
    assert marks == 15


def at(line: str, column: int) -> str:
    """What stands in a line from a column on, up to the next space."""
    position = next(n for n in range(len(line)) if columns(line[:n]) == column)
    return line[position:].split(" ")[0]


def test_json_has_it_all(told):
    code, output, errors = told("--json", "--metric", "mer,cer", "--alignment")
    found = json.loads(output)
    assert code == 0
    assert json.loads(errors)["code"] == "W-NO-REFERENCE"
    assert found["metrics"]["mer"]["rate"] == 6 / 11
    assert found["metrics"]["mer"]["interval_95"][0] < 6 / 11 < found["metrics"]["mer"]["interval_95"][1]
    assert (found["missing"], found["extra"]) == ([{"key": "utt3", "error": None}], ["utt9"])
    first, _, last = found["utterances"]
    assert first["mer"]["alignment"][-1] == [None, "on", "I"]
    assert (last["key"], last["missing"], last["cer"]["deletions"]) == ("utt3", True, 5)


def test_a_rate_above_the_limit_is_exit_1(told):
    assert told("--max-rate", "0.54")[0] == 1
    assert told("--max-rate", "0.55")[0] == 0


@pytest.mark.parametrize("n_errors", [7, 14, 28, 29, 55, 57, 58, 100])
def test_a_rate_that_is_the_limit_is_not_above_it(told, sides, n_errors):
    (reference, hypothesis), words = map(Path, sides), ["a"] * 100
    reference.write_text("utt1 " + " ".join(words))
    hypothesis.write_text("utt1 " + " ".join(["b"] * n_errors + words[n_errors:]))
    assert told("--max-rate", f"{n_errors / 100:.2f}")[0] == 0
    assert told("--max-rate", f"{n_errors / 100 - 1e-9:.9f}")[0] == 1


def test_insertions_where_nothing_was_said_are_above_any_limit(told, sides):
    Path(sides[0]).write_text("utt1\n")
    assert told("--max-rate", "1")[0] == 1
    Path(sides[1]).write_text("utt1\n")
    assert told("--max-rate", "0")[0] == 0


@pytest.mark.parametrize("limit", ["nan", "-0.1", "20", "1.01", "inf"])
def test_a_limit_that_is_no_fraction_is_refused(told, limit):
    code, output, errors = told("--max-rate", limit)
    assert (code, output) == (2, "")
    assert f"--max-rate {limit} is no limit; a rate is a fraction from 0 to 1, such as 0.2 for 20 %" in errors


def test_subtitles_are_compared_with_a_reference_of_another_name(told, tmp_path):
    (tmp_path / "talk.ref.txt").write_text("Hello world.\n你好\n", encoding="utf-8")
    (tmp_path / "out.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nhello\nword\n\n2\n00:00:03,000 --> 00:00:04,000\n你\n好\n"
    )
    _, output, _ = told("--metric", "mer,wer", of=[str(tmp_path / "talk.ref.txt"), str(tmp_path / "out.srt")])
    assert row(output, "mer")[1:8] == ["1", "1", "4", "3", "1", "0", "0"]
    assert row(output, "mer")[-1] == "n/a"  # one utterance has no interval
    assert row(output, "wer")[3:6] == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("content", "options", "code", "message"),
    [
        (b"utt1 a\nutt1 b\n", [], 5, "has the id 'utt1' twice, in lines 1 and 2; remove one  [E-INPUT]"),
        (b"utt1 a\nutt2 \xff\n", [], 5, "is not UTF-8 text (line 2)"),
        (b"other a\nids b\n", [], 5, "no id is in both"),
        (None, [], 5, "not found; check the name  [E-NOT-FOUND]"),
        (b"utt1 a\n", ["--metric", "per"], 2, "'per' is no error rate; known: mer, wer, cer, all  [E-USAGE]"),
        (b"utt1 a\n", ["--mode", "some"], 2, "'some' is no mode"),
        (b"utt1 a\n", ["--bogus"], 2, "[E-USAGE]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_an_exit_code(told, sides, tmp_path, content, options, code, message):
    path = tmp_path / "third"
    if content is not None:
        path.write_bytes(content)
    found, output, errors = told(*options, of=[sides[0], str(path)])
    assert (found, output) == (code, "")
    assert message in errors
    assert "Traceback" not in errors


def test_usage_and_help_need_neither_numpy_nor_torch(sides):
    for arguments, code in ((["--help"], 0), ([*sides, "--metric", "per"], 2)):
        result = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "asr", "eval", *arguments],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
        assert result.returncode == code
        assert "typer" in imported
        assert not imported & {"numpy", "torch"}
