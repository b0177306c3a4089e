"""How much of an error rate is chance (Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR")."""

from collections.abc import Sequence

N_CORPORA = 1000  # what the paper draws for an interval
SEED = 2004
LEVEL = 0.95


def interval(errors: Sequence[int], units: Sequence[int]) -> tuple[float, float] | None:
    """The rates between which 95 of 100 corpora lie that are drawn from these utterances, with replacement.

    errors, units: of each utterance. None where there are fewer than two utterances, or too little was said.
    """
    import numpy as np

    n = len(errors)
    if n < 2:
        return None
    wrong, said = np.asarray(errors, dtype=np.int64), np.asarray(units, dtype=np.int64)
    random = np.random.RandomState(SEED)  # its numbers are the same in every release of numpy
    drawn = np.empty((N_CORPORA, 2), dtype=np.int64)
    for corpus in drawn:
        chosen = random.randint(n, size=n)
        corpus[:] = wrong[chosen].sum(), said[chosen].sum()
    drawn = drawn[drawn[:, 1] > 0]
    if len(drawn) < N_CORPORA / 2:
        return None
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
