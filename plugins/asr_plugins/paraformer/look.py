"""What a folder holds, from its configuration alone: no torch, no weights."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from asr_cli.registry import ModelCard

DEVICES = ("cpu", "cuda", "mps")
COMPUTE_TYPES = ("float32", "bfloat16", "float16", "int8")
CONFIG = "config.yaml"
VOCABULARIES = ("tokens.json", "tokens.txt")
# As config.yaml names them since FunASR 1.0 and before, in small letters without underscores; which take hotwords.
KINDS = {
    "paraformer": False, "bicifparaformer": False, "seacoparaformer": True, "contextualparaformer": True,
    "neatcontextualparaformer": True, "paraformerstreaming": False, "paraformeronline": False,
}  # fmt: skip
STREAMING = ("paraformerstreaming", "paraformeronline")
MODEL = re.compile(r"^model:\s*['\"]?(\w+)", re.MULTILINE)
RATE = re.compile(r"^\s+fs:\s*(\d+)", re.MULTILINE)
HAN = re.compile(r"[\u4e00-\u9fff]")


def look(folder: Path) -> ModelCard | None:
    """The card of a Paraformer in a folder of its own; None for anything else."""
    try:
        text = (folder / config_name(folder)).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    model = MODEL.search(text)
    kind = model[1].lower().replace("_", "") if model else ""
    if kind not in KINDS:
        return None
    rate = RATE.search(text)
    return ModelCard(
        name=folder.resolve().name,
        summary=f"a Paraformer in {folder}",
        languages=("zh-CN", "en") if HAN.search(vocabulary(folder) or text) else ("en",),
        license="unknown",
        sample_rate=int(rate[1]) if rate else 16_000,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        word_times=True,
        hotwords=KINDS[kind],
        streaming=kind in STREAMING,
    )


def config_name(folder: Path) -> str:
    """What configuration.json calls the configuration, else its usual name."""
    return next(named(folder, "config", "am_model_config"), CONFIG)


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


def vocabulary(folder: Path) -> str | None:
    for name in (*named(folder, "token_list"), *VOCABULARIES):
        try:
            # JSON may hold its characters escaped.
            text = (folder / name).read_text(encoding="utf-8", errors="replace")
            return "".join(json.loads(text)) if name.endswith("json") else text
        except (OSError, ValueError, TypeError):
            continue
    return None
