"""Published weights into our modules: one loop, strict both ways, and never code out of a pickle."""

import contextlib
import ctypes
import json
import math
import mmap
import pickle
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from asr_cli.errors import ModelError

Transform = Callable[[Tensor], Tensor]
# (their prefix, ours or None to drop) or with a transform where shapes differ; "{}" stands for a layer's number.
WeightMap = tuple[tuple[str, str | None] | tuple[str, str, Transform], ...]

WRAPPERS = "state_dict", "model_state_dict", "model"  # what trainers put around the weights, in FunASR's order
# What stands where a weight file should be when a download went wrong, by the file's first bytes.
IMPOSTORS = {
    b"version https://git-lfs": "only says where Git LFS keeps the weights; run 'git lfs pull' there",
    b"<!doctype": "is a web page",
    b"<html": "is a web page",
}
# How torch words that it refuses to run what a pickle asks for.
REFUSALS = ("Unsupported global", "Unsupported class", "unrecognized function", "Can only build", "Can only create")
TYPES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def load(module: nn.Module, path: Path, weights: WeightMap) -> None:
    """Fill `module` from a checkpoint; every tensor of either side must find the other."""
    fill(module, read(path), weights, path)


def fill(module: nn.Module, theirs: Mapping[str, Tensor], weights: WeightMap, path: Path) -> None:
    ours = dict(renamed(theirs, weights))
    own = module.state_dict()
    missing = sorted(own.keys() - ours.keys())
    left_over = sorted(ours.keys() - own.keys())
    differing = sorted(
        f"{name} {tuple(ours[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own.keys() & ours.keys()
        if own[name].shape != ours[name].shape
    )
    faults = [
        f"{what}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        for what, names in (("missing", missing), ("not known", left_over), ("of another shape", differing))
        if names
    ]
    if faults:
        raise ModelError(f"{str(path)!r} holds other weights than its configuration says ({'; '.join(faults)})")
    module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in ours.items()}, assign=True)


def renamed(theirs: Mapping[str, Tensor], weights: WeightMap) -> Iterator[tuple[str, Tensor]]:
    """Their tensors under our names; what the map does not know keeps its own, to be complained about."""
    rules = [(pattern(entry[0]), entry) for entry in weights]
    for name, tensor in theirs.items():
        name = name.removeprefix("module.")
        for regex, entry in rules:
            match = regex.fullmatch(name)
            if match is None:
                continue
            if entry[1] is not None:
                *layers, suffix = match.groups()
                ours = entry[1].format(*layers) + suffix
                yield ours, entry[2](tensor) if len(entry) == 3 else tensor
            break
        else:
            yield name, tensor


def theirs(ours: Mapping[str, Tensor], weights: WeightMap) -> Iterator[tuple[str, Tensor]]:
    """Our tensors under their names; transforms are the caller's to undo."""
    rules = [(pattern(entry[1]), entry[0]) for entry in weights if entry[1] is not None]
    for name, tensor in ours.items():
        regex, prefix = next(rule for rule in rules if rule[0].fullmatch(name))
        *layers, suffix = regex.fullmatch(name).groups()  # type: ignore[union-attr]  # it was chosen for matching
        yield prefix.format(*layers) + suffix, tensor


def pattern(prefix: str) -> re.Pattern[str]:
    return re.compile(re.escape(prefix).replace(r"\{\}", r"(\d+)") + r"(|\..*)")


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a pickle, memory-mapped where the format allows."""
    if not path.is_file():
        raise ModelError(f"no weights at {str(path)!r}; download the model again")
    unmask(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        with warnings.catch_warnings(action="ignore"), numpy_numbers():  # warnings about what is refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(path))
    except Exception as error:  # in a file cut anywhere, torch's readers stumble over anything
        if isinstance(error, pickle.UnpicklingError) and any(words in str(error) for words in REFUSALS):
            raise ModelError(
                f"{str(path)!r} holds more than weights, and what else it holds is not run; get a clean copy"
            ) from error
        raise ModelError(f"{str(path)!r} is broken or cut short; download the model again") from error
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
            break
    if not isinstance(found, dict) or not all(map(is_weight, found.items())):
        raise ModelError(f"{str(path)!r} holds no table of tensors; is it the right file?")
    return cast(dict[str, Tensor], found)


def unmask(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error.strerror}") from error
    for beginning, what in IMPOSTORS.items():
        if head.startswith(beginning):
            raise ModelError(f"{str(path)!r} holds no weights, it {what}; or pull the model again")


def numpy_numbers() -> AbstractContextManager[None]:
    """Lets a pickle hold numbers of numpy's, which trainers write beside the weights."""
    import numpy as np
    from numpy.dtypes import Float32DType, Float64DType, Int64DType

    scalar = np.float64(0).__reduce__()[0]
    names = "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"  # before numpy 2 and since
    known: list[Any] = [*((scalar, name) for name in names), np.dtype, Float32DType, Float64DType, Int64DType]
    return torch.serialization.safe_globals(known)


def is_weight(entry: tuple[object, object]) -> bool:
    name, tensor = entry
    return isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided


def read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is broken or cut short; download the model again") from error


def read_metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{str(path)!r} is broken or cut short; download the model again") from error


def metas(folder: Path) -> dict[str, str]:
    """What the `configuration.json` of a published folder calls its files: {"init_param": "model.pt", ...}.

    Names of files that are not in the folder, or would lead out of it, are left out.
    """
    try:
        found = json.loads((folder / "configuration.json").read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(folder / 'configuration.json')!r} is broken; download the model again") from error
    return {
        key: name
        for key, name in leaves(found)
        if not Path(name).is_absolute() and ".." not in Path(name).parts and is_file(folder / name)
    }


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text too long to be a name
        return False


def leaves(tree: object) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, str) and value:
                yield key, value
            yield from leaves(value)


def forget(tensor: Tensor) -> None:
    """Give back the memory that a mapped tensor took when it was read; it stays readable, from the file."""
    if not hasattr(mmap, "MADV_DONTNEED") or tensor.device.type != "cpu":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    begin = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if end > begin:
        libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"  # torch's format since 1.6; the older one cannot be mapped


def save_safetensors(path: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    metadata = {"config": json.dumps(config, sort_keys=True)}
    # Its save_file makes files that nobody else may read.
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def known_fields(kind: type, values: Mapping[str, Any], path: Path, ignored: Iterable[str] = ()) -> Any:
    """A configuration dataclass from a mapping; a key it does not know is refused rather than passed over."""
    types = {field.name: field.type for field in fields(kind)}
    unknown = sorted(map(str, values.keys() - types.keys() - set(ignored)))
    if unknown:
        raise ModelError(f"{str(path)!r} asks for what this program does not know: {', '.join(unknown)}")
    return kind(**{name: fitted(name, value, types[name], path) for name, value in values.items() if name in types})


def fitted(name: str, value: Any, kind: Any, path: Path) -> Any:
    """A setting's value, in the type it should have."""
    if kind not in TYPES or type(value) is kind is not float:
        return value
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            number = float(value)  # YAML takes 1e-5 for a text
            if math.isfinite(number):
                return number
    raise ModelError(f"{str(path)!r} has {name} {value!r}, where {TYPES[kind]} should be")
