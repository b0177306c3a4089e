import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.checkpoint import fill
from asr_cli.models.bat_encoders import ENCODER_WEIGHTS, RwkvConfig
from asr_cli.nn.precision import lower
from asr_cli.nn.wkv import NOTHING, empty_sums, wkv
from tests.tools.built_encoders import Net, arrays, encoded, encoder
from tests.tools.small_encoders import CONFIGS, LENGTHS, N_FEATURES, features

CASES = ["rwkv", "rwkv wide"]
TOLERANCE = 1e-4


@pytest.mark.parametrize("case", CASES)
def test_what_is_heard_is_funasrs_from_one_frame_to_a_minute(case):
    for length in LENGTHS["rwkv"]:
        if f"{case}/{length}" in arrays():
            [found] = encoded(encoder(case), length)
            theirs = torch.from_numpy(arrays()[f"{case}/{length}"])
            assert found.shape == theirs.shape
            assert (found - theirs).abs().max() <= TOLERANCE


def test_an_utterance_is_heard_alike_in_any_company():
    net, lengths = encoder("rwkv"), (37, 1, 160, 9, 159)
    for found, length in zip(encoded(net, *lengths, padding=13), lengths, strict=True):
        torch.testing.assert_close(found, encoded(net, length)[0], atol=2e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_streams_cut_anywhere_hear_what_whole_utterances_do(data):
    case = data.draw(st.sampled_from(CASES))
    net = encoder(case)
    lengths = data.draw(st.lists(st.integers(0, 70), min_size=1, max_size=3))
    waiting = [features(length) for length in lengths]
    states, heard, ended = [None] * len(lengths), [[] for _ in lengths], [False] * len(lengths)
    while not all(ended):
        going = [index for index, end in enumerate(ended) if not end]
        sizes = [data.draw(st.integers(0, 30)) for _ in going]
        finals = [size >= len(waiting[index]) for index, size in zip(going, sizes, strict=True)]
        with torch.inference_mode():
            found, after = net.hear(
                [waiting[index][:size] for index, size in zip(going, sizes, strict=True)],
                [states[index] for index in going],
                finals,
            )
        for index, size, frames, state, final in zip(going, sizes, found, after, finals, strict=True):
            waiting[index], states[index], ended[index] = waiting[index][size:], state, final
            heard[index].append(frames)
    for length, parts in zip(lengths, heard, strict=True):
        [whole] = encoded(net, length) if length else [torch.zeros(0, 32)]
        torch.testing.assert_close(torch.cat(parts), whole, atol=2e-5, rtol=0)


def test_a_stream_neither_remembers_more_nor_changes_what_it_was():
    net = encoder("rwkv")
    state, sizes = None, []
    with torch.inference_mode():
        for _ in range(4):
            [first], [after] = net.hear([features(64)], [state], [False])
            [again], _ = net.hear([features(64)], [state], [False])
            assert torch.equal(first, again)
            state = after
            tensors = (*state.waiting, state.lately, state.sums)
            sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors))
    assert len(set(sizes)) == 1


def naive(k, v, decay, first, sums):
    """Frame after frame, as the paper says it; autograd differentiates it."""
    values, weights, peak = sums.unbind(1)
    found = []
    for key, value in zip(k.unbind(1), v.unbind(1), strict=True):
        top = torch.maximum(peak, first + key).detach()
        past, own = (peak - top).exp(), (first + key - top).exp()
        found.append((past * values + own * value) / (past * weights + own))
        top = torch.maximum(peak + decay, key).detach()
        past, own = (peak + decay - top).exp(), (key - top).exp()
        values, weights, peak = past * values + own * value, past * weights + own, top
    return torch.stack(found, 1), torch.stack([values, weights, peak], 1)


def drawn(n_frames, seed=0, scale=3.0, width=3):
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    k, v = normal(2, n_frames, width) * scale, normal(2, n_frames, width)
    parts = (k, v, -normal(width).exp(), normal(width), normal(2, 3, width).abs())
    return [part.requires_grad_() for part in parts]


@pytest.mark.parametrize("n_frames", [1, 2, 15, 16, 31, 32, 33, 70, 300, 517])
def test_averages_sums_and_derivatives_are_those_of_one_frame_after_another(n_frames):
    given_ = drawn(n_frames, seed=n_frames)
    found, before = wkv(*given_)
    expected, after = naive(*given_)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-9)
    torch.testing.assert_close(before[:, -1], after, atol=1e-10, rtol=1e-9)
    weights = torch.randn_like(found)
    ours = torch.autograd.grad(found, given_, weights)
    theirs = torch.autograd.grad(expected, given_, weights, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, torch.zeros_like(one) if other is None else other, atol=1e-9, rtol=1e-7)


