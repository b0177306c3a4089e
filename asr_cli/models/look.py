"""A light look at FunASR's networks, and into a folder of its layout: no torch, no weights."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

DEVICES = ("cpu", "cuda", "mps")  # that any of them runs on
COMPUTE_TYPES = ("float32", "bfloat16", "float16", "int8")  # that any of them can be put into
CONFIG = "config.yaml"
VOCABULARIES = ("tokens.json", "tokens.txt")
MODEL = re.compile(r"^model:\s*['\"]?(\w+)", re.MULTILINE)
RATE = re.compile(r"^\s+fs:\s*(\d+)", re.MULTILINE)


def read_config(folder: Path) -> str | None:
    """The text of the folder's configuration; None where there is none that can be read."""
    try:
        return (folder / next(named(folder, "config", "am_model_config"), CONFIG)).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def kind_of(config: str) -> str:
    """What class a configuration is for, in small letters without underscores."""
    model = MODEL.search(config)
    return model[1].lower().replace("_", "") if model else ""


def rate_of(config: str) -> int:
    rate = RATE.search(config)
    return int(rate[1]) if rate else 16_000


def read_vocabulary(folder: Path) -> str | None:
    """What the tokens of the vocabulary are written with; None without one that can be read."""
    for name in (*named(folder, "token_list"), *VOCABULARIES):
        try:
            # JSON may hold its characters escaped.
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
            return "".join(json.loads(text)) if name.endswith("json") else text
        except (OSError, ValueError, TypeError):
            continue
    return None


def named(folder: Path, *keys: str) -> Iterator[str]:
    """The files that configuration.json names under one of the keys, at whatever depth, and that are there."""
    try:
        metas = json.loads((folder / "configuration.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return
    for key, name in leaves(metas):
        if key in keys and os.path.isfile(folder / name):  # noqa: PTH113 - which never raises
            yield name


def leaves(tree: object) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if isinstance(value, str):
                yield key, value
            yield from leaves(value)
