"""How a batch went, as a table."""

from typing import TYPE_CHECKING

from asr.console import Console, clock
from asr.table import table

if TYPE_CHECKING:
    from asr.watching import BatchView
    from asr_cli.jobs.batch import Batch
    from asr_cli.jobs.ledger import Ledger
    from asr_cli.jobs.tables import Count

LONG = 36_000.0  # s; beyond that nobody counts minutes
N_FAILURES = 20  # that are shown; the report has all
ROWS = {"done": "done", "no_speech": "no speech", "failed": "failed", "skipped": "skipped", "pending": "not done"}


def show_summary(
    console: Console, batch: "Batch", ledger: "Ledger", counts: "dict[str, Count]", wall: float, view: "BatchView"
) -> None:
    """wall: seconds that the run took."""
    from itertools import islice

    from asr_cli.jobs.tables import failures, report_place

    report = report_place(batch)
    rate = view.seconds / max(wall, 1e-9)
    console.event(
        "summary", **{status: counts[status].n_files for status in ROWS if status in counts},
        audio_s=round(view.seconds, 1), wall_s=round(wall, 1), rtfx=round(rate, 1), report=report,
    )  # fmt: skip
    if console.json:
        return
    if console.quiet:
        tell_failures(console, batch, ledger, counts, report)
        return
    rows = [
        (f"  {name}", f"{counts[status].n_files:,}".rjust(9), length(counts[status].seconds).rjust(10))
        for status, name in ROWS.items()
        if status in counts
    ]
    console.notice(table(("", "files".rjust(9), "audio".rjust(10)), rows))
    console.notice(f"  wall {clock(wall)}" + (f"   {rate:.1f}x realtime{peak()}" if view.seconds else ""))
    if view.n_warned:
        console.notice(f"  {view.n_warned:,} with warnings, which are in the report")
    if view.n_suspect:
        console.notice(f"  {view.n_suspect:,} with doubtful text: n_suspect in the report, suspect in JSON")
    if "pending" in counts:
        console.notice("  the same command continues")
    if "failed" in counts:
        console.notice("\nfailed")
        shown = [(f"  {item.key}", result.code or "", result.error or "")
                 for item, result in islice(failures(batch, ledger), N_FAILURES)]  # fmt: skip
        console.notice(table(("", "", ""), shown).lstrip("\n"))
        if counts["failed"].n_files > N_FAILURES:
            console.notice(f"  and {counts['failed'].n_files - N_FAILURES:,} more")
        console.notice("  once what is wrong is put right: the same command with --retry-failed")
    console.notice(f"report  {report}")


def tell_failures(console: Console, batch: "Batch", ledger: "Ledger", counts: "dict[str, Count]", report: str) -> None:
    """As errors, for whoever wants to hear of nothing else."""
    from itertools import islice

    from asr_cli.jobs.tables import failures

    for item, result in islice(failures(batch, ledger), N_FAILURES):
        console.error(f"{item.key}: {result.error}", result.code or "")
    if "failed" in counts and (n_more := counts["failed"].n_files - N_FAILURES) > 0:
        console.error(f"and {n_more:,} more, which are in {report}", "E-BATCH")


def length(seconds: float) -> str:
    """
    >>> length(95.0), length(1_234_567.0)
    ('0:01:35', '342.9 h')
    """
    return clock(seconds) if seconds < LONG else f"{seconds / 3600:,.1f} h"


def peak() -> str:
    """The most memory that one process took."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    import sys

    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    size = max(resource.getrusage(kind).ru_maxrss for kind in kinds) * unit
    return f"   peak {size / 1e9:.1f} GB a process"
