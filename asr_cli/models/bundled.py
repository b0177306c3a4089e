"""The small models that come with the program: each a folder in FunASR's layout."""

from importlib.resources import files
from pathlib import Path


def bundled_folder(name: str) -> Path:
    """The folder of a model that is installed with the program."""
    return Path(str(files("asr_cli") / "weights" / name))
