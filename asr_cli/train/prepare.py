"""What a run needs before its first step, made once and kept in its folder: lists, settings, and what its material
makes."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from asr_cli.audio.inputs import inside
from asr_cli.errors import ModelError, UsageError
from asr_cli.models.folder import CONFIGS, file_of, read_yaml
from asr_cli.punctuation.weights import CONFIGS as PUNC_CONFIGS
from asr_cli.train.config import Run, TrainConfig
from asr_cli.train.lists import Skipped, read_records, read_skipped, write_records
from asr_cli.train.material import Material, find_material
from asr_cli.train.optimizer import freeze
from asr_cli.train.task import Task, find_material_class
from asr_cli.train.transcripts import LEXICON, MVN, TOKENS

STATE = "state.pt"
CONFIG, TRAIN_LIST, VALID_LIST, SKIPPED = "config.yaml", "train-list.jsonl", "valid-list.jsonl", "skipped.jsonl"
ASKED = "run.json"
MADE = TOKENS, MVN, LEXICON  # by one material or another
KNOWN_CONFIGS = (*CONFIGS[0], *PUNC_CONFIGS[0]), (*CONFIGS[1], *PUNC_CONFIGS[1])
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
    """Make the run's folder, or see that it is this run's."""
    if run.overwrite:
        clear(run.out)
    if is_begun(run.out):
        differing = differences(told(run.out / ASKED), asked(run))
        if not differing:
            return
        if (run.out / STATE).is_file():
            raise UsageError(
                f"{str(run.out)!r} was begun with other settings ({'; '.join(sorted(differing)[:5])}); give those,"
                " another folder, or --overwrite to begin anew"
            )
        clear(run.out)  # it never got as far as its first state
    if strangers(run.out):
        raise UsageError(f"{str(run.out)!r} holds something else than a training run; name another folder with -o")
    settings = architecture(run)
    find_material_class(settings, run.recipe.path)  # which says what cannot be trained
    run.out.mkdir(parents=True, exist_ok=True)
    try:
        fill(run, settings)
    except BaseException:
        # Without the last file a folder is no run: nobody should have to remove what a mistake left behind.
        for name in (CONFIG, TRAIN_LIST, VALID_LIST, *MADE):
            (run.out / name).unlink(missing_ok=True)
        if not any(run.out.iterdir()):
            run.out.rmdir()
        raise


def fill(run: Run, settings: Mapping[str, Any]) -> None:
    config = run.recipe.train
    if config.augment.noise is not None:
        inside(config.augment.noise, True)  # which says what is wrong with the folder
    material = find_material(run, settings)
    train, skipped = material.read(run.data)
    valid, skipped_valid = material.read(run.valid)
    material.begin(train)
    task = material.build()
    freeze(task.net, run.freeze)  # which says what cannot be
    found = []
    for kept in (train, valid):
        usable, unusable = screened(kept, material, task)
        found.append(usable)
        skipped += unusable
    skipped += skipped_valid
    write_records(run.out / SKIPPED, skipped)
    check_enough(found[0], found[1], skipped, run.out / SKIPPED)
    write_records(run.out / TRAIN_LIST, found[0])
    write_records(run.out / VALID_LIST, found[1])
    (run.out / CONFIG).write_text(
        yaml.safe_dump({**settings, "train": listed(asdict(config))}, allow_unicode=True, sort_keys=False),
        encoding="utf-8",
    )
    (run.out / ASKED).write_text(json.dumps(asked(run), indent=1), encoding="utf-8")


def is_begun(out: Path) -> bool:
    """Whether there is a run in the folder, prepared at least."""
    return (out / ASKED).is_file()


def strangers(out: Path) -> list[Path]:
    """What is in a folder that no run of ours began."""
    if not out.exists() or is_begun(out):
        return []
    if not out.is_dir():
        return [out]
    return [path for path in out.iterdir() if path.name not in (CONFIG, TRAIN_LIST, VALID_LIST, SKIPPED, *MADE)]


def clear(out: Path) -> None:
    if strangers(out):
        raise UsageError(f"{str(out)!r} holds something else than a training run, which is not removed; name another")
    shutil.rmtree(out, ignore_errors=True)


def architecture(run: Run) -> dict[str, Any]:
    """The checkpoint's, with what the recipe says besides; or the recipe's."""
    if run.init is None:
        if not run.recipe.architecture.get("model"):
            raise UsageError(
                f"{str(run.recipe.path)!r} describes no model; name a recipe that does, or a checkpoint (--init-from)"
            )
        return dict(run.recipe.architecture)
    settings = read_yaml(file_of(run.init, KNOWN_CONFIGS))
    settings.pop("train", None)
    for name in ("train_conf", "optim_conf", "dataset_conf", "scheduler_conf", "token_list"):
        settings.pop(name, None)
    return merged(settings, run.recipe.architecture)


def merged(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(settings)
    for name, value in over.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


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


def told(path: Path) -> Any:
    """What a run was asked when it began; a setting that there was not yet had what is usual now."""
    found = json.loads(path.read_text(encoding="utf-8"))
    usual = json.loads(json.dumps(asdict(TrainConfig())))
    return found | {"train": merged({name: one for name, one in usual.items() if name not in FREE}, found["train"])}


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
    if not (out / ASKED).is_file():
        raise ModelError(f"{str(out)!r} is no training run; all machines must see the same folder")
    material = find_material(run, architecture(run))
    train, valid = ([material.record(one) for one in read_records(out / name)] for name in (TRAIN_LIST, VALID_LIST))
    return Prepared(material, train, valid, len(read_skipped(out / SKIPPED)))


def listed(values: Any) -> Any:
    """Tuples as lists: YAML knows no tuples."""
    if isinstance(values, dict):
        return {name: listed(value) for name, value in values.items()}
    return [listed(one) for one in values] if isinstance(values, list | tuple) else values
