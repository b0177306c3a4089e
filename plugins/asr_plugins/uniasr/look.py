"""What a folder holds, from its configuration alone: no torch, no weights."""

from dataclasses import replace
from pathlib import Path

from asr_cli.models.look import kind_of, rate_of, read_config
from asr_cli.registry import ModelCard
from asr_plugins.uniasr.cards import CARDS, card, modes


def look(folder: Path) -> ModelCard | None:
    """The card of a UniASR in a folder of its own; None for anything else."""
    config = read_config(folder)
    if config is None or kind_of(config) != "uniasr":
        return None
    name = folder.resolve().name
    known = next((one for one in CARDS if one.modelscope and one.modelscope.endswith(f"/{name}")), None)
    languages = known.languages if known else ("und",)
    found = card("", languages, "", name, rate_of(config))
    return replace(found, name=name, summary=f"a UniASR in {folder}", modelscope=None, modes=modes(name))
