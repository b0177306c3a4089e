import json
from pathlib import Path

import numpy as np
import pytest
import torch

from asr_cli.checkpoint import fill, theirs
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.uniasr import LONG, SHORT, WEIGHTS
from asr_cli.models.uniasr_folder import read_folder
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.loop import train
from asr_cli.train.tasks.paraformer import ParaformerBatch
from asr_cli.train.tasks.uniasr import build, listen
from tests.tools.funasr_uniasr_training import CONFS, IDS, LENGTHS, features
from tests.tools.small_uniasr import TOKENS, config, seeded, write_folder
from tests.tools.tones import recipe, write_corpus

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_uniasr_training.json").read_text())
SHAPES = json.loads((GOLDEN / "funasr_uniasr.json").read_text())["shapes"]
IDENTITY = Cmvn(torch.zeros(560), torch.ones(560))
STILL = {
    f"{part}_conf": dict.fromkeys(("dropout_rate", "self_attention_dropout_rate", "src_attention_dropout_rate"), 0.0)
    for part in ("decoder", "decoder2")
} | {f"{part}_conf": {"dropout_rate": 0.0} for part in ("encoder", "encoder2")}


def settings(**model_conf):
    found = config()
    found["model_conf"] = {
        name: value for name, value in found["model_conf"].items() if name.startswith("decoder_attention")
    } | model_conf
    return {name: value | STILL.get(name, {}) if isinstance(value, dict) else value for name, value in found.items()}


def weights():
    return seeded((name, tuple(shape)) for name, shape in SHAPES.items())


def task(**model_conf):
    found = build(settings(**model_conf), Path("config.yaml"), Vocabulary(TOKENS), IDENTITY, None)
    fill(found.net, weights(), WEIGHTS, Path("model.pt"))
    return found


def batch(rows=None, ids=None):
    ids = [[*one, 2] for one in ids or IDS]
    rows = rows or list(torch.from_numpy(features()))
    return ParaformerBatch(
        torch.cat(rows), tuple(map(len, rows)), torch.tensor([id for one in ids for id in one]), tuple(map(len, ids))
    )


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", CONFS)
def test_losses_and_gradients_are_funasrs(name, length, monkeypatch):
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(LENGTHS.index(length)))
    ours, golden = task(**CONFS[name]), FACTS[f"{name}/{length}"]
    ours.net.train()
    found = ours.losses(batch(), ours.net)
    found.total.backward()
    assert found.total.item() == pytest.approx(golden["loss"], rel=1e-4)
    for part, wanted in (
        ("spelling", "loss_att"), ("counting", "loss_pre"), ("spelling2", "loss_att2"), ("counting2", "loss_pre2"),
    ):  # fmt: skip
        assert found.parts[part].item() == pytest.approx(golden[wanted], rel=1e-4)
    assert found.weight == golden["weight"]
    gradients = {name: one.grad for name, one in ours.net.named_parameters() if one.grad is not None}
    norms = {name: one.norm().item() for name, one in theirs(gradients, WEIGHTS)}
    assert norms == pytest.approx(golden["gradients"], rel=1e-3, abs=1e-5)


def test_utterances_do_not_hear_their_company():
    ours = task(predictor_weight=1.0)
    ours.net.eval()
    rows = [torch.from_numpy(features()[0]), torch.from_numpy(features()[1][:38])]
    alone = [ours.losses(batch([one], [ids]), ours.net).total.item() for one, ids in zip(rows, IDS, strict=True)]
    together = ours.losses(batch(rows), ours.net).total.item()
    assert together == pytest.approx(sum(alone) / 2, rel=1e-5)
    said = [ours.transcribe(batch([one], [ids]))[0] for one, ids in zip(rows, IDS, strict=True)]
    with torch.no_grad():
        assert ours.transcribe(batch(rows)) == said


def test_training_hears_as_the_encoders_themselves_and_drops_only_in_training():
    ours = task()
    first = ours.dropouts[0]
    rows = list(torch.from_numpy(features()))
    for length in (SHORT, LONG):
        chunks = listen(ours.net.first, rows, length, first, False)
        wanted, _ = ours.net.first.encoder.hear(rows, [None] * 2, [True] * 2, ours.net.first.chunkings[length])
        assert torch.allclose(chunks.encoded, wanted.encoded, atol=1e-6)
    conf = config()
    restless = build(conf, Path("config.yaml"), Vocabulary(TOKENS), IDENTITY, None)
    assert restless.dropouts[1].decoder.block == 0.1
    restless.net.train()
    shaken = [restless.losses(batch(), restless.net).total.item() for _ in range(2)]
    assert shaken[0] != shaken[1]


def test_a_text_that_is_longer_than_its_sound_is_refused():
    assert task().refusal(600, range(40)) is None
    assert "11 tokens" in task().refusal(100, range(10))


@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_a_first_pass_weighs_no_less_than_nothing_and_no_more_than_all(value):
    with pytest.raises(ModelError, match=f"loss_weight_model1 {value}"):
        task(loss_weight_model1=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("freeze_encoder2", True), ("enable_maas_finetune", True), ("encoder1_encoder2_joint_training", False)],
)
def test_settings_that_freeze_parts_say_what_does_so_here(name, value):
    with pytest.raises(ModelError, match="--freeze"):
        task(**{name: value})


def test_a_checkpoint_is_fine_tuned(tmp_path):
    init = write_folder(tmp_path / "init", weights(), settings(predictor_weight=1.0))
    data = write_corpus(tmp_path / "data")
    said = ("hello world", "今天", "world", "你好 world", "hello", "大家好", "我 world", "今天 hello")
    known = [text for text in said if all(one in {*TOKENS, "hello", " "} for one in text.split())] or ["world"]
    (data / "text").write_text("".join(f"u{at} {known[at % len(known)]}\n" for at in range(8)))
    given = recipe()["train"] | {"max_steps": 8, "validate_every": 8, "lr": 0.003, "max_tokens": 3, "warmup_steps": 1}
    (tmp_path / "r.yaml").write_text(json.dumps({"train": given}))
    asked = Run(
        recipe=read_recipe(str(tmp_path / "r.yaml")), data=(str(data),), valid=(str(data),), out=tmp_path / "run",
        init=init, device="cpu",
    )  # fmt: skip
    told = list(train(asked))
    losses = [one.loss for one in told if hasattr(one, "loss") and hasattr(one, "gradient")]
    assert np.mean(losses[-2:]) < 0.8 * losses[0]
    found = read_folder(tmp_path / "run" / "model")
    assert found.vocabulary.tokens == tuple(TOKENS)
