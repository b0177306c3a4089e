"""A score in the words of Kaldi's compute-wer, digit for digit."""

from struct import pack, unpack

from asr_cli.scoring.score import Score


def kaldi_lines(score: Score, n_missing: int) -> str:
    """What compute-wer prints. n_missing: utterances without hypothesis, scored or not."""
    counts = score.counts
    partial = " [PARTIAL]" if n_missing else ""
    n_sentences = len(score.utterances)
    return (
        f"%WER {percent(counts.errors, counts.units)} [ {counts.errors} / {counts.units}, {counts.insertions} ins,"
        f" {counts.deletions} del, {counts.substitutions} sub ]{partial}\n"
        f"%SER {percent(score.n_wrong, n_sentences)} [ {score.n_wrong} / {n_sentences} ]\n"
        f"Scored {n_sentences} sentences, {n_missing} not present in hyp."
    )


def percent(part: int, whole: int) -> str:
    """Two decimals of a number that was a C float on the way, which now and then is another last digit.

    >>> percent(1462, 1491), f"{146200 / 1491:.2f}", percent(1, 0), percent(0, 0)
    ('98.06', '98.05', 'inf', '-nan')
    """
    if not whole:
        return "inf" if part else "-nan"
    return f"{single(100.0 * single(part) / single(whole)):.2f}"


def single(number: float) -> float:
    """The number in single precision."""
    found: float = unpack("f", pack("f", number))[0]
    return found
