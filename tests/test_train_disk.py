"""A disk that is full, or that says no for another reason, while a run is under way."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from asr_cli.errors import OutputError
from asr_cli.train import events
from asr_cli.train.board import shown_on_board
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.loop import train
from tests.tools.tones import write_corpus, write_recipe

resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")


@contextmanager
def no_file_longer_than(n_bytes):
    """The system refuses to write more into any file."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@pytest.fixture
def asked(tmp_path):
    data = write_corpus(tmp_path / "data")
    recipe = read_recipe(str(write_recipe(tmp_path / "r.yaml", max_steps=9, validate_every=6, save_every=3)))
    return Run(recipe=recipe, data=(str(data),), valid=(str(data / "list.jsonl"),), out=tmp_path / "run", device="cpu")


def steps(out):
    records = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [{name: value for name, value in one.items() if name != "elapsed"} for one in records]


def up_to(going, kind, step=0):
    next(one for one in going if isinstance(one, kind) and one.step >= step)


def fails(going, limit):
    """What is said of it."""
    with no_file_longer_than(limit), pytest.raises(OutputError) as caught:
        list(going)
    return str(caught.value)


GOES_ON = "(File too large); the state saved before is whole: make room, and the same command goes on from it"
ANEW = "(File too large); no state was saved before: make room, and the same command begins again"


@pytest.mark.parametrize(
    ("name", "kind", "step"),
    [("train.jsonl", events.Saved, 3), ("best/step-00000006.pt", events.Stepped, 5), ("state.pt", events.Validated, 6),
     ("state.pt", events.Stepped, 1)],
)  # fmt: skip
def test_what_cannot_be_written_ends_the_run_and_the_same_command_goes_on(asked, name, kind, step):
    going = train(asked)
    up_to(going, kind, step)
    log, out = asked.out / "train.jsonl", asked.out
    limit = log.stat().st_size + 9 if name == log.name else 50_000
    is_saved = step > 1
    assert fails(going, limit) == f"cannot write {str(out / name)!r} {GOES_ON if is_saved else ANEW}"
    assert not list(out.rglob("*.part"))
    told = list(train(asked))
    assert told[0].step == (3 if is_saved else 0) and told[-1].step == 9
    assert [one["step"] for one in steps(out) if "loss" in one] == list(range(1, 10))


def test_a_run_that_had_no_room_for_a_moment_is_the_run_that_had(asked, tmp_path):
    whole = replace(asked, out=tmp_path / "whole")
    list(train(whole))
    for n_events, n_bytes in ((3, 400), (2, 700), (6, 50_000)):
        going = train(asked)
        assert len(list(islice(going, n_events))) == n_events
        fails(going, n_bytes)
    list(train(asked))
    assert steps(asked.out) == steps(whole.out)


def test_what_is_left_out_is_told_whole_or_not_at_all(asked, tmp_path):
    going = train(asked)
    up_to(going, events.Saved)
    data, away = tmp_path / "data", tmp_path / "away"
    shutil.copytree(data, away)
    for path in data.glob("*.wav"):
        path.unlink()
    skipped = asked.out / "skipped.jsonl"
    assert fails(going, 10) == f"cannot write {str(skipped)!r} {GOES_ON}"
    assert skipped.read_bytes() == b""
    (away / "u1.wav").unlink()
    shutil.copytree(away, data, dirs_exist_ok=True)
    assert list(train(asked))[-1].step == 9
    assert [json.loads(line)["key"] for line in skipped.read_text().splitlines()] == ["u1"]


def test_curves_that_cannot_be_drawn_end_the_run_as_the_log_would(asked, capfd):
    up_to(train(asked), events.Saved)
    said = fails(shown_on_board(train(asked), asked.out), 10)
    [path] = (asked.out / "tensorboard").iterdir()
    assert said == f"cannot write {str(path)!r} {GOES_ON}"
    assert capfd.readouterr().err == ""
    assert list(shown_on_board(train(asked), asked.out))[-1].step == 9


def test_a_model_that_cannot_be_written_is_written_by_the_same_command(asked):
    going = train(asked)
    up_to(going, events.Saved, 9)
    with no_file_longer_than(10), pytest.raises(OutputError, match=r"model.*saved, and the same command writes it"):
        list(going)
    assert [type(one) for one in train(asked)] == [events.Started, events.Finished]
    assert (asked.out / "model" / "model.pt").is_file()


def test_a_log_in_whose_place_something_else_is_is_told(asked):
    up_to(train(asked), events.Saved)
    (asked.out / "train.jsonl").unlink()
    (asked.out / "train.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"train.jsonl' \(Is a directory\).*is whole: see to that, and the same"):
        list(train(asked))


def test_what_is_drawn_again_is_shown_once(asked):
    """As TensorBoard reads it."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    going = shown_on_board(train(asked), asked.out)
    up_to(going, events.Stepped, 5)
    going.close()
    list(shown_on_board(train(asked), asked.out))
    found = accumulator.EventAccumulator(str(asked.out / "tensorboard")).Reload()
    assert [one.step for one in found.Scalars("train/loss")] == list(range(1, 10))
    losses = [one["loss"] for one in steps(asked.out) if "loss" in one]
    assert [one.value for one in found.Scalars("train/loss")] == pytest.approx(losses)
    assert [one.step for one in found.Scalars("valid/WER")] == [6, 9]


@pytest.fixture
def small_disk(tmp_path):
    """20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


@pytest.mark.parametrize("devices", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_full_disk_is_a_sentence_and_no_bug(small_disk, tmp_path, devices):
    data, out = write_corpus(tmp_path / "data"), small_disk / "run"
    recipe = write_recipe(tmp_path / "r.yaml", max_steps=300, validate_every=300, save_every=5)
    line = [sys.executable, "-m", "asr", "train", str(recipe), "--data", str(data), "--valid", str(data), "-o",
            str(out), "--device", "cpu", "--devices", devices]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    while not (out / "state.pt").is_file():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    filler = fill(small_disk)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    errors = sorted(one for one in said.splitlines() if one.startswith("asr:"))
    others = ["asr: another process of this run has ended, and says why; the same command goes on  [E-FAILED]"]
    assert "(No space left on device); the state saved before is whole: make room" in errors[-1], said
    assert errors[:-1] == (others if devices == "2" else []) and "Traceback" not in said
    filler.unlink()
    done = subprocess.run([*line, "--set", "max_steps=12"], env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "going on after step" in done.stderr
