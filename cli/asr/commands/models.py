"""asr models: what can be used, and what is here."""

import json
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def models(
    what: Annotated[str, typer.Argument(metavar="[ls]", help="ls: the table, which is also the default.")] = "ls",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Names only.")] = False,
) -> None:
    """List the models that can be used, and which are on this machine."""
    from asr.table import table
    from asr_cli import catalog
    from asr_cli.errors import UsageError

    if what != "ls":
        raise UsageError(f"models {what!r} is not known; asr models lists them")
    entries = list(catalog.entries())
    if quiet:
        print("\n".join(entry.card.name for entry in entries))
    elif as_json:
        print(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False, indent=2))
    else:
        print(table(("NAME", "KIND", "HERE", "LANGS", "STREAM", "WORDS", "HOTWORDS", "NOTE"), map(row, entries)))


def row(entry: Any) -> tuple[str, ...]:
    card = entry.card

    def mark(has: bool) -> str:
        return "yes" if has else "-"

    note = "comes with the program" if card.bundled else f"found in {entry.folder}" if entry.folder else where(card)
    can = mark(card.streaming), mark(card.word_times), mark(card.hotwords)
    languages = "any" if card.languages == ("und",) else ",".join(card.languages)
    return card.name, entry.backend or entry.kind, mark(entry.is_here), languages, *can, note


def where(card: Any) -> str:
    ids = [
        f"{hub} {name}" for hub, name in (("ModelScope", card.modelscope), ("Hugging Face", card.huggingface)) if name
    ]
    return "download it from " + " or ".join(ids) if ids else "not here"
