"""The commands as click sees them: named from a table, imported when invoked, fed from configuration."""

from typing import Any

import typer
from typer.core import TyperGroup

from asr.argv import whisper_habits
from asr.main import COMMANDS, load, top_help, unknown
from asr_cli.errors import UsageError


class Lazy(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(top_help() + "\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(unknown(args[0]))
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, TyperGroup) and not ctx.resilient_parsing:
            from asr.config import defaults_for

            switches, values = option_names(command)
            rest = whisper_habits(rest, switches, values)
            asks_for_help = "--help" in rest  # which must work while the configuration does not
            ctx.default_map = {str(name): {} if asks_for_help else defaults_for(str(name))}
        return name, command, rest


def option_names(command: Any) -> tuple[set[str], set[str]]:
    """Long names of the options without and with a value."""
    switches: set[str] = set()
    values: set[str] = set()
    for parameter in command.params:
        if parameter.param_type_name == "option":
            names = {name[2:] for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")}
            (switches if parameter.is_flag else values).update(names)
    return switches, values


def build() -> Any:
    app = typer.Typer(cls=Lazy, add_completion=True, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def root() -> None:
        pass

    return typer.main.get_command(app)
