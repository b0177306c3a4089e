"""Writing one option into the user's configuration file; everything else in it stays as it is."""

import os
import shutil
from pathlib import Path

from asr.config import user_file
from asr_cli.errors import OutputError, UsageError


def write(name: str, value: str) -> Path:
    """Set an option for all commands; give the file."""
    from tomlkit import document, parse
    from tomlkit.exceptions import ParseError

    path = user_file()
    if path is None:
        raise UsageError("there is no home directory to keep a configuration in; set ASR_CONFIG to a file")
    path = Path(os.path.realpath(path))  # the file itself where the name is a link to it
    try:
        table = parse(path.read_bytes().decode("utf-8-sig")) if path.is_file() else document()
        table[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(table.as_string().encode())
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    except (ParseError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as configuration: {error}; mend it first") from error
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    return path
