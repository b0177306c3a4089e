"""asr lint: do subtitle files keep the rules?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="SRT or VTT files.", show_default=False)],
    preset: Annotated[
        str | None, typer.Option(metavar="en|zh|ja|netflix-ja", help="Whose rules; by default the text's.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a problem.")] = False,
) -> int:
    """Check subtitle files: times, overlaps, gaps, widths, line breaks, reading speed.

    Errors break the format or its times; warnings are matters of style. Exit 0 without errors, 1 with.
    """
    from asr_cli.errors import AsrError
    from asr_cli.subtitles.lint import lint_file
    from asr_cli.subtitles.style import preset as style_of

    style = style_of(preset) if preset else None
    codes = []
    for path in files:
        try:
            problems = lint_file(path, style)
        except AsrError as error:
            from asr.main import complain, exit_code

            complain(str(error), error.code)
            codes.append(exit_code(error))
            continue
        for problem in problems:
            where = f"{path}:{problem.cue}" if problem.cue else str(path)
            found = {"file": str(path), **asdict(problem)}
            print(
                json.dumps(found, ensure_ascii=False)
                if as_json
                else f"{where}: {problem.severity} {problem.code} {problem.message}"
            )
        codes.append(int(any(strict or problem.severity == "error" for problem in problems)))
    if len(files) == 1:
        return codes[0]
    return 0 if not any(codes) else 1 if all(codes) else 3
