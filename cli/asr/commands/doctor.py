"""asr doctor: what is missing, and how to get it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

MISSING = 6


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> int:
    """Look at everything this program leans on; exit 6 if something it needs is missing."""
    from asr.checkup import examine
    from asr.table import table

    findings = list(examine())
    if as_json:
        for finding in findings:
            print(json.dumps(asdict(finding), ensure_ascii=False))
    else:
        print(table(("", "WHAT", "FOUND"), [(found.state, found.what, found.found) for found in findings]))
        for found in findings:
            if found.remedy:
                print(f"\n{found.what}: {found.remedy}")
    return MISSING if any(found.state == "missing" for found in findings) else 0
