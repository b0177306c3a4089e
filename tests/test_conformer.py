import json
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.checkpoint import fill
from asr_cli.errors import ModelError
from asr_cli.models.bat_encoders import ENCODER_WEIGHTS, Chunk, ConformerConfig, build_encoder, published
from asr_cli.nn.conformer import FrameNorm
from asr_cli.nn.precision import lower
from tests.tools.built_encoders import SHAPES, Net, arrays, encoded, encoder
from tests.tools.small_encoders import CHUNK, CONFIGS, LEFT, LENGTHS, N_FEATURES, features, seeded

CASES = [case for case in CONFIGS if not case.startswith("rwkv")]
TOLERANCE = 1e-4


@pytest.mark.parametrize("case", CASES)
def test_what_is_heard_of_whole_utterances_is_funasrs(case):
    for length in LENGTHS["conformer"]:
        theirs = torch.from_numpy(arrays()[f"{case}/{length}"])
        [found] = encoded(encoder(case), length)
        assert found.shape == theirs.shape
        assert (found - theirs).abs().max() <= TOLERANCE


def test_what_is_heard_in_chunks_is_funasrs_simulated_and_streamed():
    lengths = [length for length in LENGTHS["conformer"] if f"chunked/{length}/simulated" in arrays()]
    assert len(lengths) > 3
    for length in lengths:
        [found] = encoded(encoder("chunked"), length, chunk=Chunk(CHUNK, LEFT))
        for way in ("simulated", "streamed"):
            assert (found - torch.from_numpy(arrays()[f"chunked/{length}/{way}"])).abs().max() <= TOLERANCE


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [None, Chunk(4, 1), Chunk(3, None)])
def test_an_utterance_is_heard_alike_in_any_company(case, chunk):
    net, lengths = encoder(case), (37, 1, 160, 9, 159)
    for found, length in zip(encoded(net, *lengths, chunk=chunk, padding=13), lengths, strict=True):
        torch.testing.assert_close(found, encoded(net, length, chunk=chunk)[0], atol=2e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_streams_cut_anywhere_hear_what_chunked_utterances_do(data):
    net = encoder("chunked")
    chunk = data.draw(st.sampled_from([Chunk(CHUNK, LEFT), Chunk(3, 0), Chunk(2, 1), Chunk(5, None)]))
    lengths = data.draw(st.lists(st.integers(0, 120), min_size=1, max_size=3))
    waiting = [features(length) for length in lengths]
    states, heard, ended = [None] * len(lengths), [[] for _ in lengths], [False] * len(lengths)
    while not all(ended):
        going = [index for index, end in enumerate(ended) if not end]
        sizes = [data.draw(st.integers(0, 50)) for _ in going]
        finals = [size >= len(waiting[index]) for index, size in zip(going, sizes, strict=True)]
        with torch.inference_mode():
            found, after = net.hear(
                [waiting[index][:size] for index, size in zip(going, sizes, strict=True)],
                [states[index] for index in going],
                finals,
                chunk,
            )
        for index, size, frames, state, final in zip(going, sizes, found, after, finals, strict=True):
            waiting[index], states[index], ended[index] = waiting[index][size:], state, final
            heard[index].append(frames)
    for length, parts in zip(lengths, heard, strict=True):
        [whole] = encoded(net, length, chunk=chunk) if length else [torch.zeros(0, 32)]
        torch.testing.assert_close(torch.cat(parts), whole, atol=2e-5, rtol=0)


def test_a_stream_neither_remembers_more_nor_changes_what_it_was():
    net = encoder("chunked")
    state, sizes = None, []
    with torch.inference_mode():
        for _ in range(5):
            [first], [after] = net.hear([features(70)], [state], [False])
            [again], _ = net.hear([features(70)], [state], [False])
            assert torch.equal(first, again)
            state = after
            tensors = (state.features, state.seen, state.convolved)
            sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors))
    assert max(sizes) <= sizes[0] + 16 * N_FEATURES * 4  # at most a chunk more is waiting


def test_a_network_for_whole_utterances_hears_no_streams():
    with pytest.raises(ModelError, match="whole utterances"):
        encoder("conformer").hear([features(40)], [None], [False], Chunk(4))


def test_a_frame_sees_its_chunk_and_as_many_before_it_as_it_should():
    sees = Chunk(2, 1).sees(4, 3, torch.device("cpu")).int().tolist()
    assert sees == [[0, 1, 1, 1, 1, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1, 1]] * 2
    assert Chunk(2, None).sees(3, 1, torch.device("cpu")).int().tolist() == [[1, 1, 1, 0]] * 2 + [[1, 1, 1, 1]]


def test_chunks_are_drawn_as_the_configuration_says():
    random = Random(0)
    unified = encoder("chunked")
    assert {unified.draw_chunk(300, random).size for _ in range(99)} == {CHUNK - 1, CHUNK, CHUNK + 1}
    dynamic = build_encoder(ConformerConfig(**CONFIGS["conformer"], dynamic_chunk_training=True), N_FEATURES)
    drawn = [dynamic.draw_chunk(300, random) for _ in range(400)]
    assert 0.15 < drawn.count(None) / len(drawn) < 0.35
    assert {chunk.size for chunk in drawn if chunk} == set(range(1, 26))
    assert encoder("conformer").draw_chunk(300, random) is None


