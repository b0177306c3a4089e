"""`asr --show-completion [SHELL]`, `asr --install-completion [SHELL]`. Typer's own take no name: they look which shell
called them, and a program that sets up a machine was called from none."""

from asr.main import COMPLETION
from asr_cli.errors import UsageError

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def complete(option: str, names: list[str]) -> None:
    """names: the shell, or nothing for the one that called. UsageError: not exactly one that is known."""
    from typer.completion import get_completion_script, install  # type: ignore[attr-defined]  # they are not private

    shell = named(option, names) if names else calling(option)
    if option == "--show-completion":
        print(get_completion_script(prog_name="asr", complete_var=COMPLETION, shell=shell))
        return
    _, path = install(shell=shell, prog_name="asr", complete_var=COMPLETION)
    print(f"completion for {shell} is in {path}; shells that are started from now on have it")


def named(option: str, names: list[str]) -> str:
    if len(names) > 1 or names[0] not in SHELLS:
        raise UsageError(f"{option}: no shell is named {' '.join(names)!r}; there are {', '.join(SHELLS)}")
    return names[0]


def calling(option: str) -> str:
    from shellingham import ShellDetectionFailure, detect_shell

    try:
        shell: str = detect_shell()[0]
    except ShellDetectionFailure:
        shell = ""
    if shell not in SHELLS:
        found = f"was called from {shell}" if shell else "was called from no shell"
        raise UsageError(f"{option} {found}; name yours: {option} {'|'.join(SHELLS)}")
    return shell
