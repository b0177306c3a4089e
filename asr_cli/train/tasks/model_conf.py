"""The section `model_conf` of a configuration, as far as it says how to train."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from asr_cli.checkpoint import fitted
from asr_cli.errors import ModelError


def read_model_conf(kind: Any, values: Mapping[str, Any], path: Path) -> Any:
    """A dataclass of the settings that a task knows; what else stands there is for others. All numbers among them are
    weights, shares and counts: below 0 a loss would grow by getting better."""
    types = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name in values]
    found = {name: fitted(name, values[name], types[name], path) for name in names}
    for name, value in found.items():
        if value < 0:
            raise ModelError(f"{str(path)!r} has {name} {value}, where a number from 0 on should be")
    return kind(**found)


def insist_share(conf: Any, name: str, path: Path) -> None:
    """Refuse a weight of which the rest is to be something else's, if there is no such rest."""
    value = getattr(conf, name)
    if not 0 <= value < 1:
        raise ModelError(f"{str(path)!r} has {name} {value}, where a number from 0 to below 1 should be")
