"""What the words after `asr models` do."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from asr.bytes import size_text
from asr.console import Console
from asr.main import exit_code
from asr_cli import catalog
from asr_cli.catalog import Entry
from asr_cli.errors import AsrError, ModelError, UsageError
from asr_cli.hub import places

if TYPE_CHECKING:
    from asr_cli.hub.manifest import Manifest
    from asr_cli.options import ModelOptions


def show_list(*, as_json: bool, names_only: bool) -> None:
    from asr.shelf import as_table, summary

    entries = list(catalog.entries(asked().model_dir))
    if names_only:
        print("\n".join(entry.card.name for entry in entries))
    elif as_json:
        print(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False, indent=2))
    else:
        default = asked().model
        print(as_table(entries, default))
        print(summary(entries, default), file=sys.stderr)


def show_details(name: str, *, as_json: bool) -> None:
    from asr.shelf import details
    from asr.table import table
    from asr_cli.hub.manifest import recorded

    entry = found(name)
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
            pull_one(found(name), console, hub or asked().hub, revision, dry_run=dry_run)
        except AsrError as error:
            if console.debug:
                raise
            console.error(str(error), error.code)
            code = exit_code(error)
    return code


def pull_one(entry: Entry, console: Console, hub: str, revision: str | None, *, dry_run: bool) -> None:
    from asr.bringing import bring

    card = entry.card
    offline = asked().offline
    if dry_run:
        show_files(entry, hub, revision, offline)
    elif entry.folder is not None and revision is None:
        if catalog.is_damaged(entry.folder):
            check_files(entry, card.name, console, fix=True, offline=offline)
        else:
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
    return place_of(found(name))


def place_of(entry: Entry) -> Path:
    """The folder of a model, which must be here."""
    name = entry.card.name
    if entry.folder is None and entry.card.bundled:
        raise ModelError(f"model {name!r} comes inside the program; it has no folder of its own")
    if entry.folder is None:
        raise ModelError(f"model {name!r} is not on this machine; asr models pull {name} downloads it")
    return entry.folder


def remove(name: str, *, sure: bool) -> None:
    """Delete the copy that is used, and what an unfinished download left."""
    from asr_cli.hub import care, pull

    entry = catalog.find(name)  # in the caches only: a folder of models is its owner's
    part = pull.unfinished(entry.card.name)
    if entry.folder is None and part.is_dir():
        forget_part(entry.card.name)
        return
    folder = entry.folder or folder_here(name)
    if entry.card.bundled:
        raise UsageError(f"model {name!r} is part of the program and goes when the program is uninstalled")
    ask_before_deleting(folder, name, sure=sure)
    gone = link_text(folder) or f"{size_text(places.size_of(folder))} freed"
    care.remove(folder)
    print(f"{name}: {gone}", file=sys.stderr)
    if part.is_dir():
        forget_part(entry.card.name)
    another = found(name).folder
    if another is not None:
        print(f"{name}: another copy is still in {another}", file=sys.stderr)


def link_text(folder: Path) -> str:
    return f"the link {folder} removed; the model stays in {folder.resolve()}" if folder.is_symlink() else ""


def forget_part(name: str) -> None:
    from asr_cli.hub.pull import discard

    print(f"{name}: {size_text(discard(name))} of an unfinished download freed", file=sys.stderr)


def ask_before_deleting(folder: Path, name: str, *, sure: bool) -> None:
    cache = places.owner(folder)
    if not cache or folder.absolute() == Path(name).expanduser().absolute():
        raise UsageError(f"{folder} is a folder of yours; delete it as you delete any other")
    what = f"the link {folder}" if folder.is_symlink() else f"{folder} ({size_text(places.size_of(folder))})"
    whose = "" if cache == "asr" else f" from {cache}'s cache, which other programs use"
    if not sure and not agreed(f"Delete {what}{whose}?"):
        raise UsageError(f"nothing was deleted; asr models rm {name} -y deletes {what}{whose}")


def agreed(question: str) -> bool:
    """The answer of somebody at a terminal; nobody there is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def verify_files(name: str, console: Console, *, fix: bool, offline: bool) -> None:
    check_files(found(name), name, console, fix=fix, offline=offline or asked().offline)


