"""Of what model a run is: a recipe's, a checkpoint's, or the one with what the other says besides."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from asr_cli.errors import UsageError
from asr_cli.models.folder import CONFIGS, file_of, find_file, read_yaml
from asr_cli.punctuation.weights import CONFIGS as PUNC_CONFIGS
from asr_cli.train.config import Recipe, Run, TrainConfig
from asr_cli.train.task import MATERIALS, TASKS, kind_of
from asr_cli.train.tasks import whisper_folder as transformers
from asr_cli.train.theirs import THEIRS

log = logging.getLogger("asr")

KNOWN_CONFIGS = (*CONFIGS[0], *PUNC_CONFIGS[0]), (*CONFIGS[1], *PUNC_CONFIGS[1])
PARTS = (
    "model", "frontend", "specaug", "normalize", "encoder", "encoder2", "preencoder", "postencoder", "decoder",
    "decoder2", "seaco_decoder", "predictor", "predictor2", "stride_conv", "joint_network", "ctc", "tokenizer",
    "dataset", "optim", "scheduler", "train",
)  # fmt: skip
NAMES = (*PARTS, *(f"{name}_conf" for name in PARTS), "token_list", "punctuation", "distill")
FUNASRS_TRAINING = (
    "train_conf", "optim", "optim_conf", "scheduler", "scheduler_conf", "dataset_conf", "specaug_conf", "grad_clip",
    "accum_grad", "max_epoch",
)  # fmt: skip
NEAR = 0.8
# Whose weights begin another one, beside its own: streaming and not, a Paraformer has the same.
KIN = {"asr_cli.train.tasks.paraformer_streaming:build": "asr_cli.train.tasks.paraformer:build"}


def architecture(run: Run) -> dict[str, Any]:
    """The checkpoint's, with what the recipe says besides; or the recipe's."""
    refuse_slips(run.recipe)
    wanted = run.recipe.architecture.get("model")
    if run.init is None:
        if not wanted:
            raise UsageError(
                f"{str(run.recipe.path)!r} describes no model; name a recipe that does, or a checkpoint (--init-from)"
            )
        return dict(run.recipe.architecture)
    path, settings = settings_of(run.init)
    if wanted and family(run.recipe.architecture, run.recipe.path) != family(settings, path):
        raise UsageError(
            f"{str(run.recipe.path)!r} describes another model ({wanted}) than {str(run.init)!r} is"
            f" ({settings.get('model') or settings.get('punctuation')}); name a recipe for that, or none, or begin"
            " without --init-from"
        )
    for name in ("train", "train_conf", "optim_conf", "dataset_conf", "scheduler_conf", "token_list"):
        settings.pop(name, None)
    return merged(settings, run.recipe.architecture)


def settings_of(init: Path) -> tuple[Path, dict[str, Any]]:
    """A checkpoint's configuration as FunASR has them, whoever wrote it."""
    if find_file(init, KNOWN_CONFIGS) is None and (init / transformers.CONFIG).is_file():
        return init / transformers.CONFIG, transformers.settings_of(init)
    path = file_of(init, KNOWN_CONFIGS)
    return path, read_yaml(path)


def family(settings: Mapping[str, Any], path: Path) -> str:
    places = {**TASKS, **MATERIALS}
    place = places[kind_of(settings, path, places)]
    return KIN.get(place, place)


def refuse_slips(recipe: Recipe) -> None:
    """Names that are nearly a part's, and settings of training beside their section, would be passed over."""
    own = [one.name for one in fields(TrainConfig)]
    for name in strangers(recipe):
        near = [f"train.{name}"] if name in own else get_close_matches(name, NAMES, n=1, cutoff=NEAR)
        if near:
            raise UsageError(f"{str(recipe.path)!r} has no use for {name!r}; did you mean {near[0]!r}?")


def tell_strangers(recipe: Recipe) -> None:
    """Names that nobody knows, in a line; of FunASR's own, those that say how it is to train."""
    names = ", ".join(map(repr, strangers(recipe)))
    if names:
        log.warning("%r has no use for %s; nobody will read that", str(recipe.path), names, extra={"code": "W-UNUSED"})
    own = (*FUNASRS_TRAINING, *(one.name for one in fields(TrainConfig)))
    names = ", ".join(repr(name) for name, value in recipe.architecture.items() if name in own and value is not None)
    if names:
        log.warning(
            "%r has %s, which FunASR trains with and nobody reads here; say so in the section 'train'",
            str(recipe.path), names, extra={"code": "W-UNUSED"},
        )  # fmt: skip


def strangers(recipe: Recipe) -> list[str]:
    return [name for name in map(str, recipe.architecture) if name not in NAMES and name not in THEIRS]


def merged(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(settings)
    for name, value in over.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
