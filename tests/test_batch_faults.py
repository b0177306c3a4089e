"""What befalls a batch at work: killed, stopped, out of room, its files taken away. The same command continues."""

import shutil
import signal
import subprocess
from contextlib import suppress
from subprocess import Popen

import psutil
import pytest

from tests.batches import PATIENCE, Runs, write_scp, write_wav

N = 12  # recordings
SECONDS = 12.0  # of one; two utterances
IN_HAND = 3  # utterances: a batch, and what was on its way to the disk
COST = 0.005  # s of work for a second of speech


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Recordings of two utterances each, and what an uninterrupted run makes of them."""
    folder = tmp_path_factory.mktemp("corpus")
    scp = write_scp(folder / "wav.scp", [(f"u{n}", write_wav(folder / f"{n}.wav", SECONDS, n)) for n in range(N)])
    whole = Runs(folder, scp, options=["-f", "srt,json"]).run()
    assert whole.code == 0
    return whole


@pytest.fixture
def runs(corpus, tmp_path):
    """The same command for another directory."""
    return Runs(tmp_path, corpus.arguments[0], options=["-f", "srt,json"])


def is_whole(runs, corpus):
    return (
        runs.code == 0
        and runs.files() == corpus.files()
        and sorted(path.name for path in runs.out.iterdir() if path.name.startswith(".")) == [".asr-batch.sqlite"]
    )


def workers(process):
    with suppress(psutil.Error):
        return [child for child in psutil.Process(process.pid).children() if "asr_cli.jobs.child" in child.cmdline()]
    return []


def gone(processes):
    return not psutil.wait_procs(processes, timeout=PATIENCE)[1]


def end_all(process):
    for child in workers(process):
        child.kill()
    process.kill()


def test_after_kill_minus_nine_the_same_command_continues(corpus, runs):
    """Its own process, then everything at once, then only its own again."""
    heard = []
    for n_heard, kill in ((2, Popen.kill), (6, end_all), (4, Popen.kill)):
        process = runs.begin(cost=COST)
        runs.wait_for(n_heard, process)
        children = workers(process)
        kill(process)
        runs.end(process)
        assert runs.code == -signal.SIGKILL and gone(children)
        heard += runs.heard
    heard += runs.run().heard
    assert is_whole(runs, corpus)
    assert set(heard) == set(corpus.heard)
    assert len(heard) <= len(corpus.heard) + 3 * IN_HAND  # nothing twice but what was in hand


def test_a_worker_that_is_killed_is_replaced(corpus, runs):
    process = runs.begin(cost=COST)
    runs.wait_for(3, process)
    [child] = workers(process)
    child.kill()
    assert is_whole(runs.end(process), corpus)
    assert "killed by SIGKILL" in runs.said


def test_a_signal_finishes_what_is_being_recognised(corpus, runs):
    heard = []
    for number in (signal.SIGINT, signal.SIGTERM):
        process = runs.begin(cost=COST)
        runs.wait_for(3, process)
        process.send_signal(number)
        runs.end(process)
        heard += runs.heard
        assert runs.code == 130 and "again: at once" in runs.said
        assert set(runs.statuses().values()) == {"done", "pending"}
    assert len(heard) < len(corpus.heard)
    heard += runs.run().heard
    assert is_whole(runs, corpus)
    assert sorted(heard) == sorted(corpus.heard)  # nothing twice


def test_two_signals_end_it_at_once(runs):
    process = runs.begin("--json", cost=100.0)  # a quarter of an hour each
    assert process.stderr.readline().startswith(b'{"event": "notice"')
    assert process.stderr.readline().startswith(b'{"event": "model"')
    children = workers(process)
    process.send_signal(signal.SIGINT)
    assert b"again: at once" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    runs.end(process, patience=5.0)
    assert runs.code == 130 and gone(children)


def test_the_second_run_says_that_there_is_a_first(runs):
    process = runs.begin("--json", cost=100.0)
    assert b"notice" in process.stderr.readline()
    second = Runs(runs.folder, options=[], log="second.log")
    second.arguments = runs.arguments
    assert second.run().code == 1 and "another asr batch is at work" in second.complaint
    assert process.poll() is None
    process.kill()
    runs.end(process)


def test_recordings_that_change_or_vanish_meanwhile_are_told_and_heard_once_they_are_back(tmp_path):
    first, last = write_wav(tmp_path / "first.wav", 40.0, 1), write_wav(tmp_path / "last.wav", 0.5, 2)
    doors = f"until test -e {tmp_path / 'open'}; do sleep 0.05; done; cat {last.with_name('away')} |"
    entries = [
        ("first", first),
        *((f"door{number}", doors) for number in range(psutil.cpu_count() + 4)),
        ("last", last),
    ]
    runs = Runs(tmp_path, write_scp(tmp_path / "wav.scp", entries), options=["--allow-scp-pipes", "-f", "srt"])
    process = runs.begin(cost=0.05)
    runs.wait_for(1, process)  # of the first; the last is not opened as long as the doors are closed
    write_wav(tmp_path / "new", SECONDS, 99).replace(first)
    last.rename(tmp_path / "away")
    (tmp_path / "open").touch()
    runs.end(process)
    codes = {key: record["code"] for key, record in runs.report().items() if record["status"] != "done"}
    assert (runs.code, codes) == (3, {"first": "E-CHANGED", "last": "E-NOT-FOUND"})
    assert {path.stem for path in runs.out.glob("*.srt")} == runs.statuses().keys() - codes.keys()
    (tmp_path / "away").rename(last)
    before = runs.best()
    runs.run("--retry-failed")
    assert (runs.code, len(runs.heard)) == (0, 3)
    assert set(before) < set(runs.best())


def test_a_directory_that_is_taken_away_ends_the_run(runs):
    process = runs.begin(cost=COST)
    runs.wait_for(2, process)
    shutil.rmtree(runs.out)
    runs.end(process)
    assert runs.code == 1 and "output directory" in runs.complaint


FULL = """
mount -t tmpfs -o size={size} none {folder} && trap 'umount {folder}' EXIT
"$@"; echo "exit $?"
mount -o remount,size=50m none {folder}
"$@"; echo "exit $?"
cp -r {folder}/. {copy}
"""


def test_a_full_disk_is_told_in_one_sentence_and_with_room_the_same_command_continues(corpus, runs):
    runs.out.mkdir()
    copy = runs.folder / "copy"
    script = FULL.format(size="120k", folder=runs.out, copy=copy)
    output = in_a_world_of_its_own(runs, script)
    first, _, second = output.partition("exit 1\n")
    assert "No space left" in first or "full" in first
    assert first.count("asr: ") == 1 and "the same command continues" in first
    assert second.endswith("exit 0\n")
    runs.out, runs.code = copy, 0
    assert is_whole(runs, corpus)


def test_a_directory_that_cannot_be_written_is_told_before_anything_is_done(runs):
    runs.out.mkdir()
    script = f'mount -o bind {runs.out} {runs.out} && mount -o remount,bind,ro {runs.out}; "$@"; echo "exit $?"'
    output = in_a_world_of_its_own(runs, script)
    assert output.startswith("asr: cannot write") and output.endswith("exit 1\n") and output.count("\n") == 2


def in_a_world_of_its_own(runs, script):
    """What a shell script says that may mount file systems; the command is its arguments."""
    under = ("unshare", "-rm", "sh", "-c", f"exec 2>&1; {script}", "sh")
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("nothing may be mounted here")
    process = runs.begin(under=under)
    output = process.communicate(timeout=PATIENCE)[0].decode()
    assert "bug" not in output and "Traceback" not in output, output
    return output


def test_what_is_in_the_way_of_a_result_fails_that_recording_by_its_name(corpus, runs):
    (runs.out / "u2.srt").mkdir(parents=True)
    runs.run()
    assert runs.code == 3 and [key for key, status in runs.statuses().items() if status == "failed"] == ["u2"]
    assert "'u2.srt'" in runs.report()["u2"]["error"]
    (runs.out / "u2.srt").rmdir()
    assert is_whole(runs.run("--retry-failed"), corpus)
    assert runs.heard == []  # its words were not lost


def test_a_command_that_says_nothing_does_not_hold_up_who_wants_to_stop(tmp_path):
    good = write_wav(tmp_path / "good.wav")
    scp = write_scp(tmp_path / "wav.scp", [("good", good), ("slow", f"head -c 6000 {good}; sleep 100 |")])
    runs = Runs(tmp_path, scp, options=["--allow-scp-pipes", "--json"])
    process = runs.begin()
    while b"file_done" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    runs.end(process, patience=20.0)
    assert (runs.code, runs.statuses()) == (130, {"good": "done", "slow": "pending"})