def check_files(entry: Entry, name: str, console: Console, *, fix: bool, offline: bool) -> None:
    folder, card = place_of(entry), entry.card
    manifest = catalog.manifest_of(card, folder, offline=offline)
    damaged = list(report(folder, manifest, console))
    if not damaged:
        return
    broken = f"{folder} is damaged ({', '.join(damaged)})"
    if not fix:
        raise ModelError(f"{broken}; asr models verify {name} --fix downloads it again")
    if catalog.is_offline(offline):
        raise ModelError(f"{broken}, and offline nothing is downloaded: run this again where there is a network")
    if not places.owner(folder):
        raise ModelError(
            f"{broken} and a folder of yours: take it away, and asr models pull {card.name} brings another"
        )
    place = mended(entry, folder, manifest, damaged, console)
    console.notice(f"{card.name}: whole again, in {place}")


def mended(entry: Entry, folder: Path, manifest: "Manifest", damaged: Sequence[str], console: Console) -> Path:
    """Download again what is damaged; where a hub has moved on since, what it has now."""
    from asr.bringing import watch
    from asr_cli.hub.care import outdated
    from asr_cli.hub.pull import is_same, mend
    from asr_cli.hub.transfer import OutdatedError

    card = entry.card
    try:
        return watch(card.name, mend(card.name, manifest, folder, damaged), console)
    except OutdatedError:
        if not (card.modelscope or card.huggingface):
            raise
        now = catalog.renewed(card, manifest)
        if is_same(manifest, now):
            raise
    console.notice(
        f"{card.name}: {manifest.hub_name} no longer has what was downloaded; taking what {now.hub_name} has now"
        f" ({size_text(now.size)}, revision {now.commit or now.revision})"
    )
    return watch(card.name, mend(card.name, now, folder, outdated(folder, now)), console)


def report(folder: Path, manifest: "Manifest", console: Console) -> Iterator[str]:
    """Say of each file whether it is as it should be; give those that are not."""
    from asr_cli.hub.care import verify

    for verdict in verify(folder, manifest):
        state = verdict.problem or ("ok" if verdict.hashed else "ok by its size; the hub has no checksum of it")
        console.notice(f"{verdict.path}: {state}", file=verdict.path, problem=verdict.problem)
        if verdict.problem is not None:
            yield verdict.path


def found(name: str) -> Entry:
    return catalog.find(name, asked().model_dir)


def asked() -> "ModelOptions":
    """What configuration says of models: a folder of them, the hub, the default."""
    from asr.config import settings
    from asr_cli.options import ModelOptions

    names = ("model", "model_dir", "hub", "offline")
    return ModelOptions(**{one.name: one.value for one in settings("transcribe") if one.name in names})


def default_model() -> str:
    return asked().model


def make_default(name: str) -> Iterator[str]:
    """Write the user's configuration file, and say what holds now."""
    from asr.config import is_file, user_file
    from asr.configure import write
    from asr_cli import registry

    file, folder = user_file(), None
    if file is not None and is_file(file):
        asked()  # what cannot be read is not written, either
    if name != catalog.AUTO:
        folder = registry.folder_named(name)
        card = registry.find(name)[1]
        name = str(folder.absolute()) if folder else card.name
    path = write("model", name)
    yield f"{path}: model = {name!r}{overruled(path, name)}"
    if name != catalog.AUTO and not folder and not card.bundled and not catalog.find_folder(card, asked().model_dir):
        yield f"it is not on this machine yet: asr models pull {name} downloads it, or the first time it is used does"


def overruled(path: Path, name: str) -> str:
    """What is said where something stronger than the user's file names another model."""
    from asr.config import settings

    now = next(setting for setting in settings("transcribe") if setting.name == "model")
    if now.value == name:
        return ""
    stronger = "its section [transcribe]" if Path(now.source).resolve() == path else now.source
    return f", but {stronger} is stronger and says {now.value!r}"
