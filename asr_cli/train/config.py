"""What a training run is told: a model's architecture as FunASR writes it, and beside it the section `train`."""

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError, NotFoundError, UsageError
from asr_cli.models.folder import read_yaml

RECIPES = files("asr_cli.train") / "recipes"
SCHEDULES = ("warmup", "cosine", "constant")
KINDS = ("auto", "char", "word", "mixed", "bpe")
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
TRAIN = "train"
# The tables of a checkpoint's configuration.
CONFS = ("model_conf", "encoder_conf", "encoder2_conf", "decoder_conf", "decoder2_conf", "seaco_decoder_conf",
         "joint_network_conf", "predictor_conf", "predictor2_conf", "frontend_conf", "tokenizer_conf",
         "distill")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecConfig:
    """SpecAugment (Park et al. 2019, arXiv:1904.08779). Widths are the largest: mel bands, and frames of 10 ms.

    time_share: of an utterance, the most that one time mask may hide.
    """

    freq_masks: int = 2
    freq_width: int = 27
    time_masks: int = 2
    time_width: int = 50
    time_share: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """What is done to recordings so that they differ each time.

    noise: a folder of recordings, mixed into a share noise_probability of the utterances; noise_snr: from, to, in dB.
    reverb: the share that is put into a made-up room.
    """

    speed: tuple[float, ...] = (0.9, 1.0, 1.1)
    spec: SpecConfig | None = field(default_factory=SpecConfig)
    noise: str | None = None
    noise_probability: float = 0.5
    noise_snr: tuple[float, ...] = (5.0, 25.0)
    reverb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyConfig:
    """kind: char (each character), word, bpe (pieces of words), or auto: char for unspaced scripts, else bpe.

    size: of word and bpe, the most tokens there may be.
    """

    kind: str = "auto"
    size: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The section `train`.

    normalize: texts to NFKC, small letters, no punctuation. unknown: what happens to utterances whose text the
    vocabulary cannot spell, skip or keep (as <unk>). mistakes: what share of a text to punctuate is misheard at most.
    batch_seconds: of audio for each device at once, padding counted; batch_words: of text, where there is no audio.
    accumulate: so many batches make a step. clip: the largest norm of the gradient, 0 for none. ema: decay of a running
    average of the weights, 0 for none; average: of how many of the best weights the final model is the mean.
    validate_every, save_every: steps. patience: validations without a better one, 0 for no end. init_lr_scale: of the
    learning rate, for what comes from a checkpoint. workers: processes that read recordings. cmvn_hours: how much is
    heard for the mean and variance. longest_streak: steps in a row whose gradient may be no number.
    """

    seed: int = 1
    max_steps: int | None = None
    max_epochs: int | None = None
    max_hours: float | None = None
    batch_seconds: float = 120.0
    batch_words: int = 2400
    accumulate: int = 1
    min_seconds: float = 0.1
    max_seconds: float = 30.0
    max_tokens: int = 200
    normalize: bool = True
    unknown: str = "skip"
    mistakes: float = 0.0
    lr: float = 1e-3
    betas: tuple[float, ...] = (0.9, 0.98)
    weight_decay: float = 0.01
    warmup_steps: int = 1000
    schedule: str = "warmup"
    clip: float = 5.0
    ema: float = 0.0
    average: int = 5
    validate_every: int = 500
    save_every: int = 500
    patience: int = 0
    init_lr_scale: float = 1.0
    workers: int = 2
    cmvn_hours: float = 5.0
    longest_streak: int = 20
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)


@dataclass(frozen=True, slots=True)
class Recipe:
    """architecture: as FunASR's config.yaml, empty where a checkpoint is to say it. path: where it was read."""

    architecture: Mapping[str, Any]
    train: TrainConfig
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One call of the trainer. data, valid: Kaldi folders or JSON lists. init: a checkpoint folder to begin from.

    devices: how many on this machine, 0 for all. freeze: prefixes of parameters that stay as they are.
    """

    recipe: Recipe
    data: tuple[str, ...]
    valid: tuple[str, ...]
    out: Path
    init: Path | None = None
    freeze: tuple[str, ...] = ()
    overwrite: bool = False
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "float32"

    @property
    def described(self) -> Path:
        """Where it stands what model this is, for messages."""
        return self.recipe.path if self.init is None or self.recipe.architecture else self.init


def read_recipe(name: str | None, changes: Sequence[str] = ()) -> Recipe:
    """A recipe from a file or by name, with changes such as "train.lr=0.002". No name: nothing but the changes."""
    path = find_recipe(name) if name else Path("the command line")
    settings = read_settings(path) if name else {}
    for change in changes:
        change_setting(settings, change)
    train = settings.pop(TRAIN, None) or {}
    if not isinstance(train, dict):
        raise UsageError(f"{str(path)!r}: train is no table of settings; write one setting a line below it")
    found: TrainConfig = parsed(TrainConfig, train, TRAIN, path)
    check(found, path)
    return Recipe(settings, found, path)


def read_settings(path: Path) -> dict[str, Any]:
    """A recipe that cannot be read is its writer's to mend, unlike a model's configuration."""
    try:
        return read_yaml(path)
    except ModelError as error:
        where = getattr(error.__cause__, "problem_mark", None)
        line = f": line {where.line + 1} is no YAML" if where else ": it is no YAML, or no table of settings"
        raise UsageError(
            f"{str(path)!r} cannot be read as a recipe{line}; asr train --help says what it holds"
        ) from error


def read_precision(name: str) -> str:
    if name not in PRECISIONS:
        raise UsageError(f"{name!r} is no precision; there are {', '.join(PRECISIONS)}")
    return name


def find_recipe(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    known = sorted(path.name.removesuffix(".yaml") for path in RECIPES.iterdir() if path.name.endswith(".yaml"))
    if name in known:
        return Path(str(RECIPES / f"{name}.yaml"))
    near = get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"name a YAML file or one of {', '.join(known)}"
    raise NotFoundError(f"there is no recipe {name!r}; {advice}")


def change_setting(settings: dict[str, Any], change: str) -> None:
    """Put "a.b=value" into nested tables; what is no table of the model is one of `train`."""
    name, equals, text = change.partition("=")
    *tables, last = name.strip().split(".")
    if not equals or not last or not all(tables):
        raise UsageError(f"--set {change!r} is no setting; write name=value, such as lr=0.001")
    first = tables[0] if tables else last
    if not tables and first in [one.name for one in fields(TrainConfig)]:
        tables = [TRAIN]  # though FunASR's configurations may have one of that name
    elif first != TRAIN and first not in settings:
        tables = [*place_of(first, settings, change), *tables]
    for table in tables:
        settings = settings.setdefault(table, {})
        if not isinstance(settings, dict):
            raise UsageError(f"--set {change!r}: {table!r} is no table of settings")
    try:
        settings[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {change!r}: {text!r} is no value; write it as YAML does") from error


def place_of(name: str, settings: Mapping[str, Any], change: str) -> list[str]:
    """In which table a name is that the recipe does not have."""
    own = [one.name for one in fields(TrainConfig)]
    if name in own:
        return [TRAIN]
    tables = () if "model" in settings else CONFS
    if name in tables:
        return []  # of the checkpoint that is begun from
    near = get_close_matches(name, [*own, *tables, *map(str, settings)], n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join([*map(str, settings), *own])}"
    raise UsageError(f"--set {change!r}: there is no setting {name!r}; {advice}")


def parsed(kind: Any, values: Mapping[str, Any], where: str, path: Path) -> Any:
    """A dataclass from a table; what it does not know is refused with what was probably meant."""
    hints = get_type_hints(kind)
    refuse_unknown(values, [one.name for one in fields(kind)], where, path)
    return kind(**{name: value_of(f"{where}.{name}", value, hints[name], path) for name, value in values.items()})


def refuse_unknown(values: Iterable[Any], known: Sequence[str], where: str, path: Path) -> None:
    for name in map(str, values):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"{str(path)!r}: {where} has no setting {name!r}; {advice}")


def value_of(name: str, value: Any, hint: Any, path: Path) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(one for one in get_args(hint) if one is not type(None))
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{str(path)!r} has {name} {value!r}, where a table of settings should be")
        return parsed(hint, value, name, path)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{str(path)!r} has {name} {value!r}, where a list of numbers should be")
        return tuple(value_of(name, one, get_args(hint)[0], path) for one in value)
    try:
        return fitted(name, value, hint, path)
    except ModelError as error:
        raise UsageError(str(error)) from error


POSITIVE = ("batch_seconds", "batch_words", "accumulate", "max_seconds", "max_tokens", "lr", "warmup_steps", "average",
            "validate_every", "save_every", "init_lr_scale", "cmvn_hours", "longest_streak")  # fmt: skip


def check(train: TrainConfig, path: Path) -> None:
    """Refuse values that make no sense before anything is done with them."""

    def refuse(name: str, what: str) -> None:
        value = attrgetter(name)(train)
        raise UsageError(f"{str(path)!r} has {TRAIN}.{name} {value!r}, where {what} should be")

    for name in POSITIVE:
        if getattr(train, name) <= 0:
            refuse(name, "a number above 0")
    for name in ("max_steps", "max_epochs", "max_hours"):
        if getattr(train, name) is not None and getattr(train, name) <= 0:
            refuse(name, "a number above 0")
    if train.schedule not in SCHEDULES:
        refuse("schedule", " or ".join(SCHEDULES))
    if train.schedule == "cosine" and train.max_hours and not (train.max_steps or train.max_epochs):
        refuse("schedule", "another one (or max_steps, or max_epochs: a cosine has to know its end)")
    if train.unknown not in ("skip", "keep"):
        refuse("unknown", "skip or keep")
    if train.vocabulary.kind not in KINDS:
        refuse("vocabulary.kind", " or ".join(KINDS))
    if train.vocabulary.size <= 0:
        refuse("vocabulary.size", "a number above 0")
    if not 0 <= train.mistakes <= 0.5:
        refuse("mistakes", "a share from 0 to 0.5")
    if not 0 <= train.ema < 1:
        refuse("ema", "a number from 0 to below 1")
    if len(train.betas) != 2 or not all(0 <= beta < 1 for beta in train.betas):
        refuse("betas", "two numbers from 0 to below 1")
    if not train.augment.speed or not all(0.5 <= speed <= 2 for speed in train.augment.speed):
        refuse("augment.speed", "speeds from 0.5 to 2")
    if len(train.augment.noise_snr) != 2:
        refuse("augment.noise_snr", "two numbers of dB")
    spec = [f"augment.spec.{one.name}" for one in fields(SpecConfig)] if train.augment.spec else []
    for name in ("workers", "patience", "clip", "weight_decay", *spec):
        if attrgetter(name)(train) < 0:
            refuse(name, "0 or more")
    for name in ("augment.noise_probability", "augment.reverb"):
        if not 0 <= attrgetter(name)(train) <= 1:
            refuse(name, "a share from 0 to 1")
    if not 0 <= train.seed < 1 << 63:
        refuse("seed", "a number from 0 to below 2^63")
