"""What counts as done after an end in the middle, after other options, and after other recordings; and what is told."""

import json
import shutil
import signal
import statistics
from pathlib import Path

import pytest

from asr_cli.jobs import files
from tests.batches import Runs, write_scp, write_wav

SECONDS = 0.5


@pytest.fixture
def corpus(tmp_path):
    """Thirty short recordings, done once."""
    paths = [write_wav(tmp_path / "in" / f"{number:02}.wav", SECONDS, number) for number in range(30)]
    scp = write_scp(tmp_path / "wav.scp", [(f"u{number:02}", path) for number, path in enumerate(paths)])
    runs = Runs(tmp_path, scp, options=["--batch-seconds", "1", "--threads", "1"]).run()
    assert (runs.code, len(runs.heard)) == (0, 30)
    return runs


def interrupted(runs, *options, n_heard=4):
    process = runs.begin(*options, cost=0.3)
    runs.wait_for(n_heard, process)
    process.send_signal(signal.SIGINT)
    return runs.end(process)


@pytest.mark.parametrize("how", ["recordings", "options", "formats"])
def test_what_no_longer_counts_is_not_told_as_done(corpus, how):
    """Not in the report nor in the lists, whoever stopped the run before its turn came."""
    before = dict(corpus.best())
    if how == "recordings":
        for number in range(30):
            write_wav(corpus.folder / "in" / f"{number:02}.wav", SECONDS, 100 + number)
    options = {"recordings": [], "options": ["--end", "0.3"], "formats": ["-f", "srt"]}[how]
    interrupted(corpus, *options)
    statuses = corpus.statuses()
    n_done = list(statuses.values()).count("done")
    assert corpus.code == 130 and set(statuses.values()) == {"done", "pending"} and n_done <= len(corpus.heard) < 20
    assert [key for key, _ in corpus.best()] == [key for key, status in statuses.items() if status == "done"]
    if how != "formats":
        assert all(text != before[key] for key, text in corpus.best())
    assert all(Path(path).exists() for record in corpus.report().values() for path in record.get("outputs", ()))
    assert "again now: recording or options have changed" in corpus.said and "30 done before" in corpus.said
    corpus.run(*options)
    assert corpus.code == 0 and set(corpus.statuses().values()) == {"done"}


def test_a_failure_that_was_to_be_tried_again_and_was_not_is_still_told(corpus):
    for number in (0, 29):
        (corpus.folder / "in" / f"{number:02}.wav").write_text("no sound")
    assert corpus.run().code == 3
    for number in range(1, 29):
        write_wav(corpus.folder / "in" / f"{number:02}.wav", SECONDS, 100 + number)
    interrupted(corpus, "--retry-failed")
    assert corpus.statuses()["u29"] == "failed" and "pending" in corpus.statuses().values()


def test_fewer_formats_or_another_order_of_them_is_nothing_new(corpus):
    def n_heard(*options):
        return len(corpus.run(*options).heard)

    assert n_heard("-f", "srt,json") == 30
    assert n_heard("-f", "json,srt") == n_heard("-f", "json") == n_heard() == 0
    assert n_heard("-f", "srt,json", "--max-line-width", "20") == 30  # the style of subtitles
    assert n_heard("-f", "srt", "--max-line-width", "30") == 30
    assert n_heard("-f", "srt,json", "--max-line-width", "30") == 30  # whose json was of another style


@pytest.mark.parametrize("limit", ["-S -n 128", "-n 300"])
def test_no_recording_fails_for_lack_of_files(tmp_path, limit):
    """Where more may be had by asking, and where they may not."""
    paths = [write_wav(tmp_path / "in" / f"{number}.wav", 0.2, number) for number in range(150)]
    options = ["-f", "all", "--threads", "4", "--batch-seconds", "10"]
    runs = Runs(tmp_path, tmp_path / "in", options=options)
    runs.run(cost=0.05, under=("bash", "-c", f'ulimit {limit}; exec "$@"', "bash"))
    assert runs.code == 0 and len(runs.heard) == len(paths)


def test_the_rate_of_a_recording_is_that_of_the_work_on_it(tmp_path):
    """Not of the company it is in, and not less for what an earlier run did of it."""
    for number in range(20):
        write_wav(tmp_path / "in" / f"{number:02}.wav", 2.0, number)
    write_wav(tmp_path / "in" / "long.wav", 60.0, 99)
    runs = Runs(tmp_path, tmp_path / "in", options=["--batch-seconds", "10"])
    process = runs.begin(cost=0.1)
    runs.wait_for(22, process)
    process.send_signal(signal.SIGINT)
    assert runs.end(process).code == 130
    assert runs.run("--json", cost=0.1).code == 0
    rates = {key: float(rate) for key, rate in runs.best("rtf")}
    assert 0.095 <= statistics.median(rates.values()) < 0.2 and 0.095 <= rates["long"] < 0.2, rates
    assert runs.report()["long"]["rtfx"] == pytest.approx(1 / rates["long"], rel=0.02)
    assert runs.events[-1]["audio_s"] < 70  # of 100: what was heard now


def test_what_was_recognised_before_a_failure_counts_in_the_rate(tmp_path):
    runs = Runs(tmp_path, write_wav(tmp_path / "long.wav", 30.0), options=["-f", "srt"])
    (runs.out / "long.srt").mkdir(parents=True)
    assert runs.run(cost=0.1).code == 1
    (runs.out / "long.srt").rmdir()
    assert (runs.run("--retry-failed", "--json").code, runs.heard) == (0, [])
    assert 0.095 <= float(dict(runs.best("rtf"))["long"]) < 0.2
    assert runs.events[-1]["audio_s"] == 0  # now


