"""The options that only a live stream has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from asr.options import INPUT, OUTPUT

LIVE = "Live"

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|-|MICROPHONE]",
        help="A recording, - for standard input, or with --mic the microphone's name or a part of it.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFlags:
    mic: Annotated[bool, typer.Option("--mic", help="Listen to a microphone: the default one, or the one named.")] = (
        False
    )
    list_mics: Annotated[bool, typer.Option("--list-mics", help="List the microphones, and do nothing else.")] = False
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Hear the recording at the pace at which it was spoken.")
    ] = False
    pcm: Annotated[
        str | None,
        typer.Option(
            metavar="16000:1:s16le", help="Input is raw samples: rate:channels:format.", rich_help_panel=INPUT
        ),
    ] = None
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write captions there, too, as they come: .srt, .vtt, .txt and so on; may be repeated.",
            show_default=False,
        ),
    ] = None
    save_audio: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what is heard: .flac, .wav, .mp3 and so on.")
    ] = None
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Drafts and finals as one JSON object a line.")] = False
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "-y", help="Replace files that are there already.", rich_help_panel=OUTPUT)
    ] = False
    stats: Annotated[bool, typer.Option("--stats", help="Say at the end how soon words and captions came.")] = False
    final_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="What makes the finals at the end of each utterance; --model makes the drafts then.",
        ),
    ] = None
    drafts: Annotated[
        bool, typer.Option("--drafts/--no-drafts", help="Show what is being said before it is final.")
    ] = True
    chunk_size: Annotated[
        str | None,
        typer.Option(
            metavar="L,C,R",
            help="What a streaming model looks back, hears and looks ahead, in frames of 60 ms (0,10,5).",
            rich_help_panel=LIVE,
            show_default=False,
        ),
    ] = None
    encoder_chunk_look_back: Annotated[
        int, typer.Option(metavar="N", help="Chunks that its encoder remembers; -1 for all.", rich_help_panel=LIVE)
    ] = 4
    decoder_chunk_look_back: Annotated[
        int, typer.Option(metavar="N", help="Chunks that its decoder remembers; -1 for all.", rich_help_panel=LIVE)
    ] = 1
    refresh: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How often UniASR's second pass corrects the first.",
            rich_help_panel=LIVE,
            show_default=False,
        ),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False
    json: Annotated[bool, typer.Option("--json", help="Messages as one JSON object a line, on standard error.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False
