"""The options of models that write one token after the other, under the names that Whisper's users know."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr_cli.errors import UsageError

if TYPE_CHECKING:
    from asr_cli.decoding import DecodingOptions

DECODING, LONG_FORM = "Decoding (Whisper)", "Long recordings (Whisper)"
# What does nothing without another option, and with what of that one it does something.
NEEDS: dict[str, tuple[str, Any]] = {
    "beam_size": ("temperature", lambda temperature: not temperature),
    "length_penalty": ("beam_size", lambda size: size > 1),
    "condition_on_previous_text": ("long_form", lambda form: form == "sequential"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingFlags:
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK",
            help="transcribe, or translate into English.",
            rich_help_panel=DECODING,
        ),
    ] = "transcribe"
    beam_size: Annotated[
        int, typer.Option(metavar="N", help="How many texts are tried side by side.", rich_help_panel=DECODING)
    ] = 1
    length_penalty: Annotated[
        float,
        typer.Option(
            metavar="P", help="Of a beam: more than 1 for longer texts, less for shorter.", rich_help_panel=DECODING
        ),
    ] = 1.0
    temperature: Annotated[
        float, typer.Option(metavar="T", help="0 for the likeliest, up to 1 to try others.", rich_help_panel=DECODING)
    ] = 0.0
    temperature_increment_on_fallback: Annotated[
        str,
        typer.Option(
            "--temperature-increment",
            metavar="T|none",
            help="How much hotter what seems wrong is tried again (also ...-on-fallback).",
            rich_help_panel=DECODING,
        ),
    ] = "0.2"
    compression_ratio_threshold: Annotated[
        str, typer.Option(metavar="R|none", help="Text that compresses better seems wrong.", rich_help_panel=DECODING)
    ] = "2.4"
    logprob_threshold: Annotated[
        str,
        typer.Option(
            metavar="P|none", help="Text that is less likely seems wrong (mean logarithm).", rich_help_panel=DECODING
        ),
    ] = "-1.0"
    no_speech_threshold: Annotated[
        str,
        typer.Option(
            metavar="P|none", help="Unsure text is dropped where silence is likelier.", rich_help_panel=DECODING
        ),
    ] = "0.6"
    initial_prompt: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What might have been said before: names, style.", rich_help_panel=DECODING),
    ] = ""
    suppress_tokens: Annotated[
        str,
        typer.Option(
            metavar="N,...", help="Tokens never written; -1 for the model's own list.", rich_help_panel=DECODING
        ),
    ] = "-1"
    assistant_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="A smaller model that drafts for it: the same text, sooner.",
            rich_help_panel=DECODING,
            show_default=False,
        ),
    ] = None
    attention: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How the encoder's is computed: auto, eager, sdpa or flash_attention_2.",
            rich_help_panel=DECODING,
        ),
    ] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFormFlags:
    """What only recordings have."""

    long_form: Annotated[
        str,
        typer.Option(
            metavar="FORM",
            help="chunked (side by side), sequential (window after window), or auto.",
            rich_help_panel=LONG_FORM,
        ),
    ] = "auto"
    chunk_length: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="The longest chunk; by default what suits the model.",
            rich_help_panel=LONG_FORM,
            show_default=False,
        ),
    ] = None
    condition_on_previous_text: Annotated[
        bool,
        typer.Option(
            "--previous-text/--no-previous-text",
            help="Tell the model what it wrote before (sequential; also condition-on-...).",
            rich_help_panel=LONG_FORM,
        ),
    ] = False


def decoding_options(
    flags: DecodingFlags, long_form: LongFormFlags, known: Collection[str], typed: Collection[str]
) -> "DecodingOptions":
    """known: what the model knows of them. What is typed is handed on in any case, to be refused where it does not fit;
    what is configured and does not fit is for other times.
    """
    from asr_cli.decoding import DecodingOptions

    plain = DecodingOptions()
    asked = {name: value for name, value in read(flags, long_form).items() if name in known or name in typed}
    if "beam_size" in typed and flags.beam_size > 1 and "temperature" not in typed:
        asked["temperature"] = plain.temperature
    for name, (needed, suffices) in NEEDS.items():
        if name not in typed and not suffices(asked.get(needed, getattr(plain, needed))):
            asked[name] = getattr(plain, name)
    return DecodingOptions(**asked)


def assistant(flags: DecodingFlags, model: str, known: Collection[str], typed: Collection[str]) -> str | None:
    """The same, of the assistant."""
    fits = "assistant_model" in known and flags.assistant_model != model
    return flags.assistant_model if fits or "assistant_model" in typed else None


def read(flags: DecodingFlags, long_form: LongFormFlags) -> dict[str, Any]:
    """The values by the names that they have in `DecodingOptions`."""
    found = {field.name: getattr(part, field.name) for part in (flags, long_form) for field in fields(part)}
    del found["assistant_model"]
    for name in ("temperature_increment_on_fallback", "compression_ratio_threshold", "logprob_threshold",
                 "no_speech_threshold"):  # fmt: skip
        found[name] = number(found[name], name)
    return {**found, "suppress_tokens": tokens(found["suppress_tokens"])}


def number(text: str, name: str) -> float | None:
    """
    >>> number("2.4", "logprob_threshold"), number("None", "logprob_threshold")
    (2.4, None)
    """
    if text.strip().lower() == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--{name.replace('_', '-')} {text!r} is no number; write one, or none") from error


def tokens(text: str) -> tuple[int, ...] | None:
    """
    >>> tokens("-1"), tokens(""), tokens("1, 2"), tokens("-1,220")
    (None, (), (1, 2), (-1, 220))
    """
    try:
        found = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UsageError(f"--suppress-tokens {text!r}: write numbers with commas between, or -1") from error
    return None if found == (-1,) else found
