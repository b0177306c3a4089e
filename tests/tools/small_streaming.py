"""A small streaming Paraformer, what FunASR says of it, and recordings that are hard to divide."""

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.tools.small_paraformer import STREAMING, sounds, talkative, write_folder

FACTS = json.loads((Path(__file__).parents[1] / "golden" / "funasr_streaming.json").read_text(encoding="utf-8"))
LENGTHS = {f"{n} samples": n for n in (0, 399, 400, 700, 959, 960, 1500, 9600, 9999, 10300, 10559, 10560, 9520, 19200)}


@cache
def recordings() -> dict[str, NDArray[np.float32]]:
    all_sounds = sounds()
    found = {f"sound {index}": sound for index, sound in enumerate(all_sounds)}
    found |= {name: all_sounds[0][:n] for name, n in LENGTHS.items()}
    return found | {"silence": np.zeros(30_000, np.float32), "long": np.concatenate(all_sounds * 2)}


def streaming_folder(path: Path) -> Path:
    return write_folder(path, STREAMING, talkative((name, tuple(shape)) for name, shape in FACTS["shapes"].items()))
