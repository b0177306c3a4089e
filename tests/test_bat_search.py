import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import ModelError
from asr_cli.models import bat_beam
from asr_cli.models.bat import SEARCHES
from asr_cli.models.bat_beam import WIDTH, beam
from asr_cli.models.bat_folder import read_folder
from asr_cli.models.bat_search import MOST, begin, greedy
from asr_cli.models.bat_times import token_times
from asr_cli.nn.transducer import BLANK, Joiner, PredictionNet
from asr_cli.nn.transducer_lattice import whole
from asr_cli.nn.transducer_loss import transducer_loss
from tests.tools.small_bat import ENCODERS, sounds, weights, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_bat.json").read_text(encoding="utf-8"))
CASES = [(encoder, index) for encoder in ENCODERS for index in range(len(sounds()))]
WIDTHS = (1, 2, 5, 10)
N_TOKENS = 7


@pytest.fixture(scope="session")
def nets(tmp_path_factory):
    root = tmp_path_factory.mktemp("bats")
    shapes = {encoder: list(FACTS[f"{encoder}/shapes"].items()) for encoder in ENCODERS}
    return {
        encoder: read_folder(write_folder(root / encoder, encoder, weights(encoder, shapes[encoder]))).net
        for encoder in ENCODERS
    }


@pytest.fixture(scope="session")
def frames():
    """What FunASR's encoders heard."""
    arrays = np.load(GOLDEN / "funasr_bat.npz")
    return {(encoder, index): torch.tensor(arrays[f"{encoder}/{index}"]) for encoder, index in CASES}


@pytest.fixture(scope="session")
def wild():
    """A network that says what comes to its mind, many tokens at a frame."""
    torch.manual_seed(1)
    prediction, joiner = PredictionNet(N_TOKENS, 6, 9).eval(), Joiner(8, 9, 10, N_TOKENS).eval()
    with torch.no_grad():
        for weight in (prediction.lstm.weight_ih_l0, prediction.lstm.weight_hh_l0, joiner.out.weight):
            weight *= 6
        joiner.out.bias[BLANK] += 2
    return prediction, joiner


def search(net, frames, name, states=None):
    with torch.inference_mode():
        return SEARCHES[name](net.prediction, net.joiner, frames, states or [begin(net.prediction)] * len(frames))


def ids(decoded):
    return [token.id for token in decoded.best.tokens()]


def story(decoded):
    """All of a result but what is summed up in another order."""
    return [(token.id, token.frame) for token in decoded.best.tokens()]


def likelihood(net, frames, tokens):
    """The logarithm of the probability of saying just that, in all possible ways."""
    targets = torch.tensor([tokens or [1]])[:, : len(tokens)]
    with torch.no_grad():
        said = torch.cat([targets.new_zeros(1, 1), targets], dim=1)
        band = whole(torch.tensor([len(frames)]), torch.tensor([len(tokens)]))
        encoded, predicted = net.joiner.enc(frames[None]), net.joiner.dec(net.prediction(said))
        return -transducer_loss(encoded, predicted, net.joiner.out, targets, band).item()


def test_greedy_is_funasrs_beam_of_one_unless_that_keeps_more_than_one(nets, frames):
    """Theirs keeps all that is likelier than what it has not looked at yet."""
    n_same = 0
    for encoder, index in CASES:
        theirs = FACTS[f"{encoder}/{index}/1"]
        [found] = search(nets[encoder], [frames[encoder, index]], "greedy")
        if ids(found) == theirs["ids"]:
            n_same += len(theirs["ids"])
        else:
            assert theirs["widest"] > 1
    assert n_same > 30


@pytest.mark.parametrize("width", WIDTHS)
def test_a_beam_finds_what_funasrs_finds_or_something_likelier(nets, frames, width):
    n_same = 0
    for encoder, index in CASES:
        net, heard, theirs = nets[encoder], frames[encoder, index], FACTS[f"{encoder}/{index}/{width}"]
        with torch.inference_mode():
            [found] = beam(net.prediction, net.joiner, [heard], [begin(net.prediction)], width)
        exact = likelihood(net, heard, ids(found))
        assert found.best.score <= exact + 1e-3
        if ids(found) == theirs["ids"]:
            n_same += 1
            # They keep the ways to say the same apart, so theirs is one of them; ours are most of them.
            assert width < WIDTH or found.best.score >= theirs["score"] - 1e-3
        elif width == WIDTH:
            assert exact > likelihood(net, heard, theirs["ids"])
    assert n_same >= 7


def test_the_published_beam_loses_little_of_what_is_likely(nets, frames):
    for encoder, index in CASES:
        [found] = search(nets[encoder], [frames[encoder, index]], "beam")
        missing = likelihood(nets[encoder], frames[encoder, index], ids(found)) - found.best.score
        assert -1e-3 < missing < 0.5


def test_a_beam_that_gives_up_nothing_knows_the_exact_probability(wild, monkeypatch):
    monkeypatch.setattr(bat_beam, "MARGIN", 1000.0)
    prediction, joiner = wild
    heard = torch.randn(2, 8, generator=torch.Generator().manual_seed(3))
    net = type("Net", (), {"prediction": prediction, "joiner": joiner})
    with torch.inference_mode():
        [found] = beam(prediction, joiner, [heard], [begin(prediction)], 1000)
    assert len({tuple(token.id for token in one.tokens()) for one in found.hypotheses}) == len(found.hypotheses) > 50
    for one in found.hypotheses[:20]:
        tokens = [token.id for token in one.tokens()]
        assert one.score == pytest.approx(likelihood(net, heard, tokens), abs=0.01)


