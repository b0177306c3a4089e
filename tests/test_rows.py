import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from asr_cli.nn.attention import all_at_once, one_by_one
from asr_cli.nn.fsmn import FsmnMemory, convolved, shifted
from asr_cli.nn.rows import Rows, join
from asr_cli.nn.sanm import SanmEncoder, sinusoids

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


@settings(deadline=None, max_examples=50)
@given(LENGTHS)
def test_padding_and_back_is_nothing(lengths):
    rows = Rows(lengths)
    x = torch.randn(rows.n_rows, 3)
    assert torch.equal(rows.unpadded(rows.padded(x)), x)
    assert rows.mask.sum() == rows.n_rows
    assert [part.tolist() for part in rows.split(rows.positions)] == [list(range(n)) for n in lengths]


@settings(deadline=None, max_examples=50)
@given(LENGTHS, st.integers(0, 4), st.integers(0, 4))
def test_apart_puts_zeros_around_every_sequence(lengths, left, right):
    rows = Rows(lengths)
    x = torch.randn(rows.n_rows, 2)
    spaced, places = rows.apart(x, left, right)
    expected = [F.pad(part, (0, 0, left, right)) for part in rows.split(x)]
    assert torch.equal(spaced, torch.cat(expected))
    assert torch.equal(spaced[places], x)


@settings(deadline=None, max_examples=50)
@given(LENGTHS.filter(any))
def test_a_gpus_attention_is_a_processors(lengths):
    queries, keys = Rows(lengths), Rows([length + 1 for length in lengths])
    q, k, v = torch.randn(queries.n_rows, 8), torch.randn(keys.n_rows, 8), torch.randn(keys.n_rows, 8)
    torch.testing.assert_close(all_at_once(q, k, v, queries, keys, 2), one_by_one(q, k, v, queries, keys, 2))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 6))
def test_memory_over_rows_is_memory_over_each_sequence(lengths, left, right):
    rows = Rows(lengths)
    memory = FsmnMemory(4, left, right)
    x = torch.randn(rows.n_rows, 4)
    expected = [memory(part.unsqueeze(0))[0][0] if len(part) else part for part in rows.split(x)]
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(memory.over(x, rows), torch.cat(expected))
    spaced, _ = rows.apart(x, left, right)
    torch.testing.assert_close(shifted(spaced, memory.weight), convolved(spaced, memory.weight))


def test_positions_are_encoded_as_published():
    first = sinusoids(torch.tensor([1, 2]), 560)[0]
    assert first[0].item() == pytest.approx(0.84147, abs=1e-5)
    assert first[280].item() == pytest.approx(0.54030, abs=1e-5)


def test_gradients_reach_every_weight():
    encoder = SanmEncoder(12, 8, 2, 16, 3, kernel=5)
    encoder(*join([torch.randn(6, 12), torch.randn(4, 12)])).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())
