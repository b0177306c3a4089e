"""What a folder holds, from its configuration alone: no torch, no weights."""

import re
from pathlib import Path

from asr_cli.models.look import COMPUTE_TYPES, DEVICES, kind_of, rate_of, read_config, read_vocabulary
from asr_cli.registry import ModelCard

# As config.yaml names them since FunASR 1.0 and before, in small letters without underscores; which take hotwords.
KINDS = {
    "paraformer": False, "bicifparaformer": False, "seacoparaformer": True, "contextualparaformer": True,
    "neatcontextualparaformer": True, "paraformerstreaming": False, "paraformeronline": False,
}  # fmt: skip
STREAMING = ("paraformerstreaming", "paraformeronline")
HAN = re.compile(r"[\u4e00-\u9fff]")


def look(folder: Path) -> ModelCard | None:
    """The card of a Paraformer in a folder of its own; None for anything else."""
    config = read_config(folder)
    kind = kind_of(config or "")
    if config is None or kind not in KINDS:
        return None
    return ModelCard(
        name=folder.resolve().name,
        summary=f"a Paraformer in {folder}",
        languages=("zh-CN", "en") if HAN.search(read_vocabulary(folder) or config) else ("en",),
        license="unknown",
        sample_rate=rate_of(config),
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        word_times=True,
        hotwords=KINDS[kind],
        streaming=kind in STREAMING,
    )
