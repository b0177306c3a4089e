"""What a run needs before its first step, made once and kept in its folder: lists, vocabulary, norms, settings."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from asr_cli.audio.inputs import inside
from asr_cli.errors import ModelError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import CONFIGS, NORMS, file_of, read_yaml
from asr_cli.models.paraformer_folder import read_vocabulary
from asr_cli.models.write_folder import mvn
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.config import Run, TrainConfig
from asr_cli.train.data import Corpus
from asr_cli.train.lists import (
    Skipped,
    Utterance,
    measured,
    read_lists,
    read_skipped,
    read_utterances,
    write_skipped,
    write_utterances,
)
from asr_cli.train.norms import measure, stacked
from asr_cli.train.optimizer import freeze
from asr_cli.train.task import Task, find_builder
from asr_cli.train.tokens import Speller, build_tokens, lexicon

STATE = "state.pt"
CONFIG, TRAIN_LIST, VALID_LIST, SKIPPED = "config.yaml", "train-list.jsonl", "valid-list.jsonl", "skipped.jsonl"
TOKENS, MVN, LEXICON, ASKED = "tokens.json", "am.mvn", "seg_dict", "run.json"
MADE = TOKENS, MVN, LEXICON
MOST_SKIPPED = 0.5  # of the utterances; with more, something else is wrong
# What may change when a run goes on: when it ends, and how its data comes.
FREE = ("max_steps", "max_epochs", "max_hours", "patience", "workers", "longest_streak")


@dataclass(frozen=True, slots=True)
class Prepared:
    settings: Mapping[str, Any]
    path: Path
    vocabulary: Vocabulary
    cmvn: Cmvn
    train: list[Utterance]
    valid: list[Utterance]
    n_skipped: int

    @property
    def sample_rate(self) -> int:
        return int(frontend(self.settings).get("fs", 16_000))

    @property
    def n_mels(self) -> int:
        return int(frontend(self.settings).get("n_mels", 80))


def frontend(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    found = settings.get("frontend_conf") or {}
    return found if isinstance(found, dict) else {}


def prepare(run: Run) -> None:
    """Make the run's folder, or see that it is this run's."""
    if run.overwrite:
        clear(run.out)
    if is_begun(run.out):
        differing = differences(json.loads((run.out / ASKED).read_text(encoding="utf-8")), asked(run))
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
    path = run.recipe.path
    find_builder(settings, path)
    run.out.mkdir(parents=True, exist_ok=True)
    try:
        fill(run, settings, path)
    except BaseException:
        # Without the last file a folder is no run: nobody should have to remove what a mistake left behind.
        for name in (CONFIG, TRAIN_LIST, VALID_LIST, *MADE):
            (run.out / name).unlink(missing_ok=True)
        if not any(run.out.iterdir()):
            run.out.rmdir()
        raise


def fill(run: Run, settings: Mapping[str, Any], path: Path) -> None:
    config = run.recipe.train
    if config.augment.noise is not None:
        inside(config.augment.noise, True)  # which says what is wrong with the folder
    train, skipped = utterances(run.data, config)
    valid, skipped_valid = utterances(run.valid, config)
    vocabulary = make_vocabulary(run, settings, [one.text for one in train])
    cmvn = make_norms(run, settings, train, vocabulary)
    task = find_builder(settings, path)(settings, path, vocabulary, cmvn, run.init)
    freeze(task.net, run.freeze)  # which says what cannot be
    speller = Speller(vocabulary)
    found = []
    for kept in (train, valid):
        usable, unusable = screened(kept, config, speller, task)
        found.append(usable)
        skipped += unusable
    skipped += skipped_valid
    write_skipped(run.out / SKIPPED, skipped)
    check_enough(found[0], found[1], skipped, run.out / SKIPPED)
    write_utterances(run.out / TRAIN_LIST, found[0])
    write_utterances(run.out / VALID_LIST, found[1])
    words = lexicon((one.text for one in train), vocabulary)
    text = "".join(f"{word} {' '.join(pieces)}\n" for word, pieces in words.items())
    (run.out / LEXICON).write_text(text, encoding="utf-8")
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
    settings = read_yaml(file_of(run.init, CONFIGS))
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


def utterances(names: Sequence[str], config: TrainConfig) -> tuple[list[Utterance], list[Skipped]]:
    listed, lonely = read_lists(names)
    found, missing = measured(listed, normalize=config.normalize)
    return found, [*lonely, *missing]


def make_vocabulary(run: Run, settings: Mapping[str, Any], texts: Sequence[str]) -> Vocabulary:
    if run.init is not None:
        tokens: Sequence[str] = read_vocabulary(run.init, read_yaml(file_of(run.init, CONFIGS))).tokens
    else:
        tokens = build_tokens(texts, run.recipe.train.vocabulary)
    text = json.dumps(list(tokens), ensure_ascii=False, indent=0)
    (run.out / TOKENS).write_text(text, encoding="utf-8")
    return Vocabulary(tokens)


def make_norms(run: Run, settings: Mapping[str, Any], train: Sequence[Utterance], vocabulary: Vocabulary) -> Cmvn:
    """The checkpoint's, or those of the data."""
    if run.init is not None:
        cmvn = Cmvn.from_file(file_of(run.init, NORMS))
    else:
        conf, config = frontend(settings), run.recipe.train
        corpus = Corpus(train, vocabulary, sample_rate=int(conf.get("fs", 16_000)), n_mels=int(conf.get("n_mels", 80)))
        mean, deviation = measure(corpus, config.cmvn_hours, config.seed)
        cmvn = stacked(mean, deviation, int(conf.get("lfr_m", 1)))
    (run.out / MVN).write_text(mvn(cmvn), encoding="utf-8")
    return Cmvn.from_file(run.out / MVN)


