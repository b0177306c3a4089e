"""What asr eval prints: tables, alignments, JSON."""

import json
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from asr.table import table
from asr_cli.scoring.distance import CORRECT
from asr_cli.scoring.pairs import Pairing, Texts, named
from asr_cli.scoring.score import Counts, Score, Scored
from asr_cli.scoring.units import METRICS, Rules
from asr_cli.subtitles.columns import columns

VERSION = 1  # of the JSON
HEAD = ("UNITS", "CORRECT", "SUB", "DEL", "INS", "RATE")
SPACE, NOTHING = "␣", "*"


def summary(scores: Sequence[Score], sides: tuple[Texts, Texts], rules: Rules) -> str:
    """The rates, under what was counted and how."""
    reference, hypothesis = sides
    rows = [
        (score.metric, str(len(score.utterances)), str(score.n_wrong), *cells(score.counts), span(score.interval))
        for score in scores
    ]
    return "\n".join(
        (
            f"reference: {reference.path} ({reference.form}); hypothesis: {hypothesis.path} ({hypothesis.form})",
            f"normalisation: {rules}",
            *(f"{score.metric}: {METRICS[score.metric]}" for score in scores),
            table(("METRIC", "UTTERANCES", "WRONG", *HEAD, "95 %"), rows),
        )
    )


def cells(counts: Counts) -> tuple[str, ...]:
    numbers = (counts.units, counts.correct, counts.substitutions, counts.deletions, counts.insertions)
    return (*map(str, numbers), percent(counts.rate))


def percent(rate: float | None) -> str:
    """
    >>> percent(0.30201), percent(None)
    ('30.20 %', 'n/a')
    """
    return "n/a" if rate is None else f"{100 * rate:.2f} %"


def span(interval: tuple[float, float] | None) -> str:
    return "n/a" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def absentees(pairing: Pairing, *, mode: str) -> str:
    """Who was not transcribed, and why where that is known; empty where nobody is missing."""
    if not pairing.missing:
        return ""
    causes = pairing.causes
    told = tuple(f"{key} ({causes[key]})" if key in causes else key for key in pairing.missing)
    fate = "left out" if mode == "present" else "counted as deletions"
    return f"missing, {fate}: {len(told)}: {named(told)}"


def per_utterance(score: Score) -> str:
    """A line an utterance, the worst first."""
    rows = [(one.key, *cells(one.counts), "missing" if one.is_missing else "") for one in score.worst_first()]
    return table((score.metric.upper(), *HEAD, ""), rows)


def alignments(score: Score) -> Iterator[str]:
    """Each utterance that has errors, the worst first, its two texts in columns."""
    width = shutil.get_terminal_size((100, 24)).columns
    for one in score.worst_first():
        if one.counts.errors:
            counts = one.counts
            yield (
                f"{one.key}  {score.metric} {percent(counts.rate)}"
                f"  ({counts.substitutions} sub, {counts.deletions} del, {counts.insertions} ins of {counts.units})"
            )
            yield from aligned(one, width)
            yield ""


def aligned(one: Scored, width: int) -> Iterator[str]:
    """Rows no wider than a screen: the reference, the hypothesis, and a letter under each error."""
    lines = ["ref ", "hyp ", "    "]
    for reference, hypothesis, kind in one.columns():
        said, heard = shown(reference), shown(hypothesis)
        wide = max(1, columns(said or ""), columns(heard or ""))
        if columns(lines[0]) + 1 + wide > width and len(lines[0]) > 4:
            yield from (line.rstrip() for line in lines if line.strip())
            lines = ["ref ", "hyp ", "    "]
        mark = "" if kind == CORRECT else kind
        for index, cell in enumerate((said or NOTHING * wide, heard or NOTHING * wide, mark)):
            lines[index] += cell + " " * (wide - columns(cell) + 1)
    yield from (line.rstrip() for line in lines if line.strip())


def shown(unit: str | None) -> str | None:
    return SPACE if unit is not None and unit.isspace() else unit


def as_json(
    scores: Sequence[Score],
    pairing: Pairing,
    sides: tuple[Texts, Texts],
    rules: Rules,
    *,
    mode: str,
    with_columns: bool,
) -> str:
    """All of it, one object."""
    found = {
        "version": VERSION,
        "reference": {"path": str(sides[0].path), "form": sides[0].form},
        "hypothesis": {"path": str(sides[1].path), "form": sides[1].form},
        "normalisation": str(rules),
        "mode": mode,
        "metrics": {score.metric: overall(score) for score in scores},
        "missing": [{"key": key, "error": pairing.causes.get(key)} for key in pairing.missing],
        "extra": list(pairing.extra),
        "utterances": [
            utterance([(score.metric, score.utterances[n]) for score in scores], with_columns=with_columns)
            for n in range(len(pairing.pairs))
        ],
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False)


def overall(score: Score) -> dict[str, Any]:
    return {
        "units_are": METRICS[score.metric],
        "utterances": len(score.utterances),
        "wrong_utterances": score.n_wrong,
        **numbers(score.counts),
        "interval_95": score.interval,
    }


def utterance(scored: list[tuple[str, Scored]], *, with_columns: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"key": scored[0][1].key, "missing": scored[0][1].is_missing}
    for metric, one in scored:
        found[metric] = numbers(one.counts)
        if with_columns:
            found[metric]["alignment"] = one.columns()
    return found


def numbers(counts: Counts) -> dict[str, Any]:
    return {
        "units": counts.units,
        "correct": counts.correct,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "errors": counts.errors,
        "rate": counts.rate,
    }