@pytest.mark.parametrize("name", SEARCHES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_however_frames_are_divided_the_result_is_the_same(wild, name, data):
    prediction, joiner = wild
    seed, length = data.draw(st.integers(0, 99)), data.draw(st.integers(0, 30))
    heard = torch.randn(length, 8, generator=torch.Generator().manual_seed(seed)) * 3
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=4)))
    net = type("Net", (), {"prediction": prediction, "joiner": joiner})
    [one] = search(net, [heard], name)
    states = [begin(prediction)]
    for first, last in zip([0, *cuts], [*cuts, length], strict=True):
        states = search(net, [heard[first:last]], name, states)
    assert (story(states[0]), states[0].n_frames) == (story(one), length)
    assert states[0].best.score == pytest.approx(one.best.score, abs=1e-3)
    assert torch.allclose(states[0].memory[0], one.memory[0], atol=1e-5)


@pytest.mark.parametrize("name", SEARCHES)
def test_an_utterance_is_decoded_alike_in_any_company(nets, frames, name):
    for encoder in ENCODERS:
        pieces = [frames[encoder, index] for index in (2, 0, 5, 3, 4, 1, 0)]
        pieces.insert(3, pieces[0][:0])
        together = search(nets[encoder], pieces, name)
        for piece, one in zip(pieces, together, strict=True):
            [alone] = search(nets[encoder], [piece], name)
            assert story(alone) == story(one) and len(alone.hypotheses) == len(one.hypotheses)
            assert [token.logp for token in one.best.tokens()] == pytest.approx(
                [token.logp for token in alone.best.tokens()], abs=1e-4
            )


@pytest.mark.parametrize("name", SEARCHES)
def test_a_state_can_be_gone_on_from_twice(nets, frames, name):
    net, heard = nets["rwkv"], frames["rwkv", 2]
    states = search(net, [heard[:30]], name)
    one = search(net, [heard[30:]], name, states)
    search(net, [heard[:30]], name, states)
    again = search(net, [heard[30:]], name, states)
    assert story(one[0]) == story(again[0]) and story(one[0])


def test_what_a_beam_is_certain_of_stays(wild):
    prediction, joiner = wild
    net = type("Net", (), {"prediction": prediction, "joiner": joiner})
    heard = torch.randn(60, 8, generator=torch.Generator().manual_seed(5)) * 3
    states, certain = [begin(prediction)], []
    for frame in heard.split(1):
        states = search(net, [frame], "beam", states)
        certain.append(story(states[0])[: states[0].n_certain()])
    final = story(states[0])
    assert all(one == final[: len(one)] for one in certain)
    assert [len(one) for one in certain] == sorted(map(len, certain))
    assert len(certain[-2]) > 5


@pytest.mark.parametrize("name", SEARCHES)
def test_nobody_says_more_than_so_many_tokens_at_a_frame(wild, name):
    prediction, joiner = wild
    net = type("Net", (), {"prediction": prediction, "joiner": Joiner(8, 9, 10, N_TOKENS)})
    with torch.no_grad():
        net.joiner.load_state_dict(joiner.state_dict())
        net.joiner.out.bias[BLANK] = -100.0
    [found] = search(net, [torch.ones(3, 8)], name)
    counts = Counter(token.frame for one in found.hypotheses for token in one.tokens())
    assert max(counts.values()) <= MOST * len(found.hypotheses)
    assert name == "beam" or counts == dict.fromkeys(range(3), MOST)


def test_in_16_bits_a_token_is_still_the_one_it_is():
    prediction, joiner = PredictionNet(3000, 6, 9), Joiner(8, 9, 10, 3000)
    with torch.no_grad():
        joiner.out.bias[777] = 50.0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        [found] = greedy(prediction, joiner, [torch.ones(1, 8)], [begin(prediction)])
    assert {token.id for token in found.best.tokens()} == {777}


@pytest.mark.parametrize("search", [greedy, beam])
@pytest.mark.parametrize("part", ["prediction", "joiner"])
def test_damaged_weights_are_an_error_and_no_text(wild, search, part):
    prediction, joiner = PredictionNet(N_TOKENS, 6, 9), Joiner(8, 9, 10, N_TOKENS)
    with torch.no_grad():
        next((prediction if part == "prediction" else joiner).parameters()).fill_(float("nan"))
        if part == "prediction":
            prediction.lstm.weight_hh_l0.fill_(float("nan"))
    with torch.inference_mode(), pytest.raises(ModelError, match="damaged"):
        search(prediction, joiner, [torch.ones(3, 8)], [begin(prediction)])


def test_step_by_step_the_prediction_network_is_what_it_is_at_once(wild):
    prediction, _ = wild
    tokens = torch.tensor([[0, 3, 5, 1, 1, 6]])
    with torch.inference_mode():
        at_once = prediction(tokens)[0]
        memory, found = prediction.start(), []
        for token in tokens[0, 1:]:
            found.append(memory[0, :9])
            memory = prediction.step(token[None], memory)
        found.append(memory[0, :9])
    assert torch.allclose(torch.stack(found), at_once, atol=1e-6)


def test_in_training_tokens_are_hidden_and_never_otherwise():
    prediction = PredictionNet(20, 6, 9, holes=True)
    tokens = torch.randint(1, 20, (4, 40))
    torch.manual_seed(0)
    assert not torch.equal(prediction(tokens), prediction(tokens))
    prediction.eval()
    assert torch.equal(prediction(tokens), prediction(tokens))


@given(
    frames=st.lists(st.integers(0, 50), max_size=20).map(sorted),
    end=st.floats(0, 5),
)
def test_tokens_have_times_in_order_and_before_the_end(frames, end):
    times = token_times(frames, 0.08, end)
    flat = [time for span in times for time in span]
    assert len(times) == len(frames) and flat == sorted(flat)
    assert all(0 <= time <= end + 1e-3 for time in flat)
