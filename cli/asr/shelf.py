"""The models as `asr models` shows them."""

from collections.abc import Iterator, Sequence

from asr.bytes import size_text
from asr.table import table
from asr_cli.catalog import Entry
from asr_cli.hub.manifest import recorded
from asr_cli.hub.places import owner

HEAD = ("NAME", "KIND", "SIZE", "HERE", "LANGS", "STREAM", "WORDS", "HOTWORDS", "NOTE")
N_LANGUAGES = 4  # more are counted
HUBS = (("ModelScope", "modelscope"), ("Hugging Face", "huggingface"))


def as_table(entries: Sequence[Entry], default: str) -> str:
    return table(HEAD, (row(entry, default) for entry in entries))


def row(entry: Entry, default: str) -> tuple[str, ...]:
    card, size = entry.card, entry.size_bytes
    name = card.name + (" *" if card.name == default else "")
    return (
        name, entry.backend or entry.kind, "-" if size is None else size_text(size), mark(entry.is_here),
        languages(card.languages), mark(card.streaming), mark(card.word_times), mark(card.hotwords), note(entry),
    )  # fmt: skip


def mark(has: bool) -> str:
    return "yes" if has else "-"


def languages(codes: Sequence[str]) -> str:
    """
    >>> languages(("und",)), languages(("zh", "en")), languages(("a", "b", "c", "d", "e"))
    ('any', 'zh,en', '5')
    """
    if tuple(codes) == ("und",):
        return "any"
    return ",".join(codes) if len(codes) <= N_LANGUAGES else str(len(codes))


def note(entry: Entry) -> str:
    if entry.card.bundled:
        return "comes with the program"
    if entry.folder is not None:
        return f"in {entry.folder}"
    hubs = [name for name, field in HUBS if getattr(entry.card, field)]
    return f"on {' and '.join(hubs)}" if hubs else "on no hub"


def summary(entries: Sequence[Entry], default: str) -> str:
    here = [entry for entry in entries if entry.is_here]
    taken = sum(entry.size_bytes or 0 for entry in here)
    starred = "; * the default" if default in {entry.card.name for entry in entries} else ""
    return (
        f"{len(here)} here, {size_text(taken)} on disk{starred}\n"
        "Pull: asr models pull NAME   Details: asr models info NAME   Free space: asr models rm NAME"
    )


def details(entry: Entry) -> Iterator[tuple[str, str]]:
    """Everything that is known of a model without asking anybody."""
    card = entry.card
    yield "name", card.name
    if card.aliases:
        yield "also called", ", ".join(card.aliases)
    yield "what", card.summary
    yield "kind", entry.kind
    if entry.backend is not None:
        yield "backend", entry.backend
    yield "languages", "any" if card.languages == ("und",) else ", ".join(card.languages)
    yield "licence", card.license
    yield "sample rate", f"{card.sample_rate} Hz"
    yield "devices", ", ".join(card.devices)
    yield "can", ", ".join(abilities(entry)) or "-"
    if card.modes:
        yield "modes", ", ".join(card.modes)
    if card.modelscope:
        yield "ModelScope", f"{card.modelscope}  revision {card.modelscope_revision}"
    if card.huggingface:
        yield "Hugging Face", f"{card.huggingface}  revision {card.huggingface_revision}"
    yield "here", where(entry)
    if entry.size_bytes is not None:
        yield "size", f"{size_text(entry.size_bytes)}" + ("" if entry.folder else " to download")
    manifest = recorded(entry.folder) if entry.folder else None
    if manifest is not None:
        yield "from", f"{manifest.hub_name} {manifest.model_id}  revision {manifest.commit or manifest.revision}"
        for file in manifest.files:
            yield "file", f"{file.path}  {file.size} bytes  sha256 {file.sha256}"


def abilities(entry: Entry) -> Iterator[str]:
    names = {
        "word_times": "word times", "streaming": "streaming", "punctuation": "punctuation", "hotwords": "hotwords",
        "prompt": "prompt", "translate": "translation",
    }  # fmt: skip
    return (text for field, text in names.items() if getattr(entry.card, field))


def where(entry: Entry) -> str:
    if entry.card.bundled:
        return "comes with the program"
    if entry.folder is None:
        return "no"
    cache = owner(entry.folder)
    other = f", which {cache}'s programs downloaded" if cache in ("ModelScope", "Hugging Face") else ""
    return f"{entry.folder}{other}"
