"""Options that were not typed: from ASR_* variables, ./asr.toml and the user's config.toml, in that order."""

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from asr_cli.errors import UsageError

LISTENING = ("transcribe", "srt", "vad")  # the commands that take options from configuration
# Not options of a command: read where they are needed, or meant for one run.
NOT_CONFIGURABLE = {"debug", "files", "install_completion", "show_completion", "help"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that options come from: values by parameter name, and by command."""

    source: str
    values: dict[str, Any]
    sections: dict[str, dict[str, Any]]

    def get(self, command: str, name: str) -> Any:
        return self.sections.get(command, {}).get(name, self.values.get(name))


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    value: Any
    source: str


def defaults_for(command: str, declared: click.Command) -> dict[str, Any]:
    """The defaults that configuration gives a command's options."""
    if command not in LISTENING:
        return {}
    found = {}
    for layer in reversed(layers()):
        for option in options_of(declared):
            value = layer.get(command, str(option.name))
            if value is not None:
                found[str(option.name)] = converted(option, value, layer)
    return found


def settings(command: str, declared: click.Command) -> Iterator[Setting]:
    """Each option of a command with its value now, and where that comes from."""
    stack = layers()
    for option in options_of(declared):
        name = str(option.name)
        layer = next((layer for layer in stack if layer.get(command, name) is not None), None)
        if layer is None:
            yield Setting(name, option.default, "default")
        else:
            yield Setting(name, converted(option, layer.get(command, name), layer), layer.source)


def options_of(command: click.Command) -> list[click.Option]:
    return [
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name not in NOT_CONFIGURABLE
    ]  # type: ignore[return-value]  # told apart by their type's name, which Typer's own options share


def converted(option: click.Option, value: Any, layer: Layer) -> Any:
    text = ",".join(map(str, value)) if isinstance(value, list) else value
    try:
        return option.type.convert(text, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{layer.source}: {option.name} = {value!r}: {error.message}") from error


def layers() -> list[Layer]:
    """All places, the strongest first."""
    files = [path for path in (Path("asr.toml"), user_file()) if path is not None]
    return [environment(), *(read(path) for path in files if is_file(path))]


def user_file() -> Path | None:
    """$ASR_CONFIG, else asr/config.toml in the user's configuration directory; None without a home."""
    named = os.environ.get("ASR_CONFIG")
    if named:
        if not Path(named).is_file():
            raise UsageError(f"ASR_CONFIG names {named!r}, which is no file")
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    home = os.path.expanduser("~")
    if base:
        return Path(base) / "asr" / "config.toml"
    return Path(home) / ".config" / "asr" / "config.toml" if home != "~" else None


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def environment() -> Layer:
    known = known_names()
    values = {
        name: os.environ[variable]
        for name in known
        if os.environ.get(variable := f"ASR_{name.upper()}")
    }
    return Layer("environment", values, {})


def read(path: Path) -> Layer:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as configuration: {error}") from error
    known = known_names()
    values: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            if key not in LISTENING:
                raise UsageError(f"{path}: no command {key!r} takes options from a file ({', '.join(LISTENING)} do)")
            sections[key] = {named(name, known, path): item for name, item in value.items()}
        else:
            values[named(key, known, path)] = value
    return Layer(str(path), values, sections)


def named(key: str, known: set[str], path: Path) -> str:
    from difflib import get_close_matches

    name = key.replace("-", "_")
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0].replace('_', '-')!r}?" if near else ""
    raise UsageError(f"{path}: there is no option {key!r}{hint}")


def known_names() -> set[str]:
    from asr.main import load

    return {str(option.name) for command in LISTENING for option in options_of(load(command))}
