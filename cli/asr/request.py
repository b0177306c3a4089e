"""What was asked for on one command line, and the options of models that follow from it."""

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from asr.decoding_options import DecodingFlags, LongFormFlags, assistant, decoding_options
from asr.options import InputFlags, OutputFlags, RecognitionFlags, ScreenFlags, SubtitleFlags
from asr.vad_options import UseVad, VadFlags, endpoint_options
from asr_cli.text import language as languages

if TYPE_CHECKING:
    from asr_cli.options import ModelOptions
    from asr_cli.registry import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that was asked for on one command line."""

    files: list[str]
    source: InputFlags
    output: OutputFlags
    subtitles: SubtitleFlags
    recognition: RecognitionFlags
    use_vad: UseVad
    vad: VadFlags
    decoding: DecodingFlags
    long_form: LongFormFlags
    screen: ScreenFlags
    typed: frozenset[str]  # the options that stand on the line; others have their default, or come from configuration


def recognizer(flags: RecognitionFlags) -> "ModelCard":
    """What is going to recognise, as far as what was asked of it says."""
    from asr_cli.options import ModelOptions
    from asr_cli.recognizers import card_of

    return card_of(ModelOptions(model=flags.model, language=flags.language, model_dir=flags.model_dir))


def model_options(request: Request, final_model: str | None = None) -> "ModelOptions":
    """final_model: what makes a stream's finals, where it is another one."""
    from asr_cli.options import ModelOptions

    flags = request.recognition
    given: dict[str, Any] = {} if flags.batch_seconds is None else {"batch_seconds": flags.batch_seconds}
    return ModelOptions(
        model=flags.model, language=flags.language, model_dir=flags.model_dir, hub=flags.hub,
        offline=flags.offline, hotwords=flags.hotwords, threads=flags.threads,
        vad_model=request.vad.vad_model if request.use_vad.vad else None,
        vad=endpoint_options(request.vad) if request.use_vad.vad else None, **punctuating(request),
        **fitting(request), **decoding(request, final_model), **given,
    )  # fmt: skip


def punctuating(request: Request) -> dict[str, Any]:
    """What is configured asks for punctuation where it can be had; what is typed insists."""
    flags = request.recognition
    if flags.punc is False:
        return {"punc": False}
    insists = bool({"punc", "punc_model"} & request.typed)
    has_own = recognizer(flags).punctuation
    return {
        "punc": flags.punc if "punc" in request.typed else None,
        "punc_model": flags.punc_model if insists or not has_own else "auto",
    }


def fitting(request: Request) -> dict[str, Any]:
    """What is for some models and languages only. What is configured, and not for those at hand, is for other times."""
    from asr_cli.protocols import COMPUTE_TYPES
    from asr_cli.text.itn import writes_numbers_of
    from asr_cli.text.script import is_chinese

    flags = request.recognition
    card, code = recognizer(flags), languages.code(flags.language)
    code = "en" if request.decoding.task == "translate" and card.translate else code
    text = (code,) if code else card.languages
    fits = {
        "mode": flags.mode in (None, *card.modes),
        "itn": writes_numbers_of(text), "script": is_chinese(text), "hotword_weight": bool(flags.hotwords),
        # What nobody knows is handed on all the same, to be refused.
        "device": flags.device.partition(":")[0] not in {"cpu", "cuda", "mps"} - set(card.devices),
        "compute_type": flags.compute_type not in set(COMPUTE_TYPES) - set(card.compute_types),
    }  # fmt: skip
    return {name: getattr(flags, name) for name in fits if fits[name] or name in request.typed}


def decoding(request: Request, final_model: str | None) -> dict[str, Any]:
    """The same, of how the model that makes the text decodes."""
    flags = request.recognition
    name = final_model or flags.model
    known, typed = recognizer(replace(flags, model=name)).decoding, request.typed
    return {
        "decoding": decoding_options(request.decoding, request.long_form, known, typed),
        "assistant_model": assistant(request.decoding, name, known, typed),
    }


def refuse_undecodable(request: Request) -> None:
    """What was typed of decoding, and is not for the model, is told before anything is looked at."""
    names = {field.name for group in (DecodingFlags, LongFormFlags) for field in fields(group)}
    if names & request.typed:
        from asr_cli.recognizers import assistant_of, card_of

        options = model_options(request)
        card_of(options)
        assistant_of(options)
