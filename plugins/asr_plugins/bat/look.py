"""What a folder holds, from its configuration alone: no torch, no weights."""

import re
from dataclasses import replace
from pathlib import Path

from asr_cli.models.look import kind_of, rate_of, read_config
from asr_cli.registry import ModelCard
from asr_plugins.bat.cards import BAT, CARDS

KINDS = ("bat", "transducer", "rwkvbat", "rnnt", "rnntunified")
# An encoder that needs nothing of what comes later, or was trained on chunks.
STREAMS = re.compile(r"^encoder:\s*['\"]?rwkv|^\s+(unified_model_training|dynamic_chunk_training):\s*true", re.M | re.I)


def look(folder: Path) -> ModelCard | None:
    """The card of a transducer in a folder of its own; None for anything else."""
    config = read_config(folder)
    if config is None or kind_of(config) not in KINDS:
        return None
    name = folder.resolve().name
    # As its hub calls it, or as this program does, which downloads it into a folder of its card's name.
    known = next((one for one in CARDS if name in (one.name, one.modelscope and one.modelscope.split("/")[1])), None)
    return replace(
        BAT,
        name=name,
        summary=f"a transducer in {folder}",
        languages=known.languages if known else ("und",),
        license=known.license if known else "unknown",
        sample_rate=rate_of(config),
        modelscope=None,
        streaming=STREAMS.search(config) is not None,
    )
