"""asr vad: where somebody speaks."""

from pathlib import Path
from typing import Annotated

import typer

from asr.options import Files, InputFlags, ScreenFlags
from asr.spread import spread
from asr.vad_options import VadFlags

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
@spread
def vad(
    files: Files,
    source: InputFlags,
    screen: ScreenFlags,
    options: VadFlags,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--output-format", "-f", metavar="FORMAT",
            help="txt (start, end), json, tsv (milliseconds), audacity (labels), rttm.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", "--output-dir", metavar="DIR|FILE|-", help="Write here instead of standard output."
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each stretch of speech as a WAV file, too.")
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Look for models here first.")] = None,
    hub: Annotated[
        str, typer.Option(metavar="auto|ms|hf", help="Where a model that is not here comes from.")
    ] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network for a model.")] = False,
) -> int:  # fmt: skip
    """List the stretches of a recording in which somebody speaks."""
    from asr.listing import run

    return run(
        files,
        source,
        screen,
        options,
        output_format=output_format,
        output=output,
        export=export,
        model_dir=model_dir,
        hub=hub,
        offline=offline,
    )
