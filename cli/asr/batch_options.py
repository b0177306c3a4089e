"""The options of `asr batch` alone."""

from dataclasses import dataclass
from typing import Annotated

import typer

from asr.options import INPUT, OUTPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFlags:
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", "--output-dir", metavar="DIR", help="Where to write; needed.", show_default=False
        ),
    ] = None
    output_format: Annotated[
        str | None,
        typer.Option(
            "--output-format",
            "-f",
            metavar="FORMAT,...",
            help="Also files for each recording: txt, srt, vtt, json, tsv, lrc, ass; several with commas, or all.",
        ),
    ] = None
    batch_file: Annotated[
        str | None,
        typer.Option(
            "--batch-file", "-a", metavar="FILE|-", help="A list of recordings, a line each.", show_default=False
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", min=1, help="How many processes work.", show_default=False),
    ] = None
    devices: Annotated[
        str | None,
        typer.Option(metavar="cpu|cuda:0,cuda:1", help="What they compute on, in turn.", show_default=False),
    ] = None
    engine: Annotated[
        str,
        typer.Option(metavar="local|ray", help="Where they work: on this machine, or in a Ray cluster."),
    ] = "local"
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The Ray cluster's; by default the one that is running here, or a new one.",
            show_default=False,
        ),
    ] = None
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False
    redo: Annotated[bool, typer.Option("--overwrite", "-y", help="Do everything again, also what is complete.")] = False
    segments: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Kaldi's segments: stretches of the recordings.",
            rich_help_panel=INPUT,
            show_default=False,
        ),
    ] = None
    allow_scp_pipes: Annotated[
        bool,
        typer.Option("--allow-scp-pipes", help='Run what a list has as "command |" in a shell.', rich_help_panel=INPUT),
    ] = False
    word_timestamps: Annotated[
        bool,
        typer.Option(
            "--word-timestamps/--no-word-timestamps", help="Keep each word's times in JSON.", rich_help_panel=OUTPUT
        ),
    ] = True
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop when a recording fails.", rich_help_panel=OUTPUT)
    ] = False
    ignore_errors: Annotated[
        bool, typer.Option("--ignore-errors", help="Exit with 0 although some failed.", rich_help_panel=OUTPUT)
    ] = False
