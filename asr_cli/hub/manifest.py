"""What a model consists of: files, sizes and checksums, as a hub says or as they were downloaded."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from asr_cli.errors import UsageError

# A folder with one of these is a model; a download that broke off leaves one without.
WEIGHTS = ("model.pt", "model.safetensors", "model.pb", "vad.pb", "punc.pb")
# Those of transformers' layout, each enough for a model; where a repository has several, the first is taken.
WEIGHT_SETS = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
TRANSFORMERS = tuple(pattern for patterns in WEIGHT_SETS for pattern in patterns)  # for a card's files
SOME_WEIGHTS = ("model[.-]*safetensors*", "pytorch_model[.-]*")  # also of other precisions
# What FunASR's layouts are made of; examples, figures and other programs' weights stay on the hub.
NEEDED = (
    *WEIGHTS, "configuration.json", "*.yaml", "*.mvn", "tokens.json", "tokens.txt", "seg_dict", "bpe.model",
    "jieba_usr_dict", "jieba.c.dict", "README.md", "LICENSE*", "MODEL_LICENSE*",
)  # fmt: skip
RECORD = ".asr.json"  # beside the files of a model that we downloaded
HUBS = {"ms": "ModelScope", "hf": "Hugging Face"}
AUTO = "auto"  # whichever answers first


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """sha256: None where the hub does not tell. git_sha1: of Git's blob, where that is all that it tells."""

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def is_hashed(self) -> bool:
        return self.sha256 is not None or self.git_sha1 is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """hub: "ms" or "hf". revision: as it was asked for. commit: what that meant then, where the hub tells."""

    hub: str
    model_id: str
    revision: str
    files: tuple[RemoteFile, ...]
    commit: str | None = None

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def hub_name(self) -> str:
        return HUBS[self.hub]

    def only(self, patterns: Sequence[str]) -> "Manifest":
        """The files that are needed, weights once only; a path that leads out of its folder never is."""
        wanted = patterns or NEEDED
        inside = [file for file in self.files if stays_inside(file.path) and is_one_of(file.path, wanted)]
        weights = next((one for one in WEIGHT_SETS if all(holds(inside, pattern) for pattern in one)), ())
        files = (file for file in inside if is_one_of(file.path, weights) or not is_one_of(file.path, SOME_WEIGHTS))
        return replace(self, files=tuple(files) if weights else tuple(inside))

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        table = json.loads(text)
        return cls(**{**table, "files": tuple(RemoteFile(**file) for file in table["files"])})


def is_one_of(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def holds(files: Sequence[RemoteFile], pattern: str) -> bool:
    return any(fnmatchcase(file.path, pattern) for file in files)


def check_hub(hub: str) -> None:
    if hub not in (AUTO, *HUBS):
        raise UsageError(f"hub {hub!r} is not known; choose one of {AUTO}, {', '.join(HUBS)}")


def stays_inside(path: str) -> bool:
    """
    >>> stays_inside("a/model.pt"), stays_inside("../model.pt"), stays_inside("/model.pt")
    (True, False, False)
    """
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\\" not in path and bool(pure.parts)


def recorded(folder: Path) -> Manifest | None:
    """What was downloaded into a folder; None if it was not us, or nobody can read it."""
    return read(folder / RECORD)


def read(path: Path) -> Manifest | None:
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not there, or not ours
        return None


def lost(folder: Path, manifest: Manifest) -> list[RemoteFile]:
    """The files that are not there in their size; checksums would take too long wherever a model is used."""
    return [file for file in manifest.files if size_of_file(folder / file.path) != file.size]


def is_whole(folder: Path) -> bool:
    """Whether a folder has weights of transformers' layout, all parts of them."""
    return any(has_weights(folder, name) for name, *_ in WEIGHT_SETS)


def has_weights(folder: Path, name: str) -> bool:
    if not (folder / name).is_file():
        return False
    if not name.endswith(".index.json"):
        return True
    try:
        parts = set(json.loads((folder / name).read_bytes())["weight_map"].values())
        return all((folder / part).is_file() for part in parts)
    except (ValueError, KeyError, TypeError, AttributeError):  # an index that nobody can read
        return False


def size_of_file(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
