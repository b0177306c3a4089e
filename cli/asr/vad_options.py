"""`--vad-*`: everything FSMN-VAD lets one set, under FunASR's names; times in milliseconds, as its users know them."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.options import RECOGNITION, VAD

if TYPE_CHECKING:
    from asr_cli.vad.endpoint import EndpointOptions


def number(help_text: str, metavar: str = "MS") -> Any:
    return typer.Option(metavar=metavar, help=help_text, rich_help_panel=VAD, show_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VadFlags:
    """None: the model's own value."""

    vad_model: Annotated[
        str,
        typer.Option(metavar="NAME", help="fsmn-vad, fsmn-vad-mini, or a folder.", rich_help_panel=VAD),
    ] = "auto"
    vad_mode: Annotated[
        str | None,
        number("classic: one end silence; dynamic: it shrinks as speech goes on.", "MODE"),
    ] = None
    vad_max_end_silence_time: Annotated[int | None, number("Silence that ends speech (800).")] = None
    vad_max_start_silence_time: Annotated[int | None, number("Silence after which single mode gives up (3000).")] = None
    vad_max_single_segment_time: Annotated[int | None, number("The longest stretch of speech (60000).")] = None
    vad_speech_noise_thres: Annotated[
        float | None, number("How much likelier than noise speech must be (0.6).", "0..1")
    ] = None
    vad_speech_2_noise_ratio: Annotated[float | None, number("Exponent of the noise probability (1.0).", "X")] = None
    vad_window_size_ms: Annotated[int | None, number("Window over which frames vote (200).")] = None
    vad_sil_to_speech_time_thres: Annotated[int | None, number("Speech in the window to begin (150).")] = None
    vad_speech_to_sil_time_thres: Annotated[int | None, number("Speech in the window to go on (150).")] = None
    vad_lookback_time_start_point: Annotated[int | None, number("Kept before the start (200).")] = None
    vad_lookahead_time_end_point: Annotated[int | None, number("Kept after the end (100).")] = None
    vad_decibel_thres: Annotated[float | None, number("Frames quieter than this are silence (-100).", "DB")] = None
    vad_snr_thres: Annotated[float | None, number("Frames less above the noise are silence (-100).", "DB")] = None
    vad_detect_mode: Annotated[int | None, number("1: many stretches of speech; 0: the first.", "0|1")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UseVad:
    vad: Annotated[
        bool,
        typer.Option("--vad/--no-vad", help="Find speech first, or hear everything.", rich_help_panel=RECOGNITION),
    ] = True


def endpoint_options(flags: VadFlags) -> "EndpointOptions | None":
    """None where no flag was given: the model's own options hold then."""
    from asr_cli.vad.endpoint import EndpointOptions

    given = {
        field.name.removeprefix("vad_"): getattr(flags, field.name)
        for field in fields(flags)
        if field.name != "vad_model" and getattr(flags, field.name) is not None
    }
    return EndpointOptions(**given) if given else None
