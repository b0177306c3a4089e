"""Weights of others are read strictly, and nothing in them is run."""

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from asr_cli import checkpoint
from asr_cli.errors import ModelError

WEIGHTS: checkpoint.WeightMap = (
    ("encoder.{}.first", "layers.{}"),
    ("encoder.scale", "scale", lambda tensor: tensor.squeeze(-1)),
    ("training_only", None),
)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
        self.scale = nn.Parameter(torch.zeros(3))


def published() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        f"encoder.{layer}.first.{name}": shape
        for layer in (0, 1)
        for name, shape in (("weight", (3, 3)), ("bias", (3,)))
    }
    shapes |= {"encoder.scale": (3, 1), "training_only.weight": (2,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def loaded(path: Path) -> Small:
    module = Small()
    checkpoint.load(module, path, WEIGHTS)
    return module


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_however_the_trainer_wrapped_them(
    tmp_path: Path, wrapper: str | None, prefix: str, zipped: bool
) -> None:
    theirs = published()
    table = {prefix + name: tensor for name, tensor in theirs.items()}
    torch.save(
        {wrapper: table, "epoch": 3} if wrapper else table, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped
    )
    module = loaded(tmp_path / "model.pt")
    assert torch.equal(module.layers[1].weight, theirs["encoder.1.first.weight"])
    assert torch.equal(module.scale, theirs["encoder.scale"].squeeze())


def test_safetensors_and_half_precision_are_read_too(tmp_path: Path) -> None:
    theirs = {name: tensor.half() for name, tensor in published().items()}
    checkpoint.save_safetensors(tmp_path / "m.safetensors", theirs, {"width": 3})
    module = loaded(tmp_path / "m.safetensors")
    assert torch.equal(module.scale, theirs["encoder.scale"].squeeze().float())
    assert json.loads(checkpoint.read_metadata(tmp_path / "m.safetensors")["config"]) == {"width": 3}


def test_what_is_missing_unknown_or_of_another_shape_is_listed(tmp_path: Path) -> None:
    theirs = published()
    del theirs["encoder.0.first.bias"]
    theirs |= {"decoder.weight": torch.zeros(1), "encoder.scale": torch.zeros(4, 1)}
    torch.save(theirs, tmp_path / "model.pt")
    with pytest.raises(ModelError) as caught:
        loaded(tmp_path / "model.pt")
    message = str(caught.value)
    assert "missing: layers.0.bias" in message
    assert "not known: decoder.weight" in message
    assert "scale (4,) instead of (3,)" in message


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_something_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    table = published() | {"more": Evil(tmp_path / "ran")}
    torch.save(table, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="not run"):
        loaded(tmp_path / "model.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pt", ".pb", ".safetensors"])
def test_any_broken_file_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    path, dice = tmp_path / f"model{suffix}", random.Random(0)
    if suffix != ".safetensors":
        torch.save(published(), path, _use_new_zipfile_serialization=suffix == ".pt")
    else:
        checkpoint.save_safetensors(path, published(), {})
    whole = path.read_bytes()
    wrecks = [b"", b"PK", b"hello", dice.randbytes(500), pickle.dumps([1, 2]), b"version https://git-lfs"]
    wrecks += [whole[: dice.randrange(len(whole))] for _ in range(60)]
    for wreck in wrecks:
        path.write_bytes(wreck)
        with pytest.raises(ModelError, match=r"model\.(pt|pb|safetensors)"):
            loaded(path)


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize(
    ("head", "why"), [(b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"), (b"\n<!DOCTYPE html>", "web page")]
)
def test_what_came_instead_of_the_weights_is_said(tmp_path: Path, name: str, head: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(head)
    with pytest.raises(ModelError, match=why):
        loaded(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_beside_the_weights_do_no_harm(tmp_path: Path, zipped: bool) -> None:
    beside = {"loss": np.float64(0.1), "accuracy": np.float32(0.5), "step": np.int64(7)}
    torch.save({"state_dict": published(), **beside}, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    assert torch.equal(loaded(tmp_path / "model.pt").scale, published()["encoder.scale"].squeeze())


@pytest.mark.parametrize("table", [{3: torch.zeros(3)}, {"scale": torch.zeros(3).to_sparse()}])
def test_tables_of_something_else_are_no_tables_of_tensors(tmp_path: Path, table: object) -> None:
    torch.save(table, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="no table of tensors"):
        loaded(tmp_path / "model.pt")


def test_a_missing_file_and_a_list_of_tensors_are_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "model.pt")
    for name, why in (("model.pt", "no table"), ("none.pt", "no weights at"), ("", "no weights at")):
        with pytest.raises(ModelError, match=why):
            loaded(tmp_path / name)


def test_configuration_json_names_the_files_that_are_there_and_none_outside(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (folder / "a.pt", folder / "b.mvn", tmp_path / "outside.pt"):
        path.touch()
    found = {"init_param": "a.pt", "config": "../outside.pt", "tokenizer_conf": {"token_list": "none.json"},
             "frontend_conf": {"cmvn_file": "b.mvn"}, "other": str(tmp_path / "outside.pt")}  # fmt: skip
    (folder / "configuration.json").write_text(json.dumps({"file_path_metas": found}), encoding="utf-8")
    assert checkpoint.metas(folder) == {"init_param": "a.pt", "cmvn_file": "b.mvn"}
    assert checkpoint.metas(tmp_path) == {}
