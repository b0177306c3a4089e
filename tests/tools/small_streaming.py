"""A small streaming Paraformer, and what FunASR says of it."""

import json
from pathlib import Path

from tests.tools.small_paraformer import STREAMING, talkative, write_folder

FACTS = json.loads((Path(__file__).parents[1] / "golden" / "funasr_streaming.json").read_text(encoding="utf-8"))


def streaming_folder(path: Path) -> Path:
    return write_folder(path, STREAMING, talkative((name, tuple(shape)) for name, shape in FACTS["shapes"].items()))
