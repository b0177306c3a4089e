"""Error rates: counts for each utterance, their sum, and how far chance could have moved it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from asr_cli.errors import UsageError
from asr_cli.scoring.distance import CORRECT, DELETION, INSERTION, SUBSTITUTION, steps
from asr_cli.scoring.interval import interval
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.units import Rules, units


@dataclass(frozen=True, slots=True)
class Counts:
    """What an alignment consists of."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def units(self) -> int:
        """Of the reference."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors for each unit of the reference, more than 1 at worst; None where the reference has no units."""
        return self.errors / self.units if self.units else None


@dataclass(frozen=True, slots=True)
class Scored:
    """One utterance, aligned. steps: a letter a step, see distance.steps. is_missing: nobody transcribed it."""

    key: str
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    steps: str
    is_missing: bool = False

    @property
    def counts(self) -> Counts:
        return Counts(*(self.steps.count(kind) for kind in (CORRECT, SUBSTITUTION, DELETION, INSERTION)))

    def columns(self) -> list[tuple[str | None, str | None, str]]:
        """Each step with the units that it sets beside each other; None where there is none."""
        reference, hypothesis = iter(self.reference), iter(self.hypothesis)
        return [
            (
                None if kind == INSERTION else next(reference),
                None if kind == DELETION else next(hypothesis),
                kind,
            )
            for kind in self.steps
        ]


@dataclass(frozen=True)
class Score:
    """A corpus by one metric."""

    metric: str
    utterances: tuple[Scored, ...]

    @cached_property
    def each(self) -> tuple[Counts, ...]:
        return tuple(one.counts for one in self.utterances)

    @cached_property
    def counts(self) -> Counts:
        return Counts(
            sum(one.correct for one in self.each),
            sum(one.substitutions for one in self.each),
            sum(one.deletions for one in self.each),
            sum(one.insertions for one in self.each),
        )

    @property
    def n_wrong(self) -> int:
        """Utterances with an error."""
        return sum(one.errors > 0 for one in self.each)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Between which rates 95 of 100 corpora like this one would lie."""
        return interval([one.errors for one in self.each], [one.units for one in self.each])

    def worst_first(self) -> list[Scored]:
        """By rate, then by errors; errors without anything to get wrong come first of all."""
        ranked = sorted(zip(self.utterances, self.each, strict=True), key=lambda one: badness(one[1]), reverse=True)
        return [one for one, _ in ranked]


def badness(counts: Counts) -> tuple[float, int]:
    if counts.rate is None:
        return (float("inf") if counts.errors else 0.0, counts.errors)
    return counts.rate, counts.errors


def checked_limit(rate: float) -> float:
    """The rate, if some rate can be above it."""
    if not 0 <= rate <= 1:
        raise UsageError(f"--max-rate {rate:g} is no limit; a rate is a fraction from 0 to 1, such as 0.2 for 20 %")
    return rate


def is_above(counts: Counts, limit: float) -> bool:
    """Whether the rate is above the limit; errors in what has no rate are above any."""
    # Of two floats each nearest to its fraction, 29 / 100 and "0.29" are equal; 0.29 * 100 is less than 29.
    return counts.errors > 0 if counts.rate is None else counts.rate > limit


def score(pairs: Iterable[Pair], metric: str, rules: Rules) -> Score:
    """The error rate of the hypotheses: a missing one is a deletion of all that was said."""
    return Score(metric, tuple(scored(pair, metric, rules) for pair in pairs))


def scored(pair: Pair, metric: str, rules: Rules) -> Scored:
    reference = units(pair.reference, metric, rules)
    hypothesis = units(pair.hypothesis or "", metric, rules)
    path = steps(reference, hypothesis)
    return Scored(pair.key, tuple(reference), tuple(hypothesis), path, pair.hypothesis is None)
