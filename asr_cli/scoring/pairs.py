"""Which hypothesis belongs to which reference."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asr_cli.errors import InputError, UsageError

log = logging.getLogger("asr")

MODES = ("all", "present", "strict")
N_NAMED = 10  # utterances in a message


@dataclass(frozen=True, slots=True)
class Texts:
    """One side. form: what it was read as. failed: ids that have no text, and why.

    by_name: the ids are names of files.
    """

    path: Path
    form: str
    texts: Mapping[str, str]
    failed: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """An utterance; hypothesis: None where there is none."""

    key: str
    reference: str
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class Pairing:
    """What is to be scored, in the reference's order. missing: without hypothesis; extra: without reference."""

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def paired(reference: Texts, hypothesis: Texts, *, mode: str = "all") -> Pairing:
    """The utterances side by side.

    mode: what a missing hypothesis is: nothing heard ("all"), left out ("present"), an error ("strict").
    """
    if mode not in MODES:
        raise UsageError(f"{mode!r} is no mode; known: {', '.join(MODES)}")
    if not reference.texts:
        raise InputError(
            f"{str(reference.path)!r} holds no utterances; give a file or directory that has reference texts"
        )
    heard = matched(reference, hypothesis)
    missing = tuple(key for key in reference.texts if key not in heard)
    extra = tuple(key for key in heard if key not in reference.texts)
    if missing and mode == "strict":
        raise InputError(
            f"{str(hypothesis.path)!r} lacks {named(missing)}; complete it, or choose --mode all or --mode present"
        )
    if extra:
        log.warning(
            "%s has no reference for %s; not counted", reference.path, named(extra), extra={"code": "W-NO-REFERENCE"}
        )
    scored = (key for key in reference.texts if mode == "all" or key in heard)
    return Pairing(tuple(Pair(key, reference.texts[key], heard.get(key)) for key in scored), missing, extra)


def matched(reference: Texts, hypothesis: Texts) -> Mapping[str, str]:
    """The hypotheses under the reference's ids."""
    said, heard = reference.texts, hypothesis.texts
    if reference.by_name or hypothesis.by_name:
        if len(said) == len(heard) == 1:  # two transcripts, whatever they are called
            return dict(zip(said, heard.values(), strict=True))
        heard = renamed(heard, said)
    if heard and not said.keys() & heard.keys():
        raise InputError(
            f"no id is in both: {str(reference.path)!r} ({reference.form}) has {next(iter(said))!r},"
            f" {str(hypothesis.path)!r} ({hypothesis.form}) has {next(iter(heard))!r}; give both the same ids,"
            " or say with --text-format what plain text files are"
        )
    return heard


def renamed(heard: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """The hypotheses; one whose id is unknown has the id of the only reference with its file's name."""
    wanted = by_bare_name(key for key in said if key not in heard)
    others = by_bare_name(key for key in heard if key not in said)
    ids = {others[name]: wanted[name] for name in others.keys() & wanted.keys()}
    return {ids.get(key, key): text for key, text in heard.items()}


def by_bare_name(keys: Iterable[str]) -> dict[str, str]:
    """Ids by what a batch calls the file: without its folders, one word; names that several have are left out."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault("_".join(key.rpartition("/")[2].split(" ")), []).append(key)
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


def named(keys: tuple[str, ...], n_shown: int = N_NAMED) -> str:
    """A list for a sentence.

    >>> named(("a", "b", "c"), 2)
    'a, b and 1 more'
    """
    more = f" and {len(keys) - n_shown} more" if len(keys) > n_shown else ""
    return ", ".join(keys[:n_shown]) + more
