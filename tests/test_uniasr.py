import json
from pathlib import Path

import numpy as np
import pytest
import torch

from asr_cli.checkpoint import fill
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.uniasr import WEIGHTS, Heard, Piece
from asr_cli.models.uniasr_folder import build, read_config, read_folder, read_frontend
from asr_cli.models.uniasr_search import Beam, Hypothesis, Token, is_hopeless
from asr_cli.models.uniasr_times import token_times
from asr_cli.nn.chunk import Chunking, ChunkRows, cut
from asr_cli.nn.cif import Begun, integrate_and_fire
from asr_cli.nn.rows import Rows
from tests.tools.small_uniasr import MODES, VARIANTS, config, seeded, sounds, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_uniasr.json").read_text(encoding="utf-8"))
CASES = [key for key in FACTS if key != "shapes"]
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def arrays():
    return np.load(GOLDEN / "funasr_uniasr.npz")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("uniasrs")
    return {variant: read_folder(write_folder(root / variant, weights(variant))) for variant in VARIANTS}


def weights(variant="long"):
    return seeded(((name, tuple(shape)) for name, shape in FACTS["shapes"].items()), variant)


def features(folder, index):
    frames, _ = Fbank()(torch.tensor(sounds()[index]))
    return folder.cmvn(LowFrameRate(7, 6)(frames)[0])


def decoded(folder, mode, *indices):
    with torch.inference_mode():
        heard = folder.net.hear([Piece(features(folder, index), Heard()) for index in indices], mode)
    return [one.first if mode == "fast" else one.second for one in heard]


def ids(one):
    return [token.id for token in one.beam.best.tokens()]


@pytest.mark.parametrize("case", CASES)
def test_tokens_and_scores_are_funasrs_in_every_mode(folders, case):
    variant, mode, index = case.split("/")
    [found] = decoded(folders[variant], mode, int(index))
    if "error" in FACTS[case]:  # nothing fired; FunASR fails there
        assert found.total < 1 and ids(found) == []
        return
    assert ids(found) == FACTS[case]["ids"]
    assert found.beam.best.score == pytest.approx(FACTS[case]["score"], abs=2e-3)


def test_the_golden_cases_know_every_way_a_search_ends(folders):
    ways = set()
    for case in CASES:
        variant, mode, index = case.split("/")
        [found] = decoded(folders[variant], mode, int(index))
        longest = int(found.total + 5)
        cut_off = len(ids(found)) == longest
        ways.add("nothing" if found.total < 1 else "early" if found.beam.n_steps < longest else
                 "cut off" if cut_off else "in the middle" if ids(found) else "empty")  # fmt: skip
    assert ways == {"nothing", "early", "cut off", "in the middle", "empty"}


@pytest.mark.parametrize("mode", MODES)
def test_every_tensor_between_features_and_tokens_is_funasrs(folders, arrays, monkeypatch, mode):
    """FunASR's chunks have empty rows between them, which ours do not need."""
    gap = 5 if mode == "fast" else 10
    for index in range(len(sounds())):
        chunks, alphas, found = inside(folders["long"], monkeypatch, mode, index)
        key = f"long/{mode}/{index}"
        ends = np.cumsum([length + gap for length in chunks.rows.lengths])
        theirs = np.concatenate([part[gap:] for part in np.split(arrays[f"{key}/encoded"], ends[:-1])])
        assert ends[-1] == len(arrays[f"{key}/encoded"])
        assert np.abs(chunks.encoded.numpy() - theirs).max() <= TOLERANCE
        heard = np.flatnonzero(arrays[f"{key}/alphas"])
        assert np.abs(alphas.numpy() - arrays[f"{key}/alphas"][heard]).max() <= TOLERANCE
        fired = integrate_and_fire(chunks.heard, alphas, chunks.frames)
        embeds = arrays[f"{key}/embeds"][: int(found.total)]
        assert np.abs(fired.embeds.numpy() - embeds).max(initial=0) <= TOLERANCE


def inside(folder, monkeypatch, mode, index):
    """The chunks of the encoder that is decoded from, their alphas, and what came of them."""
    one = folder.net.first if mode == "fast" else folder.net.second
    caught = []

    def watched(chunks, states, finals):
        caught.append(chunks)
        return type(one).decode(one, chunks, states, finals)

    with monkeypatch.context() as patch, torch.inference_mode():
        patch.setattr(one, "decode", watched)
        [found] = decoded(folder, mode, index)
        [chunks] = caught
        return chunks, one.predictor(chunks.encoded, chunks.rows)[chunks.own], found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_utterance_is_heard_alike_in_any_company(folders, variant, mode):
    order = [2, 3, 0, 5, 4, 1, 0]
    together = decoded(folders[variant], mode, *order)
    for index, one in zip(order, together, strict=True):
        [alone] = decoded(folders[variant], mode, index)
        assert (ids(one), one.fires) == (ids(alone), alone.fires)
        assert one.total == pytest.approx(alone.total, abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 33])
