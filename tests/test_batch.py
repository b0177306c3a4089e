"""`asr batch` as a user runs it: what it reads, what it writes, what it does again and what it does not."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from asr_cli.scoring.read import read_texts
from tests.batches import QUICK, Runs, write_scp, write_wav

NOT_UTF8 = os.fsdecode(b"caf\xe9")
BAD = {
    "empty": "E-INPUT",
    "missing": "E-NOT-FOUND",
    "folder": "E-INPUT",
    "broken": "E-INPUT",
    "text": "E-INPUT",
    "poison": "E-WORKER",
    "pipe_fails": "E-INPUT",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("batch")


@pytest.fixture(scope="module")
def zoo(folder):
    """One of each kind, good and bad, in no order, through one run."""
    audio = folder / "audio"
    kept = write_wav(audio / "a.wav", 0.5, 1)
    for name in ("empty", "broken", "text"):
        (audio / f"{name}.wav").write_bytes({"empty": b"", "broken": os.urandom(3000), "text": b"hello\n"}[name])
    (audio / "folder.wav").mkdir()
    entries = [
        ("z", write_wav(audio / "long.wav", 12.0, 2)),
        ("missing", audio / "missing.wav"),
        ("a/b", write_wav(audio / "with two spaces.wav", 0.5, 3)),
        ("..", write_wav(audio / "汉字.wav", 0.5, 4)),
        ("A", write_wav(audio / f"{NOT_UTF8}.wav", 0.5, 5)),
        ("poison", write_wav(audio / "poison.wav", 0.5, 6, poisoned=True)),
        ("a", write_wav(audio / "b.wav", 0.5, 7)),
        ("empty", audio / "empty.wav"),
        (NOT_UTF8, write_wav(audio / "c.wav", 0.5, 8)),
        ("folder", audio / "folder.wav"),
        ("broken", audio / "broken.wav"),
        ("text", audio / "text.wav"),
        ("pipe", f"cat {kept} |"),
        ("pipe_fails", f"cat {kept}; echo no more >&2; exit 3 |"),
        ("file", kept.as_uri()),
        ("-rf", kept),
    ]
    scp = write_scp(folder / "wav.scp", entries)
    runs = Runs(folder, scp, options=["-f", "srt,json", "--allow-scp-pipes", "--json"])
    runs.keys = [key for key, _ in entries]
    return runs.run()


def copied(runs, folder):
    """The same command for a copy of what it left."""
    other = Runs(folder, options=[])
    shutil.copytree(runs.out, other.out)
    other.arguments = [str(other.out) if argument == str(runs.out) else argument for argument in runs.arguments]
    return other


def good(keys):
    return [key for key in keys if key not in BAD]


def test_some_failed_is_exit_three(zoo):
    assert zoo.code == 3


def test_the_report_has_one_record_a_recording_in_the_order_of_the_input(zoo):
    assert list(zoo.report()) == zoo.keys
    assert len((zoo.out / "asr-report.jsonl").read_bytes().splitlines()) == len(zoo.keys)


def test_every_good_one_is_transcribed_and_every_bad_one_has_its_cause(zoo):
    for key, record in zoo.report().items():
        code = BAD.get(key)
        assert (record["status"], record.get("code")) == ("failed" if code else "done", code), record
        assert not code or (record["error"] and "\n" not in record["error"])
    assert "no more" in zoo.report()["pipe_fails"]["error"]  # the command's own words
    assert "2 workers" in zoo.report()["poison"]["error"]


def test_the_lists_are_in_the_order_of_the_input(zoo):
    for name in ("text", "token", "score", "time_stamp", "rtf"):
        assert [key for key, _ in zoo.best(name)] == good(zoo.keys), name
    assert all(words for _, words in zoo.best())


def test_the_bytes_of_an_id_come_out_as_they_went_in(zoo):
    assert b"\ncaf\xe9 w" in (zoo.out / "1best_recog" / "text").read_bytes()


def test_ids_become_files_inside_of_the_directory_that_no_file_system_takes_for_another(zoo):
    outputs = [path for record in zoo.report().values() for path in record.get("outputs", ())]
    assert len(outputs) == 2 * len(good(zoo.keys))
    assert len({path.casefold() for path in outputs}) == len(outputs)
    assert {Path(path).parent for path in outputs} == {zoo.out}
    inside = {path.name for path in zoo.out.iterdir()}
    assert inside - {Path(path).name for path in outputs} == {"1best_recog", "asr-report.jsonl", ".asr-batch.sqlite"}


def test_every_event_is_an_object_of_json_and_tells_what_the_report_tells(zoo):
    kinds = [event["event"] for event in zoo.events]
    assert kinds[0] == "notice" and kinds[-1] == "summary"
    done = {event["file"]: event["status"] for event in zoo.events if event["event"] == "file_done"}
    assert done == zoo.statuses() and kinds.count("file_done") == len(zoo.keys)
    summary = zoo.events[-1]
    assert (summary["done"], summary["failed"]) == (len(good(zoo.keys)), len(BAD))


def test_the_same_command_again_does_nothing_and_says_the_same(zoo, tmp_path):
    again = copied(zoo, tmp_path).run()
    assert (again.code, again.heard, again.files()) == (3, [], zoo.files())
    summary = again.events[-1]
    assert (summary["skipped"], summary["failed"]) == (len(good(zoo.keys)), len(BAD))


@pytest.fixture(scope="module")
def few(folder):
    """Four recordings, and one that is none."""
    paths = [write_wav(folder / "few" / f"{number}.wav", 0.5, number) for number in range(4)]
    paths[2].with_name("x.wav").write_text("no sound")
    runs = Runs(folder, folder / "few", out="few-out", options=["-f", "srt"]).run()
    assert (runs.code, len(runs.heard)) == (3, 4)
    return runs


@pytest.mark.parametrize(
    ("options", "n_heard"),
    [
        (["--retry-failed"], 0),  # it is asked, and fails again before anything is heard
        (["--overwrite"], 4),
        (["-f", "srt,vtt"], 4),
        (["--start", "0.1"], 4),
        (["--jobs", "2", "--batch-seconds", "5"], 0),  # changes no result
    ],
)
def test_what_is_complete_is_done_again_only_if_something_else_is_asked(few, tmp_path, options, n_heard):
    again = copied(few, tmp_path).run(*options)
    assert (again.code, len(again.heard)) == (3, n_heard)
    if "--start" not in options:
        assert again.best() == few.best()


def test_error_rates_can_be_had_of_what_was_written(few):
    heard = read_texts(few.out, reference=False)
    assert dict(heard.texts) == dict(few.best()) and len(heard.texts) == 4
    assert heard.failed.keys() == {"x"}


def test_a_result_that_vanished_is_made_again(few, tmp_path):
    again = copied(few, tmp_path)
    (again.out / "1.srt").unlink()
    shutil.rmtree(again.out / "1best_recog")
    again.run()
    assert (len(again.heard), again.files()) == (1, few.files())


def test_a_recording_moved_away_after_it_was_done_stays_done(tmp_path):
    paths = [write_wav(tmp_path / "in" / f"{number}.wav", 0.5, number) for number in range(2)]
    runs = Runs(tmp_path, write_scp(tmp_path / "wav.scp", [("a", paths[0]), ("b", paths[1])])).run()
    text = runs.best()
    paths[0].unlink()
    assert (runs.run().code, runs.heard, runs.best()) == (0, [], text)
    write_scp(tmp_path / "wav.scp", [("a", tmp_path / "elsewhere.wav"), ("b", paths[1])])  # which it never was
    assert (runs.run().code, runs.statuses()["a"]) == (3, "failed")


def test_another_model_does_all_of_it_again(few, tmp_path):
    write_model(tmp_path / "plugin", "other")
    again = copied(few, tmp_path).run("--model", "other", PYTHONPATH=f"{QUICK}{os.pathsep}{tmp_path / 'plugin'}")
    assert len(again.heard) == 4


def write_model(folder, name):
    """The quick recogniser by another name."""
    information = folder / f"asr_backend_{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: asr-backend-{name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[asr.backends]\n{name} = asr_backend_{name}:BACKEND\n")
    (folder / f"asr_backend_{name}.py").write_text(
        "from dataclasses import replace\n"
        "from asr_backend_quick import BACKEND, CARD\n"
        f"BACKEND = replace(BACKEND, name={name!r}, models=(replace(CARD, name={name!r}),))\n"
    )


def test_a_recording_that_changed_is_heard_again_whatever_the_clock_says(tmp_path):
    paths = [write_wav(tmp_path / "in" / f"{number}.wav", 0.5, number) for number in range(4)]
    paths[3].write_text("no sound")
    runs = Runs(tmp_path, tmp_path / "in").run()
    assert (runs.code, len(runs.heard)) == (3, 3)
    now = paths[0].stat().st_mtime
    for path, seconds in ((paths[0], 1e6), (paths[1], -1e6)):  # of tomorrow, and of yesterday
        os.utime(path, (now, now + seconds))
    write_wav(paths[3], 0.5, 3)  # put right; nobody needs to ask for it
    runs.run()
    assert (runs.code, len(runs.heard)) == (0, 3)
    assert runs.run().heard == []


def test_a_failure_is_tried_again_only_when_asked(tmp_path):
    there = tmp_path / "there"
    command = f"test -e {there} && cat {write_wav(tmp_path / 'a.wav')}"
    runs = Runs(tmp_path, write_scp(tmp_path / "wav.scp", [("a", f"{command} |")]), options=["--allow-scp-pipes"])
    assert (runs.run().code, runs.statuses()) == (1, {"a": "failed"})
    there.touch()
    assert (runs.run().code, runs.statuses()) == (1, {"a": "failed"})
    assert "--retry-failed" in runs.said
    assert (runs.run("--retry-failed").code, runs.statuses()) == (0, {"a": "done"})


def test_sources_of_all_kinds_go_through_one_run(tmp_path):
    """A tree that is mirrored, a data directory with segments, a list, and an address; channels apart."""
    write_wav(tmp_path / "tree" / "b" / "deep.wav", 0.5, 1, channels=2)
    write_wav(tmp_path / "tree" / "a.wav", 0.5, 2)
    write_scp(tmp_path / "data" / "wav.scp", [("meeting", write_wav(tmp_path / "data" / "m.wav", 3.0, 3))])
    (tmp_path / "data" / "segments").write_text("m-1 meeting 0.5 1.0\nm-2 meeting 2.0 3.0\n")
    (tmp_path / "list.txt").write_text(f"{write_wav(tmp_path / 'listed.wav', 0.5, 4)}\r\n\r\n")
    write_wav(tmp_path / "served" / "far.wav", 0.5, 5)
    with served(tmp_path / "served") as address:
        inputs = [tmp_path / "tree", tmp_path / "data", f"@{tmp_path / 'list.txt'}", f"{address}/far.wav"]
        runs = Runs(tmp_path, *inputs, options=["--recursive", "-f", "srt", "--channels", "split"]).run()
    keys = ["a", "b/deep", "m-1", "m-2", "listed", "far"]
    assert runs.code == 0 and list(runs.report()) == [key for key, _ in runs.best()] == keys
    assert {str(path.relative_to(runs.out)) for path in runs.out.rglob("*.srt")} == {f"{key}.srt" for key in keys}
    times = {key: json.loads(found) for key, found in runs.best("time_stamp")}
    assert times["m-1"] == [[500, 1000]] and times["m-2"] == [[2000, 2500], [2500, 3000]]
    assert len(times["b/deep"]) == 2 * len(times["a"])  # a speaker each


@contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_hundreds_of_tiny_ones_are_all_done_in_order(tmp_path):
    """More than are ever in hand at once; the longest is heard while the others pass."""
    entries = [(f"t{number}", write_wav(tmp_path / f"{number}.wav", 0.05, number)) for number in range(300)]
    entries.insert(0, ("long", write_wav(tmp_path / "long.wav", 60.0, 1)))
    runs = Runs(tmp_path, write_scp(tmp_path / "wav.scp", entries), options=["--json"]).run(cost=0.01)
    assert runs.code == 0 and [key for key, _ in runs.best()] == [key for key, _ in entries]
    ended = [event["file"] for event in runs.events if event["event"] == "file_done"]
    assert len(ended) == len(set(ended)) == 301 and ended.index("long") > 5


def test_all_failed_is_exit_one_and_errors_may_be_ignored(tmp_path):
    runs = Runs(tmp_path, tmp_path / "a.wav", tmp_path / "b.wav")
    assert runs.run().code == 1 and set(runs.statuses().values()) == {"failed"}
    assert runs.run("--ignore-errors").code == 0 and set(runs.statuses().values()) == {"failed"}


def test_the_first_failure_can_end_the_run_and_the_same_command_continues(tmp_path):
    for number in range(60):
        write_wav(tmp_path / "in" / f"{number:02}.wav", 0.5, number)
    (tmp_path / "in" / "00.wav").write_text("no sound")
    runs = Runs(tmp_path, tmp_path / "in").run("--fail-fast", cost=0.05)
    statuses = list(runs.statuses().values())
    assert runs.code == 3 and statuses[0] == "failed" and statuses.count("pending") > 10
    n_heard = len(runs.heard)
    runs.run()
    assert (runs.code, len(runs.heard)) == (3, 59 - n_heard)
    assert "pending" not in runs.statuses().values()


REFUSED = {
    "an empty list": (["empty.scp"], 2),
    "a command without leave": (["pipe.scp"], 2),
    "an unknown model": (["a.wav", "--model", "none"], 4),
    "a model that is not here": (["a.wav", "--model", "paraformer-en", "--offline"], 4),
    "no ffmpeg": (["a.wav"], 6),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_work_is_said_in_one_sentence_before_anything_is_written(tmp_path, what):
    write_wav(tmp_path / "a.wav")
    (tmp_path / "empty.scp").touch()
    (tmp_path / "pipe.scp").write_text("a touch ran |\n")
    arguments, code = REFUSED[what]
    runs = Runs(tmp_path, options=arguments).run(**({"ASR_FFMPEG": "/nowhere"} if code == 6 else {}))
    assert runs.code == code and runs.complaint
    assert not list(runs.out.glob("[!.]*")) and not (tmp_path / "ran").exists()


def test_a_worker_loads_no_torch_before_a_model_does():
    code = "import sys, asr_cli.jobs.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