def test_a_norm_in_training_is_torchs_over_the_frames_there_are():
    ours, theirs = FrameNorm(5), torch.nn.BatchNorm1d(5)
    x, lengths = torch.randn(3, 7, 5, requires_grad=True), torch.tensor([7, 2, 4])
    is_frame = (torch.arange(7) < lengths.unsqueeze(1)).unsqueeze(2)
    found, expected = ours(x, is_frame)[is_frame.squeeze(2)], theirs(x[is_frame.squeeze(2)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    weights = torch.randn_like(found)
    one, other = (torch.autograd.grad(y, x, weights)[0] for y in (found, expected))
    torch.testing.assert_close(one, other)


def test_a_batch_that_is_no_number_leaves_nothing_in_a_norm():
    net = deepcopy(encoder("conformer")).train()
    with torch.no_grad():
        net(torch.full((1, 40, N_FEATURES), float("nan")), torch.tensor([40]))
        net(features(40).unsqueeze(0), torch.tensor([40]))
    assert all(one.isfinite().all() for one in net.buffers())


@pytest.mark.parametrize("chunk", [None, Chunk(3, 1)])
def test_padding_teaches_nothing(chunk):
    """In training, too, where every frame has a part in the norms."""
    config = ConformerConfig(**CONFIGS["conformer"] | {"positional_dropout_rate": 0.0, "dropout_rate": 0.0})
    torch.manual_seed(1)
    net = Net(config).encoder
    x, lengths = torch.randn(2, 150, N_FEATURES), torch.tensor([90, 150])
    gradients = []
    for padding in (0, 33):
        net.zero_grad()
        y, counts = net(torch.cat([x, torch.randn(2, padding, N_FEATURES)], dim=1), lengths, chunk)
        y[torch.arange(y.shape[1]) < counts.unsqueeze(1)].square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in net.named_parameters()})
    for name, one in gradients[0].items():
        assert one.isfinite().all()
        torch.testing.assert_close(one, gradients[1][name], atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize(("compute_type", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.03), ("int8", 0.06)])
def test_in_fewer_bits_it_hears_nearly_the_same(compute_type, tolerance):
    """Of a whole utterance and of a stream of it."""
    net = deepcopy(encoder("chunked"))
    exact = encoded(net, 203, chunk=Chunk(CHUNK, LEFT))[0]
    for _ in lower(net, compute_type):
        pass
    net.subsampling.settle(compute_type)
    with torch.inference_mode():
        [first], states = net.hear([features(203)[:90]], [None], [False])
        [last], _ = net.hear([features(203)[90:]], states, [True])
    for found in (encoded(net, 203, chunk=Chunk(CHUNK, LEFT))[0], torch.cat([first, last])):
        assert found.dtype == torch.float32
        assert (found - exact).square().mean().sqrt() <= tolerance * exact.square().mean().sqrt()


def test_it_can_be_trained_with_products_of_16_bits():
    net = Net(ConformerConfig(**CONFIGS["conformer"])).encoder
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = net(torch.randn(3, 90, N_FEATURES), torch.tensor([90, 45, 3]))
    assert y.dtype == torch.float32
    y.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("rate", ["dropout_rate", "positional_dropout_rate", "attention_dropout_rate"])
def test_each_dropout_is_felt_in_training_only(rate):
    rates = dict.fromkeys(("dropout_rate", "positional_dropout_rate", "attention_dropout_rate"), 0.0)
    net = Net(ConformerConfig(**CONFIGS["conformer"] | rates | {rate: 0.5})).encoder
    x, lengths = features(40).unsqueeze(0), torch.tensor([40])
    assert not torch.equal(net(x, lengths)[0], net(x, lengths)[0])
    net.eval()
    assert torch.equal(net(x, lengths)[0], net(x, lengths)[0])


@pytest.mark.parametrize("case", SHAPES)
def test_weights_go_out_as_they_came_in(case):
    """Of either encoder."""
    ours = {f"encoder.{name}": tensor for name, tensor in encoder(case).state_dict().items()}
    found = dict(published(ours, encoder(case).config))
    weights = seeded((name, tuple(shape)) for name, shape in SHAPES[case].items())
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_the_recipes_network_has_every_tensor_and_no_other():
    manifest = (Path(__file__).parent / "manifests" / "chunk_conformer_encoder.txt").read_text(encoding="utf-8")
    lines = (line.split(" ", 1) for line in manifest.splitlines())
    theirs = {name: torch.empty(json.loads(shape), device="meta") for name, shape in lines}
    recipe = ConformerConfig(output_size=512, attention_heads=8, linear_units=2048, num_blocks=12,
                             cnn_module_kernel=15, subsampling_factor=4, time_reduction_factor=2)  # fmt: skip
    with torch.device("meta"):
        net = Net(recipe)
    fill(net, theirs, ENCODER_WEIGHTS, Path("model.pt"))
    assert sum(tensor.numel() for tensor in net.state_dict().values()) == 83_145_740
    assert net.encoder.frame_shift == 8


STRANGE = {"embed_vgg_like": True, "simplified_att_score": True, "subsampling_factor": 8, "activation_type": "sine",
           "attention_heads": 5, "cnn_module_kernel": 6}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_a_network_that_is_not_known_is_refused(name):
    with pytest.raises(ModelError, match=f"with {name} .* is not known here"):
        build_encoder(ConformerConfig(**CONFIGS["conformer"] | {name: STRANGE[name]}), N_FEATURES)
