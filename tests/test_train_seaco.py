"""Paraformers with a head for times, and with hotwords, in training."""

import dataclasses
import json
import random
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

from asr_cli.checkpoint import fill, theirs
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.paraformer import WEIGHTS, Hotwords
from asr_cli.models.paraformer_contextual import WEIGHTS as CONTEXTUAL
from asr_cli.models.paraformer_contextual import ContextualParaformer
from asr_cli.models.paraformer_folder import read_folder
from asr_cli.nn.rows import Rows
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.loop import train
from asr_cli.train.optimizer import freeze
from asr_cli.train.task import find_builder
from asr_cli.train.tasks.hotwords import Lots, listed, stretches
from asr_cli.train.tasks.paraformer import ParaformerBatch
from asr_cli.train.tasks.paraformer_seaco import Drawn
from tests.tools.funasr_paraformer_training import IDS, N_ROWS, features
from tests.tools.funasr_seaco_training import CONFS, HOTWORDS, LABELS
from tests.tools.small_paraformer import NO_BIAS, TOKENS, config, seeded, write_folder
from tests.tools.tones import WORDS, recipe, write_corpus

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_seaco_training.json").read_text())
SHAPES = json.loads((GOLDEN / "funasr_paraformer.json").read_text())
NAMES = dict.fromkeys(("bicif", "seaco"), WEIGHTS) | {"contextual": CONTEXTUAL}
IDENTITY = Cmvn(torch.zeros(560), torch.ones(560))
PARTS = {"spelling": "loss_att", "counting": "loss_pre", "times": "loss_pre2", "hotwords": "loss_seaco"}


def settings(variant, **model_conf):
    found = config(variant)
    own = {name: value for name, value in found["model_conf"].items() if name != "predictor_bias"}
    return found | {"model_conf": own | model_conf}


def weights(variant):
    return seeded((name, tuple(shape)) for name, shape in SHAPES[f"{variant}/shapes"].items())


def build(found, tokens=TOKENS, init=None):
    return find_builder(found, Path("c.yaml"))(found, Path("c.yaml"), Vocabulary(tokens), IDENTITY, init)


def task(variant, **model_conf):
    built = build(settings(variant, **model_conf))
    fill(built.net, weights(variant), NAMES[variant], Path("model.pt"))
    built.net.eval()
    return built


def batch(bias):
    ids = [[*one, *[2] * bias] for one in IDS]
    rows = torch.from_numpy(features()).flatten(0, 1)
    return ParaformerBatch(
        rows, (N_ROWS,) * len(IDS), torch.tensor([id for one in ids for id in one]), tuple(map(len, ids))
    )


def given():
    return Drawn(HOTWORDS, [label for labels in LABELS for label in (*labels, -1)])


# Losses


@pytest.mark.parametrize("name", CONFS)
def test_losses_and_gradients_are_funasrs(name):
    variant = name.partition("-")[0]
    ours, golden = task(variant, **CONFS[name]), FACTS[name]
    said = batch(ours.conf.predictor_bias), ours.net
    hotwords = {"bicif": (), "seaco": (given(),), "contextual": (HOTWORDS,)}[variant]
    found = ours.losses_with(*said, *hotwords) if hotwords else ours.losses(*said)
    found.total.backward()
    assert found.total.item() == pytest.approx(golden["loss"], rel=1e-5)
    assert found.weight == golden["weight"]
    parts = {name: golden["parts"][funasrs] for name, funasrs in PARTS.items() if funasrs in golden["parts"]}
    assert {name: found.parts[name].item() for name in parts} == pytest.approx(parts, rel=1e-5)
    gradients = {name: one.grad for name, one in ours.net.named_parameters() if one.grad is not None}
    norms = {name: one.norm().item() for name, one in theirs(gradients, NAMES[variant])}
    assert norms == pytest.approx(golden["gradients"], rel=1e-4, abs=1e-6)


