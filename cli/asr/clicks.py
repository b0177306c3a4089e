"""The classes of click that we need, wherever Typer keeps them: newer versions carry a click of their own."""

from typing import Any

import typer


def named(name: str) -> Any:
    return next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == name)


ClickException: Any = named("ClickException")
ClickUsageError: Any = named("UsageError")
BadParameter = typer.BadParameter
Exit = typer.Exit
Abort = typer.Abort
