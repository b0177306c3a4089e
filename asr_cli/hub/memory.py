"""What hubs said when they were last asked, so that `asr models` knows sizes without asking again."""

from pathlib import Path

from asr_cli.hub.manifest import Manifest, read
from asr_cli.hub.places import cache_folder, file_name


def remember(name: str, manifest: Manifest) -> None:
    path = memory(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(manifest.as_json(), encoding="utf-8")
    except OSError:
        pass  # a size that nobody remembers is asked for again; what cannot be downloaded says so itself


def remembered(name: str) -> Manifest | None:
    return read(memory(name))


def memory(name: str) -> Path:
    return cache_folder() / "manifests" / f"{file_name(name)}.json"