@pytest.mark.parametrize("variant", VARIANTS)
def test_however_features_are_divided_the_search_ends_the_same(folders, variant, mode, size):
    folder = folders[variant]
    indices = range(len(sounds()))
    whole = decoded(folder, mode, *indices)
    parts = [features(folder, index).split(size) for index in indices]
    states = [Heard() for _ in indices]
    with torch.inference_mode():
        for step in range(max(map(len, parts))):
            going = [index for index in indices if step < len(parts[index])]
            pieces = [
                Piece(parts[index][step], states[index], step == len(parts[index]) - 1, step % 3 == 0)
                for index in going
            ]
            for index, heard in zip(going, folder.net.hear(pieces, mode, drafts=True), strict=True):
                states[index] = heard
    for state, one in zip(states, whole, strict=True):
        found = state.first if mode == "fast" else state.second
        assert (ids(found), found.fires, found.n_frames) == (ids(one), one.fires, one.n_frames)
        assert found.beam.n_steps == one.beam.n_steps


def test_what_was_certain_stays(folders):
    """At every step, in both variants: what a beam calls certain is how the result begins."""
    n_seen = 0
    for variant, mode in (("long", "fast"), ("short", "fast"), ("long", "normal"), ("short", "normal")):
        folder = folders[variant]
        [whole] = decoded(folder, mode, 4)
        state = Heard()
        with torch.inference_mode():
            for part in features(folder, 4).split(5):
                [state] = folder.net.hear([Piece(part, state, final=False)], mode, drafts=True)
                one = state.first if mode == "fast" else state.second
                n_certain = one.beam.n_certain()
                assert ids(one)[:n_certain] == ids(whole)[:n_certain]
                n_seen += n_certain
    assert n_seen > 100


def test_a_state_is_kept_as_it_was(folders):
    folder = folders["long"]
    parts = features(folder, 2).split(40)
    with torch.inference_mode():
        [state] = folder.net.hear([Piece(parts[0], Heard(), final=False)], "normal", drafts=True)
        [one] = folder.net.hear([Piece(parts[1], state, final=True)], "normal", drafts=True)
        folder.net.hear([Piece(parts[2], state, final=False)], "normal", drafts=True)
        [again] = folder.net.hear([Piece(parts[1], state, final=True)], "normal", drafts=True)
    for first, second in ((one.first, again.first), (one.second, again.second)):
        assert (ids(first), first.fires, first.total) == (ids(second), second.fires, second.total)


def test_a_stream_does_not_remember_more_the_longer_it_lasts(folders):
    """But for its words: a token takes a tuple of its own."""
    folder = folders["long"]
    sound = features(folder, 4)
    state, sizes = Heard(), []
    with torch.inference_mode():
        for _ in range(6):
            [state] = folder.net.hear([Piece(sound, state, final=False)], "offline", drafts=True)
            sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors_of(state)))
    assert sizes[-1] <= 1.5 * max(sizes[:2])