def test_the_derivatives_are_the_differences():
    torch.autograd.gradcheck(lambda *parts: wkv(*parts)[0], drawn(35, scale=1.0, width=2))


@pytest.mark.parametrize("scale", [1.0, 50.0, 5000.0])
def test_no_key_is_too_large_or_too_small(scale):
    """float32, against float64."""
    given_ = drawn(200, scale=scale)
    given_[4] = torch.zeros(2, 3, 3, dtype=torch.float64)
    given_[4][:, 2] = NOTHING
    exact, _ = wkv(*given_)
    single = [part.detach().float().requires_grad_() for part in given_]
    found, _ = wkv(*single)
    found.square().sum().backward()
    # Keys themselves have a few digits only, and what is weighed is a ratio of their exponentials.
    assert (found - exact).abs().max() <= 2e-6 * scale + 1e-5
    assert all(part.grad.isfinite().all() for part in single[:4])


def test_the_first_frame_of_all_is_its_own_average():
    k, v, decay, first, _ = (part.detach().float() for part in drawn(1))
    found, _ = wkv(k - 200, v, decay, first, empty_sums(2, 3))
    assert torch.equal(found, v)


def test_a_batch_teaches_what_its_utterances_teach_alone():
    net = Net(RwkvConfig(**CONFIGS["rwkv"])).encoder
    x, lengths = torch.randn(2, 150, N_FEATURES), torch.tensor([90, 150])
    y, counts = net(x, lengths)
    mask = torch.arange(y.shape[1]) < counts.unsqueeze(1)
    y[mask].square().sum().backward()
    together = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    for one, length in zip(x, lengths.tolist(), strict=True):
        net(one[None, :length], torch.tensor([length]))[0].square().sum().backward()
    for name, p in net.named_parameters():
        torch.testing.assert_close(together[name], p.grad, atol=2e-4, rtol=2e-3, msg=name)


@pytest.mark.parametrize(("compute_type", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.03), ("int8", 0.06)])
def test_in_fewer_bits_it_hears_nearly_the_same(compute_type, tolerance):
    """Of a whole utterance and of a stream of it."""
    net = deepcopy(encoder("rwkv"))
    exact = encoded(net, 203)[0]
    for _ in lower(net, compute_type):
        pass
    net.subsampling.settle(compute_type)
    with torch.inference_mode():
        [first], states = net.hear([features(203)[:90]], [None], [False])
        [last], _ = net.hear([features(203)[90:]], states, [True])
    for found in (encoded(net, 203)[0], torch.cat([first, last])):
        assert found.dtype == torch.float32
        assert (found - exact).square().mean().sqrt() <= tolerance * exact.square().mean().sqrt()


def test_it_can_be_trained_with_products_of_16_bits():
    net = Net(RwkvConfig(**CONFIGS["rwkv"])).encoder
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = net(torch.randn(3, 90, N_FEATURES), torch.tensor([90, 45, 3]))
    assert y.dtype == torch.float32
    y.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("rate", ["dropout_rate", "att_dropout_rate", "ffn_dropout_rate"])
def test_each_dropout_is_felt_in_training_only(rate):
    net = Net(RwkvConfig(**CONFIGS["rwkv"], **{rate: 0.5})).encoder
    x, lengths = features(40).unsqueeze(0), torch.tensor([40])
    assert not torch.equal(net(x, lengths)[0], net(x, lengths)[0])
    net.eval()
    assert torch.equal(net(x, lengths)[0], net(x, lengths)[0])


def test_the_published_network_has_every_tensor_and_no_other():
    manifest = (Path(__file__).parent / "manifests" / "rwkv_encoder.txt").read_text(encoding="utf-8")
    lines = (line.split(" ", 1) for line in manifest.splitlines())
    theirs = {name: torch.empty(json.loads(shape), device="meta") for name, shape in lines}
    with torch.device("meta"):
        net = Net(RwkvConfig(num_blocks=18, time_reduction_factor=2))
    fill(net, theirs, ENCODER_WEIGHTS, Path("model.pt"))
    assert sum(tensor.numel() for tensor in net.state_dict().values()) == 71_354_752
    assert net.encoder.frame_shift == 8
