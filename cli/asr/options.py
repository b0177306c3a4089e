"""The options of the commands that listen, declared once, in the groups that belong together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

INPUT, OUTPUT, SUBTITLES, RECOGNITION, VAD = "Input", "Output", "Subtitles", "Recognition", "Voice activity"

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Recordings: audio or video files, directories, globs, http(s) URLs, or - for standard input.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFlags:
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into directories inside directories.")] = (
        False
    )
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Begin here: seconds or HH:MM:SS.")] = None
    end: Annotated[str | None, typer.Option(metavar="TIME", help="End here.")] = None
    channels: Annotated[
        str,
        typer.Option(
            metavar="mix|left|right|split",
            help="Mix the channels, take one, or transcribe each and name the speaker by it.",
            rich_help_panel=INPUT,
        ),
    ] = "mix"
    track: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="The audio track of a video, from 0.", rich_help_panel=INPUT),
    ] = None
    pcm: Annotated[
        str | None,
        typer.Option(
            metavar="16000:1:s16le", help="Input is raw samples: rate:channels:format.", rich_help_panel=INPUT
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFlags:
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            "--output-dir",
            metavar="DIR|FILE|-",
            help="Where to write (whisper: --output_dir).",
        ),
    ] = None
    output_format: Annotated[
        str | None,
        typer.Option(
            "--output-format",
            "-f",
            metavar="FORMAT,...",
            help="txt, srt, vtt, json, tsv, lrc, ass; several with commas, or all.",
        ),
    ] = None
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite/--no-overwrite",
            "-y",
            help="Replace results that exist, or skip their recordings.",
            rich_help_panel=OUTPUT,
        ),
    ] = True
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Continue where an interrupted run stopped.", rich_help_panel=OUTPUT),
    ] = True
    word_timestamps: Annotated[
        bool,
        typer.Option(
            "--word-timestamps/--no-word-timestamps",
            help="Keep each word's times in JSON.",
            rich_help_panel=OUTPUT,
        ),
    ] = True
    lang_suffix: Annotated[
        bool,
        typer.Option("--lang-suffix", help="Write video.en.srt instead of video.srt.", rich_help_panel=OUTPUT),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleFlags:
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="en|zh|ja|netflix-ja",
            help="Layout rules of a language; by default those of the text.",
            rich_help_panel=SUBTITLES,
        ),
    ] = None
    max_line_width: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Columns of a line; a CJK character takes two.",
            rich_help_panel=SUBTITLES,
        ),
    ] = None
    max_line_count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Lines of a cue.", rich_help_panel=SUBTITLES)
    ] = None
    max_words_per_line: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Words of a line.", rich_help_panel=SUBTITLES)
    ] = None
    max_duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="The longest a cue may stay.", rich_help_panel=SUBTITLES),
    ] = None
    min_duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="The shortest a cue should stay.", rich_help_panel=SUBTITLES),
    ] = None
    min_gap: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Between two cues.", rich_help_panel=SUBTITLES)
    ] = None
    linger: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long a cue stays after its last word.", rich_help_panel=SUBTITLES),
    ] = None
    highlight_words: Annotated[
        bool,
        typer.Option("--highlight-words", help="Mark each word as it is spoken.", rich_help_panel=SUBTITLES),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionFlags:
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|DIR",
            help="The recogniser, a folder that holds one, or BACKEND:OWNER/NAME of a hub; auto takes the best one here"
            " (asr models).",
        ),
    ] = "auto"
    language: Annotated[
        str | None,
        typer.Option("--language", "-l", metavar="LANG", help="What is spoken: en, zh, Japanese, auto."),
    ] = None
    model_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Look for models here first.", rich_help_panel=RECOGNITION),
    ] = None
    hub: Annotated[
        str,
        typer.Option(
            metavar="auto|ms|hf",
            help="Where a model that is not here comes from: ModelScope, Hugging Face, or whichever answers first.",
            rich_help_panel=RECOGNITION,
        ),
    ] = "auto"
    offline: Annotated[
        bool, typer.Option("--offline", help="Never use the network for a model.", rich_help_panel=RECOGNITION)
    ] = False
    hotwords: Annotated[
        str,
        typer.Option(
            metavar="WORDS|FILE", help='Names and terms to expect: "a b", "a b, c", or one on each line of a file.'
        ),
    ] = ""
    hotword_weight: Annotated[
        float,
        typer.Option(
            metavar="W", help="How much hotwords count; 1 as the model was trained.", rich_help_panel=RECOGNITION
        ),
    ] = 1.0
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="fast|normal|offline",
            help="How a model that has several passes decodes (UniASR); by default as it was made to.",
            rich_help_panel=RECOGNITION,
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda[:N]|mps", help="Where to compute.", rich_help_panel=RECOGNITION),
    ] = "auto"
    compute_type: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16|float16|int8",
            help="In what numbers; auto is the fastest here that keeps the text.",
            rich_help_panel=RECOGNITION,
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How many cores to use.", rich_help_panel=RECOGNITION),
    ] = None
    punc: Annotated[
        bool | None,
        typer.Option(
            "--punc/--no-punc",
            help="Put punctuation and capitals on; by default where a model fits the language.",
            rich_help_panel=RECOGNITION,
            show_default=False,
        ),
    ] = None
    punc_model: Annotated[
        str,
        typer.Option(
            metavar="NAME|DIR",
            help="ct-punc, ct-punc-c, ct-punc-en-mini, or a folder in FunASR's layout.",
            rich_help_panel=RECOGNITION,
        ),
    ] = "auto"
    itn: Annotated[
        bool,
        typer.Option(
            "--itn/--no-itn", help="Write numbers in digits: 23 for twenty three.", rich_help_panel=RECOGNITION
        ),
    ] = False
    script: Annotated[
        str | None,
        typer.Option(
            metavar="hans|hant",
            help="Write Chinese in Simplified or Traditional characters (hant-tw, hant-hk: as there).",
            rich_help_panel=RECOGNITION,
        ),
    ] = None
    batch_seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="How much speech is recognised at once.",
            rich_help_panel=RECOGNITION,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenFlags:
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Show each segment as it comes, with its times; of a batch, each recording."
        ),
    ] = False
    json: Annotated[
        bool,
        typer.Option("--json", help="Progress and messages as one JSON object a line, on standard error."),
    ] = False
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False
