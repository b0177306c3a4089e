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
    # As its hub calls it, or as this program does, which downloads it into a folder of its card's name.
    known = next((one for one in CARDS if name in (one.name, one.modelscope and one.modelscope.split("/")[1])), None)
    found = card("", known.languages if known else ("und",), "", name, rate_of(config))
    return replace(
        found,
        name=name,
        summary=f"a UniASR in {folder}",
        license=known.license if known else "unknown",
        modelscope=None,
        modes=known.modes if known and known.name == name else modes(name),
    )
