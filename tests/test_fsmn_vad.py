"""FSMN-VAD's network: its published tensors, its memory, and its quick form."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.fsmn_vad import WEIGHTS, Config, FsmnVadNet
from asr_cli.nn.fsmn import FsmnMemory
from asr_cli.vad.weights import read_own, write_own

MANIFEST = Path(__file__).parent / "manifests" / "fsmn_vad.txt"


def published() -> dict[str, tuple[int, ...]]:
    lines = (line.split(maxsplit=1) for line in MANIFEST.read_text(encoding="utf-8").splitlines())
    return {name: tuple(json.loads(shape)) for name, shape in lines}


@pytest.fixture(scope="module")
def net() -> FsmnVadNet:
    """Undecided between silence and the 247 others, where a small error shows most."""
    torch.manual_seed(0)
    net = FsmnVadNet(Config()).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 1.5
        net.out2.bias[0] += math.log(247)
    return net


def test_the_map_covers_every_published_tensor_and_every_one_of_ours() -> None:
    with torch.device("meta"):
        module = FsmnVadNet(Config())
        theirs = {name: torch.empty(shape) for name, shape in published().items()}
    assert len(theirs) == 24
    checkpoint.fill(module, theirs, WEIGHTS, MANIFEST)
    assert sum(parameter.numel() for parameter in module.parameters()) == 428_738


def test_memory_adds_a_causal_convolution_to_its_input() -> None:
    memory = FsmnMemory(2, left=2)
    with torch.no_grad():
        memory.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]], [[0.0, 0.0, 0.5]]]))
        y, state = memory(torch.tensor([[[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]]))
    assert y[0].tolist() == [[1 + 1, 3], [2 + 2 + 10, 6], [3 + 3 + 20 + 100, 9]]
    assert state[0].tolist() == [[2, 4], [3, 6]]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 120), max_size=6))
def test_any_split_of_the_frames_gives_the_same_probabilities(net: FsmnVadNet, cuts: list[int]) -> None:
    x = torch.randn(120, 400, generator=torch.Generator().manual_seed(1))
    quick = net.fused(torch.zeros(400), torch.ones(400))
    with torch.inference_mode():
        whole = net(x[None])[0].softmax(dim=-1)[0, :, 0]
        state, quick_state, parts, quick_parts = None, None, [], []
        for first, last in pairwise(sorted({0, *cuts, 120})):
            logits, state = net(x[None, first:last], state)
            silence, quick_state = quick(x[first:last], quick_state)
            parts.append(logits.softmax(dim=-1)[0, :, 0])
            quick_parts.append(silence)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat(quick_parts), whole, rtol=0, atol=1e-6)


def test_the_quick_form_normalises_too_and_survives_certainty(net: FsmnVadNet) -> None:
    generator = torch.Generator().manual_seed(2)
    shift, scale = torch.randn(400, generator=generator), torch.rand(400, generator=generator) + 0.5
    x = torch.randn(50, 400, generator=generator)
    sure = FsmnVadNet(Config()).eval()
    sure.load_state_dict(net.state_dict())
    with torch.inference_mode():
        whole = net(Cmvn(shift, scale)(x)[None])[0].softmax(dim=-1)[0, :, 0]
        torch.testing.assert_close(net.fused(shift, scale)(x)[0], whole, rtol=0, atol=1e-6)
        for bias, certain in ((1e4, 1.0), (-1e4, 0.0)):
            sure.out2.bias[0] = bias
            assert torch.equal(sure.fused(shift, scale)(x)[0], torch.full((50,), certain))


def test_our_own_file_has_the_published_names_and_reads_back(net: FsmnVadNet, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    write_own(path, net, Cmvn(torch.zeros(400), torch.ones(400)))
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.read(path).items()}
    assert shapes == {**published(), "cmvn.shift": (400,), "cmvn.scale": (400,)}
    again, cmvn = read_own(path)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert cmvn.scale.tolist() == [1.0] * 400


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    checkpoint.save_safetensors(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(ModelError, match="no VAD"):
        read_own(tmp_path / "x.safetensors")
