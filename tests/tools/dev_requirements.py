"""Print the development requirements of pyproject.toml, for pip versions that do not know dependency groups."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
print(*project["dependency-groups"]["dev"])
