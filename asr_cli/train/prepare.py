"""What a run needs before its first step, made once and kept in its folder: lists, settings, and what its material
makes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from asr_cli.audio.inputs import inside
from asr_cli.errors import ModelError, UsageError
from asr_cli.train.architecture import architecture, merged
from asr_cli.train.config import Run, TrainConfig
from asr_cli.train.data.lists import Skipped, read_records, read_skipped, write_records
from asr_cli.train.data.material import Material, find_material
from asr_cli.train.optimizer import freeze
from asr_cli.train.run_folder import (
    ASKED,
    BEGINNING,
    CONFIG,
    SKIPPED,
    STATE,
    TRAIN_LIST,
    VALID_LIST,
    give_up,
    is_begun,
    refuse_strangers,
    report,
    settle,
    told,
)
from asr_cli.train.task import Task, find_material_class

MOST_SKIPPED = 0.5  # of the utterances; with more, something else is wrong
# What may change when a run goes on: when it ends, and how its data comes.
FREE = ("max_steps", "max_epochs", "max_hours", "patience", "workers", "longest_streak")


@dataclass(frozen=True, slots=True)
class Prepared:
    """train, valid: records of the material."""

    material: Material
    train: list[Any]
    valid: list[Any]
    n_skipped: int


def prepare(run: Run) -> None:
    """Make the run's folder, or see that it is this run's. What was there before goes when all else is done."""
    try:
        if goes_on(run):
            return
        if run.init is not None and is_begun(run.out) and run.init.resolve().is_relative_to(run.out.resolve()):
            raise UsageError(
                f"--init-from {str(run.init)!r} is in {str(run.out)!r}, which would be begun anew and lose it; name"
                " another folder with -o"
            )
        settings = architecture(run)
        find_material_class(settings, run.described)  # which says what cannot be trained
        beginning = run.out / BEGINNING
        shutil.rmtree(beginning, ignore_errors=True)
        beginning.mkdir(parents=True)
        fill(replace(run, out=beginning), settings, report(run.out))
    except BaseException:
        give_up(run.out)
        raise
    settle(run.out)


def goes_on(run: Run) -> bool:
    """Whether this run was begun there already."""
    refuse_strangers(run.out)
    found = told(run.out)
    if run.overwrite or found is None:
        return False
    differing = differences(with_usual(found), asked(run))
    if differing and (run.out / STATE).is_file():
        raise UsageError(
            f"{str(run.out)!r} was begun with other settings ({'; '.join(sorted(differing)[:5])}); give those,"
            " another folder, or --overwrite to begin anew"
        )
    return not differing


def fill(run: Run, settings: Mapping[str, Any], reported: Path) -> None:
    """reported: where what is left out is told, if it is too much."""
    config = run.recipe.train
    if config.augment.noise is not None:
        inside(config.augment.noise, True)  # which says what is wrong with the folder
    material = find_material(run, settings)
    train, skipped = material.read(run.data)
    valid, skipped_valid = material.read(run.valid)
    skipped += skipped_valid
    write_records(run.out / SKIPPED, skipped)
    check_enough(train, valid, skipped, reported)
    material.begin(train)
    task = material.build()
    freeze(task.net, run.freeze)  # which says what cannot be
    found = []
    for kept in (train, valid):
        usable, unusable = screened(kept, material, task)
        found.append(usable)
        skipped += unusable
    write_records(run.out / SKIPPED, skipped)
    check_enough(found[0], found[1], skipped, reported)
    write_records(run.out / TRAIN_LIST, found[0])
    write_records(run.out / VALID_LIST, found[1])
    (run.out / CONFIG).write_text(
        yaml.safe_dump({**settings, "train": listed(asdict(config))}, allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )
    (run.out / ASKED).write_text(json.dumps(asked(run), indent=1), encoding="utf-8")


def screened(found: Sequence[Any], material: Material, task: Task) -> tuple[list[Any], list[Skipped]]:
    """The records that can be learned from, and the others."""
    usable, unusable = [], []
    for one in found:
        why = material.refusal(one, task)
        if why is None:
            usable.append(one)
        else:
            unusable.append(Skipped(one.key, why))
    return usable, unusable


def check_enough(train: Sequence[Any], valid: Sequence[Any], skipped: Sequence[Skipped], path: Path) -> None:
    first = f"{skipped[0].key!r}: {skipped[0].why}" if skipped else "the lists are empty"
    where = f"; all are in {str(path)!r}" if skipped else ""
    n_all = len(train) + len(valid) + len(skipped)
    if not train or not valid:
        which = "train on" if not train else "validate on"
        raise UsageError(f"there is nothing to {which} ({first}){where}; check the data")
    if len(skipped) > MOST_SKIPPED * n_all:
        raise UsageError(f"{len(skipped)} of {n_all} utterances cannot be used, such as {first}{where}; check the data")


def asked(run: Run) -> dict[str, Any]:
    """What makes a run this run."""
    train = {name: value for name, value in asdict(run.recipe.train).items() if name not in FREE}
    found = {
        "train": train,
        "architecture": dict(run.recipe.architecture),
        "data": list(run.data),
        "valid": list(run.valid),
        "init": None if run.init is None else str(run.init),
        "freeze": list(run.freeze),
        "precision": run.precision,
    }
    made: dict[str, Any] = json.loads(json.dumps(found))
    return made


def with_usual(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked when it began; a setting that there was not yet had what is usual now."""
    usual = json.loads(json.dumps(asdict(TrainConfig())))
    return {
        **found, "train": merged({name: one for name, one in usual.items() if name not in FREE}, found["train"])
    }  # fmt: skip


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            one for key in keys for one in differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if before == now else [f"{name} {before!r}, now {now!r}"]


def read_prepared(run: Run) -> Prepared:
    """What `prepare` made, here or on another machine that shares the folder."""
    out = run.out
    if not is_begun(out):
        raise ModelError(f"{str(out)!r} is no training run; all machines must see the same folder")
    material = find_material(run, architecture(run))
    train, valid = ([material.record(one) for one in read_records(out / name)] for name in (TRAIN_LIST, VALID_LIST))
    return Prepared(material, train, valid, len(read_skipped(out / SKIPPED)))


def listed(values: Any) -> Any:
    """Tuples as lists: YAML knows no tuples."""
    if isinstance(values, dict):
        return {name: listed(value) for name, value in values.items()}
    return [listed(one) for one in values] if isinstance(values, list | tuple) else values
