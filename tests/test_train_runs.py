"""Whole runs, most of them as a process of their own."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml

from asr_cli import checkpoint
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.errors import AsrError, DependencyError, InputError, ModelError, OutputError, UsageError
from asr_cli.models.paraformer_folder import read_folder
from asr_cli.train import events
from asr_cli.train.config import RECIPES, AugmentConfig, Run, SpecConfig, TrainConfig, VocabularyConfig, read_recipe
from asr_cli.train.lock import alone_in
from asr_cli.train.loop import Trainer, train
from tests.tools.tones import WORDS, recipe, write_corpus, write_recipe

FABRIC = "ignore:.*:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(FABRIC, "ignore::UserWarning:lightning_fabric")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones") / "data")


def run(corpus, out, *changes, path=None, init=None, **settings):
    where = path or write_recipe(out.with_name(f"{out.name}.yaml"), **settings)
    return Run(
        recipe=read_recipe(str(where), changes), data=(str(corpus),), valid=(str(corpus / "list.jsonl"),), out=out,
        init=init, device="cpu",
    )  # fmt: skip


def steps(out):
    """The log without what the clock says."""
    records = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [{name: value for name, value in one.items() if name != "elapsed"} for one in records]


def command(corpus, out, recipe_path, *more):
    return [
        sys.executable, "-m", "asr", "train", str(recipe_path), "--data", str(corpus), "--valid", str(corpus),
        "-o", str(out), "--device", "cpu", *more,
    ]  # fmt: skip


def asr(*args, **env):
    return subprocess.run(args, capture_output=True, text=True, timeout=120, env=os.environ | one_thread() | env)


def one_thread():
    return {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def learned(corpus, tmp_path_factory):
    """A run that has learned its eight utterances."""
    out = tmp_path_factory.mktemp("learned") / "run"
    told = list(train(run(corpus, out, max_steps=100, validate_every=50, save_every=50)))
    return out, told


def test_a_few_words_are_learned_without_a_mistake_in_seconds(learned):
    out, told = learned
    finished = told[-1]
    assert isinstance(finished, events.Finished)
    assert (finished.why, finished.rate, finished.metric, finished.step) == ("steps", 0.0, "WER", 100)
    assert finished.model == out / "model"
    kinds = [type(one).__name__ for one in told]
    assert kinds[0] == "Started" and kinds.count("Stepped") == 100 and kinds.count("Validated") == 2
    assert told[0].n_utterances == 8 and told[0].n_tokens == 12


def test_what_was_learned_transcribes(learned, corpus):
    done = asr(
        sys.executable, "-m", "asr", "transcribe", "--model", str(learned[0] / "model"), "--device", "cpu", "--no-vad",
        str(corpus / "u1.wav"),
    )  # fmt: skip
    said = dict(line.split(maxsplit=1) for line in (corpus / "text").read_text().splitlines())["u1"]
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().replace(".", "").split() == said.split()


def test_a_model_is_a_folder_as_funasr_has_them(learned):
    folder = learned[0] / "model"
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "model.pt", "model.safetensors", "tokens.json", "am.mvn"} <= names
    assert "encoder.encoders0.0.self_attn.linear_q_k_v.weight" in checkpoint.read(folder / "model.pt")
    assert "train" not in yaml.safe_load((folder / "config.yaml").read_text())
    assert list(read_folder(folder).vocabulary.tokens)[:3] == ["<blank>", "<s>", "</s>"]


def test_a_run_that_is_over_is_over(learned, corpus):
    out, _ = learned
    before = steps(out)
    again = list(train(run(corpus, out, path=out.with_name("run.yaml"))))
    assert [type(one).__name__ for one in again] == ["Started", "Finished"]
    assert again[-1].rate == 0.0 and steps(out) == before


def test_a_run_that_is_over_goes_on_to_a_later_end(learned, corpus, tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    list(train(run(corpus, short, max_steps=7)))
    list(train(run(corpus, short, max_steps=12)))
    list(train(run(corpus, long, max_steps=12)))
    ours, theirs = ([one for one in steps(out) if "loss" in one] for out in (short, long))
    assert ours == theirs and len(ours) == 12


def test_curves_are_drawn_for_tensorboard(corpus, tmp_path):
    from asr_cli.train.board import shown_on_board

    list(shown_on_board(train(run(corpus, tmp_path / "run", max_steps=2)), tmp_path / "run"))
    [path] = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"train/loss" in path.read_bytes() and b"valid/WER" in path.read_bytes()


def test_the_curves_of_a_run_that_broke_are_drawn_to_the_end(corpus, tmp_path, monkeypatch):
    from asr_cli.train.board import shown_on_board

    def broken(self):
        raise OutputError("no room")

    monkeypatch.setattr(Trainer, "save", broken)
    with pytest.raises(OutputError):
        for _ in shown_on_board(train(run(corpus, tmp_path / "run", max_steps=2)), tmp_path / "run"):
            pass
    [path] = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"valid/WER" in path.read_bytes()


def write_restless(path, **settings):
    """A recipe with all that chance does: speed, masks, dropout, the sampler."""
    found = recipe()
    found["model_conf"]["sampling_ratio"] = 0.5
    found["encoder_conf"]["dropout_rate"] = 0.1
    found["train"] |= {"max_steps": 24, "save_every": 3, "augment": {}, **settings}
    path.write_text(yaml.safe_dump(found))
    return path


def same_models(left, right):
    weights = [checkpoint.read(out / "model" / "model.pt") for out in (left, right)]
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_is_killed_again_and_again_is_the_run_that_was_not(corpus, tmp_path, monkeypatch):
    # Sums round differently in another number of threads, which other tests may have left behind.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    path = write_restless(tmp_path / "recipe.yaml", workers=1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    list(train(run(corpus, whole, path=path)))
    settings = run(corpus, killed, path=path)
    for n_lines in (2, 15):
        kill_after(settings, path, n_lines)
    list(train(settings))
    assert steps(killed) == steps(whole)
    assert same_models(killed, whole)


@pytest.mark.parametrize("settings", [{"ema": 0.9}, {"accumulate": 2, "patience": 2, "schedule": "constant"}])
def test_a_run_that_is_left_after_any_step_goes_on_as_if_it_had_not(corpus, tmp_path, settings):
    path = write_restless(tmp_path / "recipe.yaml", validate_every=5, **settings)
    whole, left = tmp_path / "whole", tmp_path / "left"
    list(train(run(corpus, whole, path=path)))
    for n_events in (3, 1, 8, 12, 9):
        going = train(run(corpus, left, path=path))
        for _ in range(n_events):
            next(going)
        going.close()
    list(train(run(corpus, left, path=path)))
    assert steps(left) == steps(whole)
    assert same_models(left, whole)


def kill_after(settings, path, n_lines):
    """kill -9 as soon as the log has so many lines."""
    line = [*command(Path(settings.data[0]), settings.out, path), "--quiet"]
    line[line.index("--valid") + 1] = settings.valid[0]
    process = subprocess.Popen(line, env=os.environ | one_thread(), stderr=subprocess.PIPE)
    log, begun = settings.out / "train.jsonl", time.monotonic()
    while process.poll() is None and not (log.is_file() and log.read_text().count("\n") >= n_lines):
        assert time.monotonic() - begun < 60
        time.sleep(0.005)
    assert process.poll() is None, process.stderr.read()
    process.kill()
    process.communicate()


def test_two_processes_learn_what_one_does(corpus, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    path = write_recipe(tmp_path / "recipe.yaml", max_steps=6, validate_every=6)
    list(train(run(corpus, one, "accumulate=2", path=path)))
    done = asr(*command(corpus, two, path, "--devices", "2"))
    assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stderr and done.stderr.count("utterances") == 1
    ours, theirs = steps(one), steps(two)
    assert [one["step"] for one in ours] == [one["step"] for one in theirs]
    for left, right in zip(ours, theirs, strict=True):
        assert left == pytest.approx(right, rel=1e-5)


def test_who_is_asked_to_stop_saves_and_says_how_to_go_on(corpus, tmp_path):
    corpus = as_flac(corpus, tmp_path / "data")
    slow = tmp_path / "ffmpeg"  # so slow that the process is asked while it reads a recording
    slow.write_text(f'#!/bin/sh\nsleep 0.1\nexec {find_ffmpeg()} "$@"\n')
    slow.chmod(0o755)
    env = os.environ | one_thread() | {"ASR_FFMPEG": str(slow)}
    path = write_recipe(tmp_path / "recipe.yaml", max_steps=100_000, validate_every=100_000, save_every=100_000)
    out = tmp_path / "run"
    process = subprocess.Popen(command(corpus, out, path), env=env, stderr=subprocess.PIPE, text=True)
    while not ((out / "train.jsonl").is_file() and len((out / "train.jsonl").read_text().splitlines()) > 2):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    n_steps = len((out / "train.jsonl").read_text().splitlines())
    stop = threading.Event()
    stop.set()
    again = list(train(dataclasses.replace(run(corpus, out, path=path), valid=(str(corpus),)), stop=stop))
    assert again[0].step == n_steps and again[-1].step == n_steps + 1
    assert again[-1].why == "stopped" and again[-1].model is None


def as_flac(corpus, folder):
    """The same corpus in a format that is read through ffmpeg."""
    folder.mkdir()
    for path in corpus.glob("*.wav"):
        subprocess.run([find_ffmpeg(), "-v", "error", "-i", path, folder / f"{path.stem}.flac"], check=True)
    (folder / "wav.scp").write_text((corpus / "wav.scp").read_text().replace(".wav", ".flac"))
    shutil.copy(corpus / "text", folder)
    return folder


def test_other_settings_are_another_run(corpus, tmp_path):
    out = tmp_path / "run"
    list(train(run(corpus, out, max_steps=1)))
    with pytest.raises(UsageError, match=r"train.lr 0.004, now 0.1"):
        list(train(run(corpus, out, max_steps=1, lr=0.1)))
    anew = dataclasses.replace(run(corpus, out, max_steps=1, lr=0.1), overwrite=True)
    assert list(train(anew))[-1].step == 1
    assert len(steps(out)) == 2


def test_a_run_goes_on_that_was_begun_before_there_was_a_setting(corpus, tmp_path):
    out = tmp_path / "run"
    list(train(run(corpus, out, max_steps=1)))
    asked = json.loads((out / "run.json").read_text())
    del asked["train"]["batch_words"], asked["train"]["augment"]["reverb"]
    (out / "run.json").write_text(json.dumps(asked))
    assert next(iter(train(run(corpus, out, max_steps=2)))).step == 1
    with pytest.raises(UsageError, match=r"train.batch_words 2400, now 100"):
        list(train(run(corpus, out, max_steps=2, batch_words=100)))


def test_a_folder_with_something_else_in_it_is_left_alone(corpus, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="something else"):
            list(train(dataclasses.replace(run(corpus, tmp_path), overwrite=overwrite)))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_unusable_utterances_are_listed_and_the_others_learned_from(corpus, tmp_path):
    data = write_corpus(tmp_path / "data")
    (data / "u1.wav").unlink()
    (data / "u2.wav").write_bytes(b"RIFF" + b"no sound" * 100)
    text = (data / "text").read_text().splitlines()
    text[3] = "u3"
    text[4] = "u4 " + "ba " * 60
    (data / "text").write_text("\n".join(text) + "\n")
    found = Run(
        recipe=read_recipe(str(write_recipe(tmp_path / "r.yaml", max_steps=2))), data=(str(data),),
        valid=(str(data),), out=tmp_path / "run", device="cpu",
    )  # fmt: skip
    told = list(train(found))
    assert told[0].n_utterances == 4 and told[0].n_skipped == 4
    whys = {
        one["key"]: one["why"] for one in map(json.loads, (tmp_path / "run/skipped.jsonl").read_text().splitlines())
    }
    assert "not found" in whys["u1"] and "cannot be read" in whys["u2"]
    assert "empty" in whys["u3"] and "60" in whys["u4"]


def test_a_recording_that_breaks_on_the_way_is_left_out(corpus, tmp_path, caplog):
    data = write_corpus(tmp_path / "data")
    found = dataclasses.replace(run(corpus, tmp_path / "run", max_steps=8), data=(str(data),))
    going = train(found)
    assert isinstance(next(going), events.Started)
    (data / "u1.wav").unlink()
    told = list(going)
    assert told[-1].step == 8
    assert [one for one in caplog.messages if "u1 is left out" in one]
    assert [json.loads(line)["key"] for line in (tmp_path / "run/skipped.jsonl").read_text().splitlines()] == ["u1"]


def declared(folder, broken):
    """A list that says how long its recordings are, so that nobody looks; some of them are none."""
    data = write_corpus(folder)
    lines = []
    for n, line in enumerate((data / "list.jsonl").read_text().splitlines()):
        lines.append(json.dumps(json.loads(line) | {"duration": 1.2}) + "\n")
        if n in broken:
            (data / f"u{n}.wav").write_bytes(b"no sound")
    (data / "list.jsonl").write_text("".join(lines))
    return data / "list.jsonl"


def test_what_is_validated_with_and_cannot_be_read_is_told(corpus, tmp_path, caplog):
    out = tmp_path / "run"
    valid = declared(tmp_path / "some", {1, 4})
    list(train(dataclasses.replace(run(corpus, out, max_steps=1), valid=(str(valid),))))  # the longest first
    assert [json.loads(line)["key"] for line in (out / "skipped.jsonl").read_text().splitlines()] == ["u4", "u1"]
    assert [one for one in caplog.messages if "u4 is left out" in one]
    none = declared(tmp_path / "none", set(range(8)))
    with pytest.raises(InputError, match="nothing of what is validated with can be read"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "anew", max_steps=1), valid=(str(none),))))


def test_where_memory_does_not_suffice_it_is_said_what_needs_less(corpus, tmp_path, monkeypatch):
    from asr_cli.train.tasks import paraformer

    def too_much(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(paraformer, "smoothed_cross_entropy", too_much)
    with pytest.raises(AsrError, match=r"memory does not suffice for a batch.*train\.batch_seconds"):
        list(train(run(corpus, tmp_path / "run", max_steps=1)))


def test_data_of_which_most_is_unusable_is_refused(corpus, tmp_path):
    data = write_corpus(tmp_path / "data")
    for n in range(7):
        (data / f"u{n}.wav").unlink()
    found = dataclasses.replace(run(corpus, tmp_path / "run"), data=(str(data),), valid=(str(data),))
    with pytest.raises(UsageError, match=r"14 of 16 utterances cannot be used, such as 'u0'"):
        list(train(found))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"skipped.jsonl"}


def test_symbols_outside_a_checkpoints_vocabulary_are_told(learned, corpus, tmp_path):
    data = write_corpus(tmp_path / "data")
    text = (data / "text").read_text().replace("u5 ", "u5 xylophone ")
    (data / "text").write_text(text)
    only_train = tmp_path / "train.yaml"
    only_train.write_text(yaml.safe_dump({"train": recipe()["train"] | {"max_steps": 1}}))
    found = dataclasses.replace(
        run(corpus, tmp_path / "run", path=only_train, init=learned[0] / "model"), data=(str(data),)
    )
    list(train(found))
    [skipped] = map(json.loads, (tmp_path / "run/skipped.jsonl").read_text().splitlines())
    assert skipped["key"] == "u5" and "'xylophone'" in skipped["why"]


def test_fine_tuning_begins_where_the_checkpoint_is(learned, corpus, tmp_path):
    only_train = tmp_path / "train.yaml"
    only_train.write_text(yaml.safe_dump({"train": recipe()["train"] | {"max_steps": 3, "lr": 1e-6}}))
    model = learned[0] / "model"
    found = dataclasses.replace(run(corpus, tmp_path / "run", path=only_train, init=model), freeze=("encoder",))
    told = list(train(found))
    assert told[-1].rate == 0.0
    before, after = (checkpoint.read(folder / "model.pt") for folder in (model, tmp_path / "run" / "model"))
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "decoder" in moved and "encoder" not in moved
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)


def test_how_a_checkpoint_spells_its_hotwords_is_kept(learned, corpus, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(learned[0] / "model", model)
    assert (model / "seg_dict").read_text().splitlines() == [f"{word} {word}" for word in sorted(WORDS)]
    with (model / "seg_dict").open("a") as file:
        file.write("zebra ba bo\n")
    list(train(run(corpus, tmp_path / "run", init=model, max_steps=1)))
    assert (tmp_path / "run/model/seg_dict").read_text().splitlines()[-1] == "zebra ba bo"


def test_a_checkpoint_with_settings_that_make_no_sense_is_named_itself(learned, corpus, tmp_path):
    """And not a recipe that says nothing of the model, nor the command line."""
    model = tmp_path / "model"
    shutil.copytree(learned[0] / "model", model)
    settings = yaml.safe_load((model / "config.yaml").read_text())
    settings["model_conf"]["lsm_weight"] = 2.0
    (model / "config.yaml").write_text(yaml.safe_dump(settings))
    asked = Run(recipe=read_recipe(None, ["max_steps=1"]), data=(str(corpus),), valid=(str(corpus),),
                out=tmp_path / "run", init=model, device="cpu")  # fmt: skip
    with pytest.raises(ModelError, match=f"'{model}' has lsm_weight 2.0"):
        list(train(asked))


def test_a_checkpoint_of_another_architecture_is_refused(learned, corpus, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(ModelError, match="other weights than its configuration"):
        list(train(run(corpus, out, "encoder_conf.num_blocks=3", init=learned[0] / "model")))
    assert not out.exists() or not any(out.iterdir())


def test_a_part_that_is_not_there_cannot_be_frozen(corpus, tmp_path):
    with pytest.raises(UsageError, match="it has encoder, predictor"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), freeze=("encodr",))))
    with pytest.raises(UsageError, match="nothing to train"):
        parts = "encoder", "predictor", "embed", "decoder", "output"
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), freeze=parts)))


def test_steps_whose_gradients_are_no_numbers_are_left_out_and_many_of_them_end_the_run(corpus, tmp_path, monkeypatch):
    from asr_cli.train.tasks import paraformer

    right = paraformer.smoothed_cross_entropy
    broken = {2, 5, 6, 7}
    calls = iter(range(1, 100))

    def sometimes(*args):
        return right(*args) * (torch.nan if next(calls) in broken else 1.0)

    monkeypatch.setattr(paraformer, "smoothed_cross_entropy", sometimes)
    told = []
    with pytest.raises(AsrError, match="3 steps in a row were no numbers, the last ones on u"):
        told.extend(train(run(corpus, tmp_path / "run", max_steps=9, longest_streak=3, save_every=1)))
    assert [one.step for one in told if isinstance(one, events.Stepped) and one.is_skipped] == [2, 5, 6]
    saved = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert saved["progress"]["step"] == 6
    assert all(tensor.isfinite().all() for tensor in saved["net"].values())


def test_a_run_that_never_got_to_its_first_state_may_be_told_something_else(corpus, tmp_path):
    going = train(run(corpus, tmp_path / "run", max_steps=5))
    next(going)
    next(going)
    going.close()
    assert list(train(run(corpus, tmp_path / "run", max_steps=1, lr=0.1)))[-1].step == 1


def test_every_setting_is_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "train.md").read_text(encoding="utf-8")
    kinds = TrainConfig, AugmentConfig, SpecConfig, VocabularyConfig
    for one in (one for kind in kinds for one in dataclasses.fields(kind)):
        assert f"{one.name}`" in text, one.name
        if isinstance(one.default, int | float) and not isinstance(one.default, bool):
            assert f"{one.name}` {one.default:g}" in text, one.name
    for path in RECIPES.iterdir():
        assert f"`{path.name.removesuffix('.yaml')}`" in text


def test_packages_that_are_missing_are_named(corpus, tmp_path, monkeypatch):
    from asr_cli.train import devices

    monkeypatch.setattr(devices, "find_spec", lambda name: None if name == "soxr" else name)
    with pytest.raises(DependencyError, match=r"training needs soxr; pip install 'asr-cli\[train\]'"):
        list(train(run(corpus, tmp_path / "run")))


def test_two_runs_do_not_share_a_folder(corpus, tmp_path):
    found = run(corpus, tmp_path / "run", max_steps=3)
    going = train(found)
    next(going)
    for other in (found, dataclasses.replace(found, overwrite=True)):
        with pytest.raises(UsageError, match="another asr train is at work"):
            next(train(other))
    assert list(going)[-1].step == 3
    assert list(train(found))[-1].step == 3


def test_a_folder_that_cannot_be_locked_is_no_other_run(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(OutputError, match="cannot write"), alone_in(tmp_path):
        pass


def test_machines_that_cannot_find_each_other_do_not_wait_for_ever(corpus, tmp_path, monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(UsageError, match="MASTER_ADDR, MASTER_PORT and NODE_RANK"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), nodes=2)))


def test_processes_of_torchrun_that_would_each_train_alone_are_refused(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun started 2 processes, and --devices 1"):
        list(train(run(corpus, tmp_path / "run")))


def test_a_device_that_is_none_is_refused_before_anything_is_done(corpus, tmp_path):
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), device="cuda:1")))
    with pytest.raises(UsageError, match="needs a GPU"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), precision="float16")))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_in_fewer_bits_are_nearly_the_same(corpus, tmp_path, precision):
    out = tmp_path / precision
    list(train(dataclasses.replace(run(corpus, out, max_steps=1), precision=precision)))
    list(train(run(corpus, tmp_path / "exact", max_steps=1)))
    ours, exact = steps(out)[0]["loss"], steps(tmp_path / "exact")[0]["loss"]
    assert ours == pytest.approx(exact, rel=0.02)
    assert (ours == exact) == (precision == "float32")


def test_what_a_run_needs_is_asked_for():
    done = asr(sys.executable, "-m", "asr", "train", "paraformer-tiny")
    assert done.returncode == 2 and "asr train needs --data" in done.stderr


def test_every_recipe_that_comes_with_the_program_can_be_built(corpus, tmp_path):
    from asr_cli.features.cmvn import Cmvn
    from asr_cli.text.vocabulary import Vocabulary
    from asr_cli.train.task import find_builder

    for path in RECIPES.iterdir():
        found = read_recipe(path.name.removesuffix(".yaml"))
        if found.architecture["model"] in ("FsmnVADStreaming", "CTTransformer", "Whisper"):
            continue  # from which their own tests begin
        conf = found.architecture["frontend_conf"]
        n = conf["n_mels"] * conf["lfr_m"]
        vocabulary = Vocabulary(["<blank>", "<s>", "</s>", "a", "<unk>"])
        build = find_builder(found.architecture, found.path)
        task = build(found.architecture, found.path, vocabulary, Cmvn(torch.zeros(n), torch.ones(n)), None)
        assert task.refusal(1000, [3]) is None


def test_somebodys_folder_with_a_file_that_is_called_as_a_runs_is_left_alone(corpus, tmp_path):
    out = tmp_path / "theirs"
    out.mkdir()
    (out / "results.csv").write_text("years of work")
    for text in ('{"train": true}', "[1]", "no JSON", json.dumps({"model": "ours", "data": []})):
        (out / "run.json").write_text(text)
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=r"something else than a training run \(results.csv, run.json\)"):
                list(train(dataclasses.replace(run(corpus, out), overwrite=overwrite)))
        assert (out / "run.json").read_text() == text and len(list(out.iterdir())) == 2


def test_who_begins_anew_loses_nothing_but_the_run(corpus, tmp_path):
    out = tmp_path / "run"
    list(train(run(corpus, out, max_steps=2)))
    (out / "notes.txt").write_text("mine")
    (out / "tensorboard").mkdir()
    told = list(train(dataclasses.replace(run(corpus, out, max_steps=1), overwrite=True)))
    assert told[0].step == 0 and told[-1].step == 1
    assert (out / "notes.txt").read_text() == "mine" and not (out / "tensorboard").exists()
    assert not (out / ".beginning").exists()


def test_a_run_that_was_killed_as_it_took_its_place_is_begun_anew(corpus, tmp_path, monkeypatch):
    from asr_cli.train import run_folder

    out = tmp_path / "run"
    list(train(run(corpus, out, max_steps=2)))
    removed = []

    def killed(path):
        if len(removed) == 4:
            raise SystemExit
        removed.append(path)
        remove(path)

    remove = run_folder.remove
    monkeypatch.setattr(run_folder, "remove", killed)
    with pytest.raises(SystemExit):
        list(train(dataclasses.replace(run(corpus, out, max_steps=2), overwrite=True)))
    monkeypatch.undo()
    assert (out / "state.pt").is_file() and not (out / "config.yaml").exists()
    assert next(iter(train(run(corpus, out, max_steps=2)))).step == 0


def test_somebodys_configuration_is_not_written_over(corpus, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.yaml").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        list(train(run(corpus, tmp_path / "theirs")))
    assert (tmp_path / "theirs" / "config.yaml").read_text() == "mine"


def contents(out):
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_run_is_not_lost_to_one_that_cannot_begin(corpus, tmp_path):
    out = tmp_path / "run"
    list(train(run(corpus, out, max_steps=1)))
    before = contents(out)
    anew = dataclasses.replace(run(corpus, out, max_steps=1), overwrite=True)
    missing = write_corpus(tmp_path / "missing")
    for path in missing.glob("*.wav"):
        path.unlink()
    with pytest.raises(AsrError, match="nosuch"):
        list(train(dataclasses.replace(anew, data=("nosuch",))))
    with pytest.raises(UsageError, match="which would be begun anew"):
        list(train(dataclasses.replace(anew, init=out / "model")))
    assert contents(out) == before
    with pytest.raises(UsageError, match=r"nothing to train on.*not found.*skipped-anew.jsonl"):
        list(train(dataclasses.replace(anew, data=(str(missing),))))
    left = contents(out)
    assert left.pop(out / "skipped-anew.jsonl").count(b"not found") == 8 and left == before


def test_data_without_recordings_is_told_as_that(corpus, tmp_path):
    data = write_corpus(tmp_path / "data")
    for path in data.glob("*.wav"):
        path.unlink()
    with pytest.raises(UsageError, match="nothing to train on"):
        list(train(dataclasses.replace(run(corpus, tmp_path / "run"), data=(str(data),))))
    assert (tmp_path / "run/skipped.jsonl").read_text().count("not found") == 8


def test_a_run_that_was_stopped_before_it_was_measured_can_end_there(corpus, tmp_path):
    stop = threading.Event()
    stop.set()
    out = tmp_path / "run"
    assert list(train(run(corpus, out, max_steps=1), stop=stop))[-1].why == "stopped"
    told = list(train(run(corpus, out, max_steps=1)))
    assert [type(one).__name__ for one in told] == ["Started", "Validated", "Saved", "Finished"]
    assert told[-1].rate == told[1].rate and (out / "model/model.pt").is_file()
    assert [type(one).__name__ for one in train(run(corpus, out, max_steps=1))] == ["Started", "Finished"]


def test_what_was_learned_last_is_measured_too_when_a_run_ends_where_it_was_stopped(corpus, tmp_path):
    out, stop = tmp_path / "run", threading.Event()
    asked = run(corpus, out, max_steps=3, validate_every=2)
    for event in train(asked, stop=stop):
        if isinstance(event, events.Validated):
            stop.set()  # heard after the step that would have been the last
    assert event.step == 3 and event.why == "stopped"
    told = list(train(asked))
    assert [type(one).__name__ for one in told] == ["Started", "Validated", "Saved", "Finished"] and told[1].step == 3
    assert [type(one).__name__ for one in train(asked)] == ["Started", "Finished"]


def test_what_two_processes_do_is_ended_by_one_clock(corpus, tmp_path):
    path = write_recipe(tmp_path / "recipe.yaml", max_steps=100_000, max_hours=0.001, validate_every=100_000)
    done = asr(*command(corpus, tmp_path / "run", path, "--devices", "2"))
    assert done.returncode == 0, done.stderr
    *_, last = [one for one in steps(tmp_path / "run") if "loss" in one]
    assert last["step"] > 1 and (tmp_path / "run/model/model.pt").is_file()


def test_two_processes_go_on_where_one_of_them_finds_nothing_that_it_can_read(corpus, tmp_path):
    path = write_recipe(tmp_path / "recipe.yaml", max_steps=6, validate_every=6, batch_seconds=1.5)
    listed = declared(tmp_path / "data", {0, 1, 2, 5})
    line = command(corpus, tmp_path / "run", path, "--devices", "2")
    line[line.index("--data") + 1] = str(listed)
    done = asr(*line)
    assert done.returncode == 0, done.stderr
    assert "u5 is left out" in done.stderr and steps(tmp_path / "run")[-1]["step"] == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [("fs=44100", "44100 Hz"), ("fs=abc", "fs 'abc'"), ("fs=null", "fs None"), ("n_mels=abc", "n_mels 'abc'"),
     ("n_mels=0", "n_mels 0"), ("lfr_m=abc", "lfr_m 'abc'")],
)  # fmt: skip
def test_features_that_are_none_are_refused(corpus, tmp_path, change, said):
    with pytest.raises(ModelError, match=said):
        list(train(run(corpus, tmp_path / "run", f"frontend_conf.{change}")))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_told(corpus, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    recipe_path = write_recipe(tmp_path / "r.yaml")
    for out in (Path("/proc/nowhere"), tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match="cannot write in"):
            list(train(run(corpus, out, path=recipe_path)))

    def full(path, records):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asr_cli.train.prepare.write_records", full)
    with pytest.raises(OutputError, match=r"No space left on device\); make room"):
        list(train(run(corpus, tmp_path / "run", path=recipe_path)))
    assert not (tmp_path / "run").exists()


def test_a_folder_is_taken_before_it_is_prepared(corpus, tmp_path, monkeypatch):
    from asr_cli.train import loop

    prepare, out = loop.prepare, tmp_path / "run"

    def meanwhile(first):
        monkeypatch.setattr(loop, "prepare", prepare)
        with pytest.raises(UsageError, match="another asr train is at work"):
            next(train(run(corpus, out, max_steps=2, lr=0.1)))
        prepare(first)

    monkeypatch.setattr(loop, "prepare", meanwhile)
    assert list(train(run(corpus, out, max_steps=1)))[-1].step == 1
    assert json.loads((out / "run.json").read_text())["train"]["lr"] == 0.004


def test_a_state_is_spoken_of_where_there_is_one(corpus, tmp_path, monkeypatch):
    from asr_cli.train.tasks import paraformer

    monkeypatch.setattr(paraformer, "smoothed_cross_entropy", lambda logits, *_: logits.sum() * torch.nan)
    with pytest.raises(AsrError, match=r"and a lower train\.lr$"):
        list(train(run(corpus, tmp_path / "run", longest_streak=2)))


def test_weights_that_went_astray_are_told_to_learn_more_slowly(corpus, tmp_path, monkeypatch):
    from asr_cli.errors import damaged
    from asr_cli.train.data.transcripts import Transcripts

    def broken(*_):
        raise damaged("the model")

    monkeypatch.setattr(Transcripts, "count", broken)
    with pytest.raises(AsrError, match=r"after step 1 .*lower train.lr"):
        list(train(run(corpus, tmp_path / "run", max_steps=1)))


def test_a_recipe_for_another_model_than_the_checkpoint_is_refused(learned, corpus, tmp_path):
    model = learned[0] / "model"
    with pytest.raises(UsageError, match=r"another model \(BAT\) than .* \(Paraformer\)"):
        list(train(run(corpus, tmp_path / "run", path=RECIPES / "bat-tiny.yaml", init=model)))
    assert not (tmp_path / "run").exists()


def test_names_that_are_nearly_right_are_not_passed_over(corpus, tmp_path):
    for name, meant in (("encodr_conf", "encoder_conf"), ("max_steps", "train.max_steps")):
        path = tmp_path / "r.yaml"
        path.write_text(yaml.safe_dump({**recipe(), name: {}}))
        with pytest.raises(UsageError, match=f"no use for '{name}'; did you mean '{meant}'"):
            list(train(run(corpus, tmp_path / "run", path=path)))