def tensors_of(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors_of(getattr(value, name))


@pytest.mark.parametrize("n_frames", [1, 4, 9, 10, 11, 83])
@pytest.mark.parametrize(
    ("chunking", "gap", "length"),
    [(Chunking(20, 10, 5), 5, 213), (Chunking(60, 40, 10), 5, 148), (Chunking(45, 35, 5), 10, None)],
)
def test_chunks_cover_every_frame_once(chunking, gap, length, n_frames):
    frames = torch.cat([torch.zeros(chunking.left, 1), torch.arange(1.0, n_frames + 1).unsqueeze(1)])
    pieces = cut(frames, chunking, final=True)
    own = torch.cat([piece[chunking.left : chunking.left + chunking.stride] for piece in pieces])
    assert own.flatten().tolist() == list(range(1, n_frames + 1))
    assert [len(piece) for piece in pieces[:-1]] == [chunking.size] * (len(pieces) - 1)
    if n_frames == 83 and length:  # what FunASR makes of it, with the empty rows it has between chunks
        assert sum(len(piece) + gap for piece in pieces) == length


@pytest.mark.parametrize("lengths", [(3, 3, 3), (3, 1, 3), (1,), ()])
def test_chunks_side_by_side_are_what_any_rows_are(lengths):
    chunks, rows = ChunkRows(lengths), Rows(lengths)
    x = torch.randn(sum(lengths), 2)
    assert torch.equal(chunks.padded(x), rows.padded(x))
    assert torch.equal(chunks.unpadded(chunks.padded(x)), x)


@pytest.mark.parametrize("seed", range(10))
def test_firing_goes_on_where_it_stopped(seed):
    """Tokens, their frames and what hangs are the same in one go and in three."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 60, 4).tolist()
    rows = Rows(lengths)
    x, alphas = torch.randn(rows.n_rows, 3), torch.rand(rows.n_rows) * rng.random()
    whole = integrate_and_fire(x, alphas, rows)
    cuts = [sorted(rng.integers(0, length + 1, 2).tolist()) for length in lengths]
    embeds, frames = [[] for _ in lengths], [[] for _ in lengths]
    begun = None
    for part in range(3):
        spans = [
            ([0, *cut, length][part], [0, *cut, length][part + 1]) for cut, length in zip(cuts, lengths, strict=True)
        ]
        own = [value[start:end] for value, (start, end) in zip(rows.split(x), spans, strict=True)]
        weight = [value[start:end] for value, (start, end) in zip(rows.split(alphas), spans, strict=True)]
        parts = Rows([len(one) for one in own])
        found = integrate_and_fire(torch.cat(own), torch.cat(weight), parts, begun=begun)
        for index, (start, _) in enumerate(spans):
            embeds[index].append(found.rows.split(found.embeds)[index])
            frames[index] += [start + frame for frame in parts.split(found.fires)[index].nonzero().flatten().tolist()]
        begun = found.begun
    assert frames == [fires.nonzero().flatten().tolist() for fires in rows.split(whole.fires)]
    assert torch.equal(begun.weights, whole.begun.weights)
    torch.testing.assert_close(begun.embeds, whole.begun.embeds, atol=1e-5, rtol=1e-5)
    for one, other in zip(embeds, whole.rows.split(whole.embeds), strict=True):
        torch.testing.assert_close(torch.cat(one), other, atol=1e-5, rtol=1e-5)


def test_a_sum_that_goes_on_counts_only_what_is_new():
    x, alphas = torch.ones(4, 2), torch.tensor([0.5, 0.25, 0.5, 0.75])
    found = integrate_and_fire(x, alphas, Rows([2, 2]), begun=Begun(torch.tensor([7.5, 3.0]), torch.zeros(2, 2)))
    assert found.fires.tolist() == [True, False, False, True] and found.rows.lengths == (1, 1)
    assert found.begun.weights.tolist() == [8.25, 4.25]


@pytest.mark.parametrize(
    ("lately", "expected"),
    [
        ((-12.0, -11.0, -13.0, None, None), True),
        ((-12.0, -11.0, -9.0, None, None), False),
        ((-12.0, None, -13.0, None, None), False),
        ((-12.0, -11.0, -13.0, None), False),
    ],
)
def test_a_search_is_hopeless_when_three_lengths_in_a_row_were(lately, expected):
    assert is_hopeless(lately, 0.0) is expected


def test_an_ended_hypothesis_that_nothing_can_overtake_is_the_result():
    first = Token(7, -0.1, Token(1, 0.0, None))
    running = Hypothesis(Token(9, -0.1, first), -3.0)
    ended = Hypothesis(Token(2, -0.1, first), -2.0)
    decided, open_ = (
        Beam(torch.zeros(0), (running,), ended),
        Beam(torch.zeros(0), (running,), ended._replace(score=-4.0)),
    )
    assert decided.is_decided and [token.id for token in decided.best.tokens()] == [7] and decided.n_certain() == 1
    # It may still come to be the best, so all that is certain is what both say.
    assert not open_.is_decided and [token.id for token in open_.best.tokens()] == [7, 9] and open_.n_certain() == 1


@pytest.mark.parametrize("n_tokens", [0, 1, 4, 9])
@pytest.mark.parametrize("fires", [(), (3,), (3, 5, 6, 19)])
def test_every_token_has_a_time_in_order_and_inside(fires, n_tokens):
    times = token_times(fires, n_tokens, 20, 0.06)
    flat = [time for span in times for time in span]
    assert len(times) == n_tokens and flat == sorted(flat) and all(0 <= time <= 1.2 for time in flat)


def test_the_published_network_has_every_tensor_and_no_other():
    manifest = (Path(__file__).parent / "manifests" / "uniasr.txt").read_text(encoding="utf-8")
    theirs = {}
    for line in manifest.splitlines():
        name, shape = line.split(" ", 1)
        theirs[name] = torch.empty(json.loads(shape), device="meta")
    net = build(read_config(large(), Path("config.yaml"), read_frontend(large(), Path("config.yaml")), 8358))
    fill(net, theirs, WEIGHTS, Path("model.pt"))
    assert sum(tensor.numel() for tensor in net.state_dict().values()) == 104_650_878


def large():
    """The template's sizes."""
    conf = config()
    for number, changes in (("", ENCODER), ("2", ENCODER | ENCODER2)):
        conf[f"encoder{number}_conf"] |= changes
        conf[f"predictor{number}_conf"] = {"idim": 320}
    sizes = {"attention_heads": 4, "num_blocks": 12, "att_layer_num": 6, "kernel_size": 11, "concat_embeds": True}
    conf["decoder_conf"] = sizes | {"attention_dim": 256, "linear_units": 1024}
    conf["decoder2_conf"] = sizes | {"attention_dim": 320, "linear_units": 1280}
    return conf


ENCODER = {"output_size": 320, "linear_units": 1280, "num_blocks": 35, "kernel_size": 11, "chunk_size": [20, 60],
           "stride": [10, 40], "pad_left": [5, 10]}  # fmt: skip
ENCODER2 = {"num_blocks": 20, "kernel_size": 21, "chunk_size": [45, 70], "stride": [35, 50], "pad_left": [5, 10]}
