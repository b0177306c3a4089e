"""Which recogniser is used, and where it is. Light: nothing is loaded."""

import logging
from pathlib import Path

from asr_cli import registry
from asr_cli.catalog import find_folder, here_or_fetched
from asr_cli.errors import ModelError, UsageError
from asr_cli.options import ModelOptions
from asr_cli.registry import Backend, ModelCard
from asr_cli.text import language as languages

log = logging.getLogger("asr")

UNABLE = {
    "task": "cannot translate",
    "initial_prompt": "takes no prompt",
    "assistant_model": "takes no assistant",
}  # what is said of a model that does not know an option
BUILT_IN = "sphinx"  # what recognises where nothing better has been pulled


def choose(options: ModelOptions, language: str | None) -> tuple[Backend, ModelCard, Path | None]:
    """The recogniser to use: the one that was named, else the best that is here for the language."""
    backend, card = chosen(options, language)
    if options.model != "auto":
        return backend, card, folder_named(options) or folder_of(card, options)
    if card.name == BUILT_IN:
        log.info("no better model is here: using the built-in US English recogniser (see: asr models)")
    else:
        log.info("using %s, the best recogniser here%s", card.name, f" for {language}" if language else "")
    return backend, card, folder_of(card, options)


def card_of(options: ModelOptions) -> ModelCard:
    """The recogniser that a session with these options would have; nothing is loaded or downloaded for it."""
    return chosen(options, languages.code(options.language))[1]


def chosen(options: ModelOptions, language: str | None) -> tuple[Backend, ModelCard]:
    """The same, with its backend, if it can do what is asked."""
    backend, card = (best_here if options.model == "auto" else recognizer_named)(options, language)
    check(options, card)
    return backend, card


def assistant_of(options: ModelOptions) -> ModelCard | None:
    """What is to draft for the recogniser, if it can; nothing is loaded or downloaded for it."""
    name = options.assistant_model
    if name is None:
        return None
    backend, card = chosen(options, languages.code(options.language))
    other, found = registry.find(registry.named_in(name, options.model_dir))
    if other.name != backend.name:
        raise UsageError(
            f"assistant model {name!r} is for {other.name}, and {card.name!r} for {backend.name}: an assistant has to"
            " write the same tokens; name a smaller model of the same family"
        )
    if name == options.model:
        raise UsageError(f"assistant model {name!r} is the model itself, and no faster; name a smaller one")
    return found


def assistant_folder(options: ModelOptions) -> Path | None:
    """Where the assistant lies; one that is not here is downloaded."""
    card = assistant_of(options)
    if card is None or options.assistant_model is None:
        return None
    folder = folder_meant(options.assistant_model, options) or folder_of(card, options)
    if folder is None:
        raise UsageError(f"model {card.name!r} comes inside the program; name an assistant that has a folder")
    return folder


def text_language(options: ModelOptions, card: ModelCard) -> str | None:
    """What the text is going to be in, as far as that is known before: a translation is English."""
    if options.decoding.task == "translate":
        return "en"
    return languages.code(options.language) or card.usual_language


def text_languages(options: ModelOptions, card: ModelCard) -> tuple[str, ...]:
    """All that it may be in."""
    is_known = options.decoding.task == "translate" or languages.code(options.language) is not None
    known = text_language(options, card) if is_known else None
    return (known,) if known else card.languages


def best_here(options: ModelOptions, language: str | None) -> tuple[Backend, ModelCard]:
    here = [
        (backend, card)
        for backend, card in registry.cards()
        if languages.speaks(card.languages, language) and (card.bundled or find_folder(card, options.model_dir))
    ]
    if not here:
        raise ModelError(
            f"no recogniser for {language} is on this machine; asr models lists what can be used, asr models pull NAME"
            " downloads it, and --model-dir points to a folder that has one"
        )
    # A model that somebody took the trouble to pull beats ours; ours beats what merely came with a package.
    # Among those, one made for the language beats one that knows some of it.
    return min(
        here,
        key=lambda pair: (
            pair[1].bundled,
            pair[1].name != BUILT_IN,
            not languages.speaks(pair[1].languages[:1], language),
        ),
    )


def recognizer_named(options: ModelOptions, language: str | None) -> tuple[Backend, ModelCard]:
    """The recogniser of that name or folder, if it can do what is asked."""
    backend, card = registry.find(registry.named_in(options.model, options.model_dir))
    if not languages.speaks(card.languages, language):
        raise UsageError(f"model {options.model!r} hears {languages.listed(card.languages)}, not {language}")
    return backend, card


def folder_named(options: ModelOptions) -> Path | None:
    """The folder that the model's name means, if it means one."""
    return folder_meant(options.model, options)


def folder_meant(name: str, options: ModelOptions) -> Path | None:
    return registry.folder_named(registry.named_in(name, options.model_dir))


def check(options: ModelOptions, card: ModelCard) -> None:
    """Refuse what this model cannot be asked."""
    check_device(options, card)
    check_decoding(options, card)


def check_device(options: ModelOptions, card: ModelCard) -> None:
    if options.device != "auto" and options.device.partition(":")[0] not in card.devices:
        raise UsageError(f"model {card.name!r} runs on {', '.join(card.devices)}, not on {options.device!r}")
    if options.compute_type not in ("auto", *card.compute_types):
        known = ", ".join(("auto", *card.compute_types))
        raise UsageError(f"model {card.name!r} computes in {known}, not in {options.compute_type!r}")
    if options.mode is not None and options.mode not in card.modes:
        known = f"decodes {', '.join(card.modes)}" if card.modes else "has no modes"
        raise UsageError(f"model {card.name!r} {known}; --mode {options.mode!r} is not for it")


def check_decoding(options: ModelOptions, card: ModelCard) -> None:
    given = [*options.decoding.given(), *(["assistant_model"] if options.assistant_model is not None else [])]
    for name in given:
        if name not in card.decoding:
            why = UNABLE.get(name, "does not decode that way")
            raise UsageError(f"model {card.name!r} {why}; {flag(options, name)} is not for it")


def flag(options: ModelOptions, name: str) -> str:
    """
    >>> flag(ModelOptions(), "beam_size"), flag(ModelOptions(), "task")
    ('--beam-size', '--task transcribe')
    """
    written = f"--{name.replace('_', '-')}"
    return f"{written} {options.decoding.task}" if name == "task" else written


def folder_of(card: ModelCard, options: ModelOptions) -> Path | None:
    """Where the model lies; one that was named and is not here is downloaded. Not all that is bundled has a folder."""
    return find_folder(card) if card.bundled else here_or_fetched(card, options)


def is_absent(card: ModelCard, options: ModelOptions) -> bool:
    return not card.bundled and find_folder(card, options.model_dir) is None