def test_what_a_lost_worker_recognised_was_heard_in_this_run(tmp_path):
    paths = [write_wav(tmp_path / "a.wav", 30.0), write_wav(tmp_path / "b.wav", 20.0, poisoned=True)]
    runs = Runs(tmp_path, *paths, options=["--batch-seconds", "1", "--threads", "1", "--json"]).run(cost=0.02)
    assert (runs.code, runs.statuses()) == (3, {"a": "done", "b": "failed"})
    assert runs.events[-1]["audio_s"] == 30


def test_channels_of_a_recording_are_as_long_as_it_is(tmp_path):
    stereo = write_wav(tmp_path / "stereo.wav", 30.0, channels=2)
    runs = Runs(tmp_path, stereo, options=["--channels", "split", "--batch-seconds", "1", "--threads", "1"])
    process = runs.begin(cost=0.05)
    runs.wait_for(3, process)
    process.send_signal(signal.SIGINT)
    assert runs.end(process).code == 130
    n_before = len(runs.heard)
    share = len(runs.run("--json").heard) / (n_before + len(runs.heard))
    assert runs.code == 0 and runs.events[-1]["audio_s"] == pytest.approx(30 * share, rel=0.3)


def test_nothing_is_overwritten_before_it_is_its_turn(corpus):
    before = corpus.best()
    again = Runs(corpus.folder, corpus.folder / "wav.scp", corpus.folder / "none.wav", log="again.log")
    again.run("--overwrite", "--fail-fast")
    assert (again.code, again.heard, again.best()) == (3, [], before)
    assert "30 done before, and again now: --overwrite" in again.said
    assert interrupted(corpus, "--overwrite").code == 130
    assert list(corpus.statuses().values()).count("done") <= len(corpus.heard) < 20


@pytest.mark.parametrize("limit", [64, 256, 512, 1024, 1 << 20])
@pytest.mark.parametrize("threads", [1, 4, 64, 192])
def test_however_few_files_there_are_a_worker_reads_and_has_some_in_hand(monkeypatch, limit, threads):
    monkeypatch.setattr(files, "most_files", lambda: limit)
    n_reading, n_in_hand = files.most_in_hand(threads + 2, 7)
    assert 1 <= n_reading <= threads + 2 and n_in_hand >= 1
    if limit >= 512:
        assert n_in_hand >= min(threads, 16)
        assert n_reading * files.FOR_READING + n_in_hand * 9 + files.RESERVE <= limit


def test_the_first_failure_ends_the_run_also_where_nothing_needs_to_be_heard_to_know_it(tmp_path):
    inputs = [tmp_path / "none.wav", write_wav(tmp_path / "a.wav")]
    runs = Runs(tmp_path, *inputs).run("--fail-fast")
    assert (runs.code, runs.heard, runs.statuses()) == (3, [], {"none": "failed", "a": "pending"})


def test_warnings_and_failures_reach_whoever_listens(tmp_path):
    write_wav(tmp_path / "in" / "half.wav", 2.0)
    whole = (tmp_path / "in" / "half.wav").read_bytes()
    (tmp_path / "in" / "half.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "none.wav").write_text("no sound")
    runs = Runs(tmp_path, tmp_path / "in", options=["-f", "srt"]).run("--json")
    told = {event["file"]: event for event in runs.events if event["event"] == "file_done"}
    assert told["half"]["warnings"] == runs.report()["half"]["warnings"]
    assert told["half"]["outputs"] == [str(runs.out / "half.srt")] and "outputs" not in told["none"]
    assert "1 with warnings" in runs.run("--overwrite").said
    assert runs.run("--quiet").said.startswith("asr: none: ") and runs.said.count("\n") == 1


def test_after_a_signal_nothing_more_is_begun(tmp_path):
    for number in range(60):
        write_wav(tmp_path / "in" / f"{number:02}.wav", SECONDS, number)
    runs = Runs(tmp_path, tmp_path / "in", options=["--batch-seconds", "1", "--threads", "8", "--json"])
    process = runs.begin(cost=0.4)
    runs.wait_for(3, process)
    process.send_signal(signal.SIGINT)
    n_heard = len(runs.log.read_text().split())
    runs.end(process)
    assert runs.code == 130
    assert len(runs.heard) <= n_heard + 4  # the batch in hand, and one that was through before we looked
    ended = [event["status"] for event in runs.events if event["event"] == "file_done"]
    assert ended.count("done") == runs.events[-1]["done"] <= len(runs.heard)


def test_a_recording_that_was_put_back_is_heard_without_being_asked_for(tmp_path):
    long = write_wav(tmp_path / "long.wav", 30.0)
    runs = Runs(tmp_path, long)
    process = runs.begin(cost=0.02)
    runs.wait_for(1, process)
    long.rename(tmp_path / "away")
    assert runs.end(process).code == 1 and runs.report()["long"]["code"] == "E-CHANGED"
    shutil.move(tmp_path / "away", long)
    assert "the same command hears it again" in json.dumps(runs.report())
    assert (runs.run().code, runs.statuses()) == (0, {"long": "done"})