def test_counting_weighs_in_where_funasr_has_none():
    still, counting = (
        task("seaco", predictor_bias=1, sampling_ratio=0.0, predictor_weight=weight, seaco_weight=0.5)
        for weight in (0.0, 2.0)
    )
    least, found = (one.losses_with(batch(1), one.net, given()) for one in (still, counting))
    more = 0.5 * 2.0 * (found.parts["counting"] + 0.5 * found.parts["times"])
    assert found.total.item() == pytest.approx(least.total.item() + more.item(), rel=1e-5)


# What is drawn


def test_texts_give_as_many_hotwords_as_funasrs_shares_say():
    chance = random.Random(0)
    found = [stretches(20, chance) for _ in range(4000)]
    shares = {n: count / len(found) for n, count in Counter(map(len, found)).items()}
    assert shares == pytest.approx({0: 0.25, 1: 0.675, 2: 0.075}, abs=0.02)
    lengths = {end - begin for one in found for begin, end in one}
    assert lengths == set(range(2, 9))
    assert all(begin >= 0 and end <= 20 for one in found for begin, end in one)
    assert all(first[1] <= second[0] for first, second in (one for one in found if len(one) == 2))


@pytest.mark.parametrize(("n_tokens", "most"), [(0, 0), (1, 0), (2, 1), (12, 1), (13, 2)])
def test_short_texts_give_fewer(n_tokens, most):
    chance = random.Random(1)
    assert max(len(stretches(n_tokens, chance)) for _ in range(500)) == most


def test_all_that_is_no_hotword_is_left_to_the_recogniser():
    chance = random.Random(2)
    texts = [[chance.randint(3, 6) for _ in range(chance.randint(1, 15))] + [2] for _ in range(30)]
    ours = task("seaco", predictor_bias=1)
    drawn = ours.lots.hotwords(texts, chance)
    *hotwords, last = listed(drawn)
    assert last == [1] and hotwords
    labels = iter(ours.labels(texts, drawn))
    for text in texts:
        said = text[:-1]
        inside = {
            begin + i for hotword in hotwords for begin in range(len(said)) for i in range(len(hotword))
            if said[begin : begin + len(hotword)] == hotword
        }  # fmt: skip
        wanted = [token if at in inside else NO_BIAS for at, token in enumerate(said)]
        assert [next(labels) for _ in text] == [*wanted, NO_BIAS]


def test_nobody_gives_half_a_word():
    text, goes_on = [3, 4, 5, 6, 7, 8, 9, 2], frozenset({4, 5, 8})  # 3 | 4 5 6 | 7 | 8 9
    chance = random.Random(3)
    found = {one for _ in range(300) for one in Lots(1, goes_on).hotwords([text], chance)}
    assert {one[0] for one in found} <= {3, 4, 7, 8} and {one[-1] for one in found} <= {3, 6, 7, 9}
    assert (4, 5, 6) in found and (8, 9) in found


def test_what_is_drawn_follows_from_torchs_seed():
    ours = task("seaco", predictor_bias=1, sampling_ratio=0.0)
    totals = []
    for seed in (1, 1, 2, 3, 4):
        torch.manual_seed(seed)
        totals.append(ours.losses(batch(1), ours.net).total.item())
    assert totals[0] == totals[1] and len(set(totals)) > 2


# Settings and checkpoints


@pytest.mark.parametrize(
    ("change", "says"),
    [({"NO_BIAS": 8377}, f"NO_BIAS 8377, and its vocabulary {len(TOKENS)} tokens"),
     ({"NO_BIAS": -1}, "NO_BIAS -1"), ({"inner_dim": 256}, "inner_dim 256 for hotwords, and an encoder 32 wide"),
     ({"seaco_lsm_weight": 1.0}, "seaco_lsm_weight 1.0")],
)  # fmt: skip
def test_settings_with_which_no_hotword_could_be_learned_are_refused(change, says):
    with pytest.raises(ModelError, match=says):
        build(settings("seaco", predictor_bias=1, **change))


def test_a_model_that_cannot_be_trained_is_refused_with_those_that_can():
    with pytest.raises(ModelError, match=r"cannot be trained here.*SenseVoiceSmall.*contextualparaformer"):
        build(config("contextual") | {"model": "SenseVoiceSmall"})


