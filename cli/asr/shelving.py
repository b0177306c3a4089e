"""What the words after `asr models` do."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asr.bytes import size_text
from asr.console import Console
from asr.main import exit_code
from asr_cli import catalog
from asr_cli.catalog import Entry
from asr_cli.errors import AsrError, ModelError, UsageError
from asr_cli.hub import places


def show_list(*, as_json: bool, names_only: bool) -> None:
    from asr.shelf import as_table, summary

    entries = list(catalog.entries())
    if names_only:
        print("\n".join(entry.card.name for entry in entries))
    elif as_json:
        print(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False, indent=2))
    else:
        default = default_model()
        print(as_table(entries, default))
        print(summary(entries, default), file=sys.stderr)


def show_details(name: str, *, as_json: bool) -> None:
    from asr.shelf import details
    from asr.table import table
    from asr_cli.hub.manifest import recorded

    entry = catalog.find(name)
    if as_json:
        manifest = recorded(entry.folder) if entry.folder else None
        shown = {**entry.as_dict(), "manifest": asdict(manifest) if manifest else None}
        print(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        first, *rest = details(entry)
        print(table(first, rest))


def pull_all(names: Sequence[str], console: Console, *, hub: str | None, revision: str | None, dry_run: bool) -> int:
    """Download one after the other; what fails does not stop the rest. Give the exit code."""
    code = 0
    for name in names:
        try:
            pull_one(catalog.find(name), console, hub or configured("hub"), revision, dry_run=dry_run)
        except AsrError as error:
            if console.debug:
                raise
            console.error(str(error), error.code)
            code = exit_code(error)
    return code


def pull_one(entry: Entry, console: Console, hub: str, revision: str | None, *, dry_run: bool) -> None:
    from asr.bringing import bring

    card = entry.card
    offline = configured("offline") == "True"
    if dry_run:
        show_files(entry, hub, revision, offline)
    elif entry.folder is not None and revision is None:
        console.notice(f"{card.name}: here already, in {entry.folder}")
    else:
        folder = bring(card, console, hub=hub, revision=revision, offline=offline)
        console.notice(f"{card.name}: done, in {folder}")


def show_files(entry: Entry, hub: str, revision: str | None, offline: bool) -> None:
    from asr.table import table

    manifest = catalog.question(entry.card, hub=hub, revision=revision, offline=offline).manifest
    print(table(("FILE", "BYTES"), [(file.path, f"{file.size}") for file in manifest.files]))
    print(f"{size_text(manifest.size)} from {manifest.hub_name} {manifest.model_id}", file=sys.stderr)


def folder_here(name: str) -> Path:
    entry = catalog.find(name)
    if entry.card.bundled:
        raise ModelError(f"model {name!r} comes inside the program; it has no folder of its own")
    if entry.folder is None:
        raise ModelError(f"model {name!r} is not on this machine; asr models pull {name} downloads it")
    return entry.folder


def remove(name: str, *, sure: bool) -> None:
    """Delete the copy that is used, and what an unfinished download left."""
    from asr_cli.hub import care, pull

    entry = catalog.find(name)
    part = pull.unfinished(entry.card.name)
    if entry.folder is None and part.is_dir():
        forget_part(entry.card.name, part)
        return
    folder = folder_here(name)
    ask_before_deleting(folder, name, sure=sure)
    size = places.size_of(folder)
    care.remove(folder)
    print(f"{name}: {size_text(size)} freed", file=sys.stderr)
    if part.is_dir():
        forget_part(entry.card.name, part)
    another = catalog.find(name).folder
    if another is not None:
        print(f"{name}: another copy is still in {another}", file=sys.stderr)


def forget_part(name: str, part: Path) -> None:
    from asr_cli.hub.pull import discard

    size = places.size_of(part)
    discard(name)
    print(f"{name}: {size_text(size)} of an unfinished download freed", file=sys.stderr)


def ask_before_deleting(folder: Path, name: str, *, sure: bool) -> None:
    if folder.absolute() == Path(name).expanduser().absolute():
        raise UsageError(f"{folder} is a folder of yours; delete it as you delete any other")
    cache, size = places.owner(folder), size_text(places.size_of(folder))
    whose = "" if cache == "asr" else f" from {cache}'s cache, which other programs use"
    if not sure and not agreed(f"Delete {folder} ({size}){whose}?"):
        raise UsageError(f"nothing was deleted; asr models rm {name} -y deletes {folder} ({size}){whose}")


def agreed(question: str) -> bool:
    """The answer of somebody at a terminal; nobody there is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def verify_files(name: str, console: Console, *, fix: bool) -> None:
    from asr.bringing import watch
    from asr_cli.hub.care import mend, verify

    folder, card = folder_here(name), catalog.find(name).card
    manifest = catalog.manifest_of(card, folder, offline=configured("offline") == "True")
    damaged = []
    for verdict in verify(folder, manifest):
        found = verdict.problem or ("ok" if verdict.hashed else "ok by its size; the hub has no checksum of it")
        console.notice(f"{verdict.path}: {found}", file=verdict.path, problem=verdict.problem)
        if verdict.problem is not None:
            damaged.append(verdict.path)
    if not damaged:
        return
    if not fix:
        raise ModelError(
            f"{folder} is damaged ({', '.join(damaged)}); asr models verify {name} --fix downloads it again"
        )
    place = watch(card.name, mend(card.name, manifest, damaged), console)
    console.notice(f"{card.name}: whole again, in {place}")


def default_model() -> str:
    return configured("model")


def configured(name: str) -> str:
    """What an option of recognition is where nothing is typed."""
    from asr.config import settings

    return next(str(setting.value) for setting in settings("transcribe") if setting.name == name)


def make_default(name: str) -> str:
    """Write the user's configuration file, and say what holds now."""
    from asr.config import settings
    from asr.configure import write
    from asr_cli import registry

    if name != catalog.AUTO:
        registry.find(name)
    path = write("model", name)
    now = next(setting for setting in settings("transcribe") if setting.name == "model")
    if str(now.value) != name:
        return f"{path}: model = {name!r}, but {now.source} is stronger and says {now.value!r}"
    return f"{path}: model = {name!r}"
