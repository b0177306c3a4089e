"""asr models: what can be used, what is here, and how it comes and goes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from asr_cli.errors import UsageError


class Verbs(TyperGroup):
    """A word that is no verb is answered like a command that is none."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.commands, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"models {args[0]!r} is not known; {hint}there are {', '.join(self.commands)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Verbs, rich_markup_mode="rich", add_completion=False, help="What can be used, what is here; alone, it lists."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model: asr models lists them.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
NamesOnly = Annotated[bool, typer.Option("--quiet", "-q", help="Names only.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
HubOption = Annotated[
    str | None,
    typer.Option("--hub", metavar="auto|ms|hf", help="ModelScope, Hugging Face, or whichever answers first."),
]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False, quiet: NamesOnly = False) -> None:
    if context.invoked_subcommand is None:
        ls(as_json, quiet)
    elif as_json or quiet:
        raise UsageError(f"write --json and -q behind the word: asr models {context.invoked_subcommand} ...")


@app.command()
def ls(as_json: AsJson = False, quiet: NamesOnly = False) -> None:
    """List the models that can be used, and which are on this machine."""
    from asr.shelving import show_list

    show_list(as_json=as_json, names_only=quiet)


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models to download.")],
    hub: HubOption = None,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="A branch, tag or commit of the hub.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files and their sizes only.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Progress as one JSON object a line.")] = False,
    debug: Debug = False,
) -> int:
    """Download models: resumed where an earlier download stopped, checked, and used once they are whole."""
    from asr.console import Console
    from asr.shelving import pull_all

    console = Console(quiet=quiet, json=as_json, debug=debug)
    return pull_all(names, console, hub=hub, revision=revision, dry_run=dry_run)


@app.command()
def rm(name: Name, yes: Yes = False) -> None:
    """Delete a model from this disk."""
    from asr.shelving import remove

    remove(name, sure=yes)


@app.command()
def info(name: Name, as_json: AsJson = False) -> None:
    """Show what is known of a model: licence, hubs, revision, abilities, files."""
    from asr.shelving import show_details

    show_details(name, as_json=as_json)


@app.command()
def path(name: Name) -> None:
    """Print the folder of a model."""
    from asr.shelving import folder_here

    print(folder_here(name))


@app.command()
def verify(
    name: Name,
    fix: Annotated[bool, typer.Option("--fix", help="Download again what is damaged.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Progress as one JSON object a line.")] = False,
) -> None:
    """Read every file of a model and compare it with its checksum."""
    from asr.console import Console
    from asr.shelving import verify_files

    verify_files(name, Console(quiet=quiet, json=as_json), fix=fix, offline=offline)


@app.command()
def default(name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The model, or auto.")] = None) -> None:
    """Say which recogniser is used where none is named, or choose it."""
    from asr.shelving import default_model, make_default

    for line in [default_model()] if name is None else make_default(name):
        print(line)
