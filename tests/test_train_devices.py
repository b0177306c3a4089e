"""A net that normalizes its batches learns the same on several processes as on one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from asr_cli.nn.conformer import FrameNorm
from asr_cli.train import state
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.loop import train
from tests.tools.tones import write_corpus

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
SMALL = {"output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2, "cnn_module_kernel": 7}
TRAIN = {"max_steps": 5, "batch_seconds": 2, "lr": 0.002, "warmup_steps": 2, "validate_every": 5, "save_every": 5,
         "workers": 0, "average": 1, "vocabulary": {"kind": "word"},
         "augment": {"speed": [1.0], "spec": None}}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones") / "data")


@pytest.fixture
def conformer(tmp_path):
    """A recipe of a BAT that is small enough for a test, and whose blocks normalize."""
    found = dict(read_recipe("bat-tiny").architecture)
    found["encoder_conf"] = {**found["encoder_conf"], **SMALL}
    path = tmp_path / "conformer.yaml"
    path.write_text(yaml.safe_dump({**found, "train": TRAIN}))
    return path


def run(corpus: Path, out: Path, recipe: Path, *changes: str) -> Run:
    return Run(
        recipe=read_recipe(str(recipe), changes), data=(str(corpus),), valid=(str(corpus),), out=out, device="cpu"
    )


def on_two(corpus: Path, out: Path, recipe: Path) -> None:
    line = [sys.executable, "-m", "asr", "train", str(recipe), "--data", str(corpus), "--valid", str(corpus), "-o",
            str(out), "--device", "cpu", "--devices", "2"]  # fmt: skip
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr


def remembered(out: Path) -> dict[str, torch.Tensor]:
    """What norms know of all batches, as the run's state has it."""
    names = "running_mean", "running_var", "num_batches_tracked"
    return {name: one for name, one in state.load(out / "state.pt")["net"].items() if name.endswith(names)}


def test_norms_remember_the_batches_of_all_processes(corpus, conformer, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    list(train(run(corpus, one, conformer, "accumulate=2")))
    on_two(corpus, two, conformer)
    ours, theirs = remembered(one), remembered(two)
    assert len(ours) == 3 * SMALL["num_blocks"]
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-4, atol=1e-5)
    assert {int(one) for name, one in theirs.items() if name.endswith("tracked")} == {10}


def test_a_norm_that_is_frozen_stays_as_it_is(corpus, conformer, tmp_path):
    asked = run(corpus, tmp_path / "run", conformer)
    list(train(replace(asked, freeze=("encoder",))))
    fresh = FrameNorm(SMALL["output_size"]).state_dict()
    for name, tensor in remembered(tmp_path / "run").items():
        assert torch.equal(tensor, fresh[name.rpartition(".")[2]]), name