def screened(
    found: Sequence[Utterance], config: TrainConfig, speller: Speller, task: Task
) -> tuple[list[Utterance], list[Skipped]]:
    """The utterances that can be learned from, and the others."""
    usable, unusable = [], []
    for one in found:
        why = refusal(one, config, speller, task)
        if why is None:
            usable.append(one)
        else:
            unusable.append(Skipped(one.key, why))
    return usable, unusable


def refusal(one: Utterance, config: TrainConfig, speller: Speller, task: Task) -> str | None:
    ids, unknown = speller.ids(one.text)
    if not one.text:
        return "its text is empty"
    if not config.min_seconds <= one.seconds <= config.max_seconds:
        return f"it is {one.seconds:.2f} s long, not {config.min_seconds:g} to {config.max_seconds:g}"
    if unknown and (config.unknown == "skip" or speller.vocabulary.unknown is None):
        return f"the vocabulary cannot spell {', '.join(map(repr, unknown[:5]))}"
    if len(ids) > config.max_tokens:
        return f"its text has {len(ids)} tokens, more than {config.max_tokens}"
    return task.refusal(int(one.seconds * 100), ids)


def check_enough(
    train: Sequence[Utterance], valid: Sequence[Utterance], skipped: Sequence[Skipped], path: Path
) -> None:
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
    return Prepared(
        settings=architecture(run),
        path=run.recipe.path,
        vocabulary=Vocabulary.from_file(out / TOKENS),
        cmvn=Cmvn.from_file(out / MVN),
        train=read_utterances(out / TRAIN_LIST),
        valid=read_utterances(out / VALID_LIST),
        n_skipped=len(read_skipped(out / SKIPPED)),
    )


def listed(values: Any) -> Any:
    """Tuples as lists: YAML knows no tuples."""
    if isinstance(values, dict):
        return {name: listed(value) for name, value in values.items()}
    return [listed(one) for one in values] if isinstance(values, list | tuple) else values