@pytest.mark.parametrize("variant", ["paraformer", "bicif", "seaco"])
def test_what_a_checkpoint_has_is_taken_and_the_rest_is_new(tmp_path, variant):
    known = weights(variant)
    ours = build(settings("seaco", predictor_bias=1), init=write_folder(tmp_path / "model", variant, known))
    found = dict(theirs(ours.net.state_dict(), WEIGHTS))
    assert all(torch.equal(found[name], tensor) for name, tensor in known.items() if not name.startswith("ctc."))
    new = {name.split(".")[0] for name, _ in ours.net.named_parameters() if name not in ours.initialised}
    hotwords = {"hotword_encoder", "hotword_decoder", "hotword_output"}
    assert new == {"paraformer": {"times", *hotwords}, "bicif": hotwords, "seaco": set()}[variant]


def test_a_plain_checkpoint_with_its_last_layer_begins_a_contextual_one_that_says_what_it_said(tmp_path):
    known = weights("paraformer")
    init = write_folder(tmp_path / "model", "paraformer", known)
    plain, ours = (build(settings(one, predictor_bias=1, sampling_ratio=0.0), init=init)
                   for one in ("paraformer", "contextual"))  # fmt: skip
    new = {name.rpartition(".")[0] for name, _ in ours.net.named_parameters() if name not in ours.initialised}
    assert {"decoder.merge", "decoder.hotwords.cross.q", "hotword_embed", "hotword_encoder"} <= new
    assert not any(name.startswith(("decoder.last", "decoder.layers", "encoder", "output")) for name in new)
    losses = [one.losses(batch(1), one.net.eval()).total.item() for one in (plain, ours)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_what_a_contextual_one_has_learned_is_read_as_it_was(tmp_path):
    ours = task("contextual", predictor_bias=1)
    ours.write(tmp_path / "model", ours.net.state_dict())
    read = read_folder(tmp_path / "model").net
    assert isinstance(read, ContextualParaformer)
    expected = ours.net.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in read.state_dict().items())
    gone_out = torch.load(tmp_path / "model" / "model.pt", weights_only=True)
    shapes = {name: shape for name, shape in SHAPES["contextual/shapes"].items() if not name.startswith("ctc.")}
    assert {name: list(tensor.shape) for name, tensor in gone_out.items()} == shapes


def test_a_part_that_lacks_a_tensor_is_not_made_up(tmp_path):
    known = weights("seaco")
    del known["bias_encoder.bias_ih_l1"]
    with pytest.raises(ModelError, match=r"missing: hotword_encoder\.bias_ih_l1"):
        build(settings("seaco", predictor_bias=1), init=write_folder(tmp_path / "model", "seaco", known))


# Runs


def with_seaco(width):
    """What a recipe of a Paraformer of that width has more."""
    still = {"dropout_rate": 0.0, "attention_heads": 4, "linear_units": 64, "kernel_size": 11, "sanm_shfit": 0}
    return {
        "model": "SeacoParaformer",
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": {**still, "num_blocks": 1, "att_layer_num": 1, "use_output_layer": False,
                               "wo_input_layer": True},
        "model_conf": {**recipe()["model_conf"], "NO_BIAS": 0, "inner_dim": width, "seaco_weight": 1.0},
    }  # fmt: skip


def with_context(width):
    return {
        "model": "ContextualParaformer",
        "decoder": "ContextualParaformerDecoder",
        "model_conf": {**recipe()["model_conf"], "inner_dim": width},
    }


MODELS = {"SeacoParaformer": with_seaco, "ContextualParaformer": with_context}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
def test_a_run_from_a_plain_model_goes_on_as_if_it_had_not_stopped_and_makes_one_with_hotwords(tmp_path, model):
    plain = build(recipe(), ["<blank>", "<s>", "</s>", *WORDS, "<unk>"])
    plain.write(tmp_path / "plain", plain.net.state_dict())
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe() | MODELS[model](48)))
    data = str(write_corpus(tmp_path / "data", 4))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for out, n_steps in ((parts, 2), (parts, 4), (whole, 4)):
        found = read_recipe(str(tmp_path / "r.yaml"), [f"max_steps={n_steps}"])
        list(train(Run(recipe=found, data=(data,), valid=(data,), out=out, init=tmp_path / "plain", device="cpu")))
    logs = []
    for out in (whole, parts):
        records = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
        logs.append([{name: one[name] for name in one if name != "elapsed"} for one in records if "loss" in one])
    assert logs[0] == logs[1] and len(logs[0]) == 4
    assert type(read_folder(parts / "model").net).__name__ == model


