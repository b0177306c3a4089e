"""Options that were not typed: from ASR_* variables, ./asr.toml and the user's config.toml, in that order."""

import inspect
import os
import tomllib
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from asr.argv import TRUTH
from asr_cli.errors import AsrError, UsageError
from asr_cli.hub.places import folder_in, from_home

LISTENING = ("transcribe", "srt", "batch", "stream", "vad")  # the commands that take options from configuration
# Not options of a command: read where they are needed, or meant for one run.
NOT_CONFIGURABLE = {"context", "debug", "files", "batch_file", "segments", "redo", "source", "list_mics"}
# Of a live stream nothing may be overwritten that nobody named.
NOT_IN = {"stream": {"output", "save_audio", "overwrite"}}
DEFAULT = "default"


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


def defaults_for(command: str) -> dict[str, Any]:
    """The defaults that configuration gives a command's options.

    What is configured for all commands is passed over where a command has no use for it; what is typed never is.
    """
    if command not in LISTENING:
        return {}
    found = (setting for setting in settings(command) if setting.source != DEFAULT)
    return {setting.name: setting.value for setting in found if suits(command, setting)}


def suits(command: str, setting: Setting) -> bool:
    if setting.name == "output_format" and command not in ("transcribe", "batch"):
        from asr.listing import FORMATS
        from asr_cli.subtitles.writers import WRITERS

        subtitles = [name for name, writer in WRITERS.items() if writer.takes_cues]
        names = {name.strip().lower() for name in str(setting.value).split(",")}
        return names <= set(FORMATS if command == "vad" else subtitles)
    return not (command == "vad" and setting.name == "channels" and setting.value == "split")


def typed(context: Any) -> frozenset[str]:
    """The options of the command at hand that stand on its line, not in configuration."""
    return frozenset(name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE")


def refuse_unfit(command: str, typed: Collection[str], *, model: str, language: str | None) -> None:
    """A configured model or language that does not go with what is asked is told with its place."""
    from asr_cli import registry
    from asr_cli.text.language import code, speaks

    untyped = [one for one in settings(command) if one.source != DEFAULT and one.name not in typed]
    origin = {one.name: f" (from {one.source})" for one in untyped if one.name in ("model", "language")}
    if model == "auto" or not origin:
        return
    try:
        _, card = registry.find(model)
    except AsrError as error:
        if "model" not in origin:
            raise
        raise type(error)(f"the default model{origin['model']}: {error}") from error
    if not speaks(card.languages, code(language)):
        what = f"model {model!r}{origin.get('model', '')} hears {', '.join(card.languages)}, not {language}"
        remedy = "name another --model, or --model auto" if "model" in origin else "say which --language"
        raise UsageError(f"{what}{origin.get('language', '')}; {remedy}, or change the default there")


def settings(command: str) -> Iterator[Setting]:
    """Each option of a command with its value now, and where that comes from."""
    stack = layers()
    for name, (kind, default) in options_of(command).items():
        layer = next((layer for layer in stack if layer.get(command, name) is not None), None)
        if layer is None:
            yield Setting(name, default, DEFAULT)
        else:
            yield Setting(name, converted(name, kind, layer.get(command, name), layer.source), layer.source)


def options_of(command: str) -> dict[str, tuple[type, Any]]:
    """The options of a command: their type and default, by parameter name."""
    app = import_module(f"asr.commands.{command}").app
    declared = inspect.signature(app.registered_commands[0].callback).parameters.values()
    return {
        parameter.name: (plain_type(parameter.annotation), parameter.default)
        for parameter in declared
        if parameter.name not in NOT_CONFIGURABLE | NOT_IN.get(command, set())
    }


def plain_type(annotation: Any) -> type:
    """
    >>> plain_type(Annotated[int | None, "help"]), plain_type(str)
    (<class 'int'>, <class 'str'>)
    """
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation if isinstance(annotation, type) else str


def converted(name: str, kind: type, value: Any, source: str) -> Any:
    """The value as the option wants it; of another type it is refused with its place."""
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if kind is bool:
        truth = value if isinstance(value, bool) else TRUTH.get(str(value).lower())
        if truth is None:
            raise UsageError(f"{source}: {name} = {value!r}: write true or false")
        return truth
    if kind is Path:
        return from_home(str(value))
    if kind is str and str(value).startswith("~"):
        return str(from_home(value))  # which no shell has done
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and not value.is_integer()):
        raise UsageError(f"{source}: {name} = {value!r}: that is no {kind.__name__}")
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{source}: {name} = {value!r}: that is no {kind.__name__}") from error


def layers() -> list[Layer]:
    """All places, the strongest first."""
    named = folder_in("ASR_CONFIG")
    if named and not is_file(named):
        raise UsageError(f"ASR_CONFIG names {str(named)!r}, which is no file")
    files = [path for path in (Path("asr.toml"), user_file()) if path is not None]
    return [environment(), *(read(path) for path in files if is_file(path))]


def user_file() -> Path | None:
    """$ASR_CONFIG, else asr/config.toml in the user's configuration directory; None without a home."""
    base = folder_in("XDG_CONFIG_HOME") or from_home("~/.config")
    return folder_in("ASR_CONFIG") or (base / "asr" / "config.toml" if base.parts[:1] != ("~",) else None)


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def environment() -> Layer:
    known = known_names()
    values = {name: os.environ[variable] for name in known if os.environ.get(variable := f"ASR_{name.upper()}")}
    return Layer("environment", values, {})


def read(path: Path) -> Layer:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors put a mark first
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
    return {name for command in LISTENING for name in options_of(command)}
