"""asr config: every option's value, and where it comes from."""

import json
from typing import Annotated

import typer

app = typer.Typer(help="Every option's value and where it comes from.", no_args_is_help=True, add_completion=False)


@app.command()
def show(
    command: Annotated[str, typer.Argument(help="The command whose options to show.")] = "transcribe",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show each option with its value and source: environment, a file, or default."""
    from asr.config import LISTENING, settings
    from asr.table import table
    from asr_cli.errors import UsageError

    if command not in LISTENING:
        raise UsageError(f"{command!r} takes no options from configuration; {', '.join(LISTENING)} do")
    found = list(settings(command))
    if as_json:
        shown = {setting.name: {"value": setting.value, "source": setting.source} for setting in found}
        print(json.dumps(shown, ensure_ascii=False, indent=2, default=str))
        return
    rows = [(setting.name.replace("_", "-"), text(setting.value), setting.source) for setting in found]
    print(table(("OPTION", "VALUE", "SOURCE"), rows))


@app.command()
def path() -> None:
    """Show which files are read."""
    from pathlib import Path

    from asr.config import is_file, user_file

    for file in (Path("asr.toml").absolute(), user_file()):
        if file is not None:
            print(f"{file}{'' if is_file(file) else '  (not there)'}")


def text(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
