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

BUILT_IN = "sphinx"  # what recognises where nothing better has been pulled


def choose(options: ModelOptions, language: str | None) -> tuple[Backend, ModelCard, Path | None]:
    """The recogniser to use: the one that was named, else the best that is here for the language."""
    if options.model != "auto":
        backend, card = recognizer_named(options, language)
        return backend, card, folder_named(options) or folder_of(card, options)
    backend, card = best_here(options, language)
    if card.name == BUILT_IN:
        log.info("no better model is here: using the built-in US English recogniser (see: asr models)")
    else:
        log.info("using %s, the best recogniser here%s", card.name, f" for {language}" if language else "")
    return backend, card, folder_of(card, options)


def card_of(options: ModelOptions) -> ModelCard:
    """The recogniser that a session with these options would have; nothing is loaded or downloaded for it."""
    language = languages.code(options.language)
    return (best_here if options.model == "auto" else recognizer_named)(options, language)[1]


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
        raise UsageError(f"model {options.model!r} hears {', '.join(card.languages)}, not {language}")
    check_device(options, card)
    return backend, card


def folder_named(options: ModelOptions) -> Path | None:
    """The folder that the model's name means, if it means one."""
    return registry.folder_named(registry.named_in(options.model, options.model_dir))


def check_device(options: ModelOptions, card: ModelCard) -> None:
    if options.device != "auto" and options.device.partition(":")[0] not in card.devices:
        raise UsageError(f"model {card.name!r} runs on {', '.join(card.devices)}, not on {options.device!r}")
    if options.compute_type not in ("auto", *card.compute_types):
        known = ", ".join(("auto", *card.compute_types))
        raise UsageError(f"model {card.name!r} computes in {known}, not in {options.compute_type!r}")
    if options.mode is not None and options.mode not in card.modes:
        known = f"decodes {', '.join(card.modes)}" if card.modes else "has no modes"
        raise UsageError(f"model {card.name!r} {known}; --mode {options.mode!r} is not for it")


def folder_of(card: ModelCard, options: ModelOptions) -> Path | None:
    """Where the model lies; one that was named and is not here is downloaded. Not all that is bundled has a folder."""
    return find_folder(card) if card.bundled else here_or_fetched(card, options)


def is_absent(card: ModelCard, options: ModelOptions) -> bool:
    return not card.bundled and find_folder(card, options.model_dir) is None