# Four words, each of which is written in two ways, one of them more often.

HOMOPHONES = {word: [(3 + 4 * word + way, 4 + 4 * word + way) for way in (0, 2)] for word in range(4)}
RARELY = 0.3
SOUNDS = torch.randn(len(HOMOPHONES), 6, 560, generator=torch.Generator().manual_seed(0))


def heard(words, written, seed):
    """Utterances of one word each."""
    noise = 0.1 * torch.randn(len(words), 6, 560, generator=torch.Generator().manual_seed(seed))
    ids = [id for word, way in zip(words, written, strict=True) for id in (*HOMOPHONES[word][way], 2)]
    return ParaformerBatch(
        (SOUNDS[words] + noise).flatten(0, 1), (6,) * len(words), torch.tensor(ids), (3,) * len(words)
    )


def learn(ours, n_steps, chance):
    parameters = [one for one in ours.net.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0)
    ours.net.train()
    for step in range(n_steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.005 * min(1.0, (step + 1) / 30, (n_steps - step) / (0.4 * n_steps))
        words = [chance.randrange(4) for _ in range(3)]
        torch.manual_seed(step)
        ours.losses(heard(words, [chance.random() < RARELY for _ in words], step), ours.net).total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    ours.net.eval()


def written(net, word, hotwords):
    """How utterances of a word are written, each pair of tokens as often."""
    said = heard([word] * 8, [1] * 8, 99)
    with torch.inference_mode():
        known = Hotwords(net.embed_hotwords([*map(list, hotwords), [1]])) if hotwords else None
        found = net(said.features, Rows(said.lengths), known)
    return Counter(tuple(part.argmax(-1).tolist()[:2]) for part in found.fired.rows.split(found.logits))


def small(model, width=32):
    """A recogniser of that kind for the words that sound alike, with random weights."""
    still = {"attention_heads": 4, "linear_units": 64, "num_blocks": 1}
    found = recipe() | MODELS[model](width)
    found["model_conf"]["lsm_weight"] = 0.0
    found["encoder_conf"] |= {**still, "output_size": width}
    found["decoder_conf"] |= still
    found["predictor_conf"]["idim"] = width
    torch.manual_seed(0)
    return build(found, ["<blank>", "<s>", "</s>", *(f"t{n}" for n in range(16)), "<unk>"])


def obeys(net):
    """Of what it writes by itself one is usual; the other one is given, or another word's other one. How often, of 32
    times each, it writes the other one that was given, and stays with its own when it was not."""
    usual = [written(net, word, []).most_common(1)[0][0] for word in HOMOPHONES]
    other = [ways[1 - ways.index(pair)] for pair, ways in zip(usual, HOMOPHONES.values(), strict=True)]
    changed = sum(written(net, word, [pair])[pair] for word, pair in enumerate(other))
    return changed, sum(written(net, word, [other[word - 1]])[pair] for word, pair in enumerate(usual))


def test_of_words_that_sound_alike_seaco_writes_the_one_that_is_given():
    ours, chance = small("SeacoParaformer"), random.Random(0)
    learn(ours, 150, chance)
    # From here on the recogniser stays as it is, and the hotwords alone are learned.
    freeze(ours.net, ["encoder", "predictor", "embed", "decoder", "output"])
    ours.hotword_conf = dataclasses.replace(ours.hotword_conf, train_decoder=False)
    learn(ours, 900, chance)
    assert min(obeys(ours.net)) >= 24


def test_of_words_that_sound_alike_a_contextual_one_writes_the_one_that_is_given():
    ours = small("ContextualParaformer")
    learn(ours, 600, random.Random(0))
    assert min(obeys(ours.net)) >= 16  # who does not look at hotwords never changes what it writes
