"""Which hypothesis belongs to which reference."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asr_cli.audio.ids import one_word, uncut
from asr_cli.errors import InputError, UsageError

log = logging.getLogger("asr")

MODES = ("all", "present", "strict")
N_NAMED = 10  # utterances in a message
Naming = Callable[[str], str]


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
    """What is to be scored, in the reference's order. missing: without hypothesis; extra: without reference.

    causes: why some are missing.
    """

    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    causes: Mapping[str, str] = field(default_factory=dict)


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
    ids = matched(reference, hypothesis)
    heard = {ids[key]: text for key, text in hypothesis.texts.items()}
    causes = {ids[key]: cause for key, cause in hypothesis.failed.items()}
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
    pairs = tuple(Pair(key, reference.texts[key], heard.get(key)) for key in scored)
    return Pairing(pairs, missing, extra, {key: causes[key] for key in missing if key in causes})


def matched(reference: Texts, hypothesis: Texts) -> Mapping[str, str]:
    """For each of the hypothesis's ids the reference's, or itself where the reference has none."""
    said, heard = reference.texts, (*hypothesis.texts, *hypothesis.failed)
    by_name = reference.by_name or hypothesis.by_name
    if by_name and len(said) == len(heard) == 1:  # two transcripts, whatever they are called
        return dict(zip(heard, said, strict=True))
    ids = {key: key for key in heard}
    for called in (one_word, bare_name) if by_name else (one_word,):
        ids = renamed(ids, said, called, called)
        # A manifest may give whole recordings as stretches. Two different stretches are never the same.
        ids = renamed(ids, said, without_stretch(called), called)
        ids = renamed(ids, said, called, without_stretch(called))
    if hypothesis.texts and not said.keys() & set(ids.values()):
        raise InputError(
            f"no id is in both: {str(reference.path)!r} ({reference.form}) has {next(iter(said))!r},"
            f" {str(hypothesis.path)!r} ({hypothesis.form}) has {next(iter(heard))!r}; give both the same ids,"
            " or say with --text-format what plain text files are"
        )
    return ids


def renamed(ids: Mapping[str, str], said: Collection[str], in_said: Naming, in_heard: Naming) -> dict[str, str]:
    """The ids; an unknown one becomes the one of the reference that is called the same.

    Only what a single id of all is called tells it: day1/001 and day2/001 are both 001, whichever of them are found.
    """
    found = set(ids.values())
    wanted, others = by_call(said, in_said), by_call(ids, in_heard)
    known = {others[name]: wanted[name] for name in others.keys() & wanted.keys() if wanted[name] not in found}
    return {key: known.get(key, value) if value not in said else value for key, value in ids.items()}


def by_call(keys: Iterable[str], called: Naming) -> dict[str, str]:
    """Ids by what they are called; what several are called is left out."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(called(key), []).append(key)
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


def without_stretch(called: Naming) -> Naming:
    return lambda key: called(uncut(key))


def bare_name(key: str) -> str:
    """What a batch calls a file that it is given alone: no folders, one word."""
    return one_word(key.rpartition("/")[2])


def named(keys: tuple[str, ...], n_shown: int = N_NAMED) -> str:
    """A list for a sentence.

    >>> named(("a", "b", "c"), 2)
    'a, b and 1 more'
    """
    more = f" and {len(keys) - n_shown} more" if len(keys) > n_shown else ""
    return ", ".join(keys[:n_shown]) + more
