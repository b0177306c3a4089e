"""What a recipe may have beside the settings that somebody reads."""

import logging
import re
from pathlib import Path

import pytest
import yaml

from asr_cli.errors import UsageError
from asr_cli.train.architecture import refuse_slips, strangers, tell_strangers
from asr_cli.train.config import RECIPES, Recipe, Run, TrainConfig, read_recipe
from asr_cli.train.loop import train
from tests.tools.tones import recipe, write_corpus

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "data" / "configs"


def having(**names):
    return Recipe({**recipe(), **names}, TrainConfig(), Path("recipe.yaml"))


def names_of(path):
    """The names at the top; what is below takes YAML minutes to read, with all the tokens."""
    return set(re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.shared
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="FunASR's configurations are not beside the checkout")
def test_every_configuration_that_funasr_published_is_a_recipe_without_slips():
    found = {path: names_of(path) for path in PUBLISHED.rglob("*.yaml")}
    models = {path: names for path, names in found.items() if names & {"model", "punctuation", "vad_post_conf"}}
    assert len(models) >= 20
    for path, names in models.items():
        one = Recipe(dict.fromkeys(names), TrainConfig(), path)
        refuse_slips(one)
        assert strangers(one) == [], path


def test_what_only_funasr_reads_may_stay_though_it_is_nearly_a_part():
    refuse_slips(having(joint_net_conf=None, seed=0, patience=None, grad_clip=5))
    assert strangers(having(joint_net_conf=None, init_param=[], train_data_set_list="data.jsonl")) == []


def test_the_recipes_that_come_with_the_program_hold_nothing_that_nobody_reads():
    for path in RECIPES.iterdir():
        assert strangers(read_recipe(path.name.removesuffix(".yaml"))) == []


@pytest.mark.parametrize(
    ("name", "meant"), [("encodr_conf", "encoder_conf"), ("predictr", "predictor"), ("max_steps", "train.max_steps"),
                        ("lr", "train.lr")],
)  # fmt: skip
def test_what_is_nearly_right_is_refused(name, meant):
    with pytest.raises(UsageError, match=f"no use for '{name}'; did you mean '{meant}'"):
        refuse_slips(having(**{name: 1}))


def test_what_funasr_would_train_with_is_told(caplog):
    tell_strangers(having(optim_conf={"lr": 0.0005}, seed=7, grad_clip=None, specaug_conf={}))
    assert caplog.messages == [
        "'recipe.yaml' has 'optim_conf', 'seed', 'specaug_conf', which FunASR trains with and nobody reads here; say so"
        " in the section 'train'"
    ]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
def test_what_nobody_knows_is_told_in_a_line(tmp_path, caplog):
    data = str(write_corpus(tmp_path / "data"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**recipe(), "flavour": 1, "colours": [], "version": "1"}))
    asked = Run(recipe=read_recipe(str(path)), data=(data,), valid=(data,), out=tmp_path / "run", device="cpu")
    going = train(asked)
    next(going)
    going.close()
    [told] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert told.code == "W-UNUSED"
    assert told.getMessage() == f"{str(path)!r} has no use for 'colours', 'flavour'; nobody will read that"
