"""Which punctuation model goes with a recogniser, and where it is. Light until one is loaded."""

import logging
from pathlib import Path

from asr_cli.catalog import AUTO, PUNC_CARDS, find_folder, here_or_fetched
from asr_cli.errors import ModelError, UsageError
from asr_cli.options import ModelOptions
from asr_cli.protocols import Punctuator
from asr_cli.registry import ModelCard, did_you_mean, is_folder
from asr_cli.text import language as languages

log = logging.getLogger("asr")

Choice = ModelCard | Path


def load_punctuator(
    options: ModelOptions, recognizer: ModelCard, language: str | None
) -> tuple[Punctuator | None, str | None]:
    """The punctuation model of the options, and its name; none where the text has, or is to have, no marks put on.

    language: of the text; None where nobody can tell.
    """
    choice = choose(options, recognizer, language)
    if choice is None:
        return None, None
    if isinstance(choice, Path):
        return punctuator(choice), str(choice)
    return punctuator(None if choice.bundled else here_or_fetched(choice, options)), choice.name


def choose(options: ModelOptions, recognizer: ModelCard, language: str | None) -> Choice | None:
    """What to punctuate with. language: of the text; None where nobody can tell."""
    if options.punc is False:
        return None
    if options.punc_model != AUTO:
        return named(options.punc_model, language)
    if options.punc is None and recognizer.punctuation:
        return None
    if language is None:
        if options.punc:
            raise UsageError(
                f"{recognizer.name} hears {languages.listed(recognizer.languages)}, and marks are put on by a model for"
                " one of them: add --language, or name one with --punc-model"
            )
        log.info("the text has no punctuation: what is spoken is not known (--language says so)")
        return None
    return fitting(options, language)


def fitting(options: ModelOptions, language: str) -> ModelCard | None:
    """The best model for the language that is here. None, unless one was insisted on."""
    known = [card for card in PUNC_CARDS if languages.speaks(card.languages, language)]
    here = [card for card in known if card.bundled or find_folder(card, options.model_dir) is not None]
    if here:
        return here[0]
    pull = f"asr models pull {known[0].name} brings one" if known else "name a folder with --punc-model"
    if options.punc:
        raise ModelError(f"no punctuation model for {language} is on this machine; {pull}, --no-punc goes without")
    if known:
        log.info("the text has no punctuation: no model for %s is here (%s)", language, pull)
    return None


def named(name: str, language: str | None) -> Choice:
    card = next((card for card in PUNC_CARDS if name in card.names), None)
    if card is not None:
        if not languages.speaks(card.languages, language):
            raise UsageError(f"punctuation model {name!r} is for {', '.join(card.languages)}, not for {language}")
        return card
    if is_folder(Path(name)):
        return Path(name)
    known = [card.name for card in PUNC_CARDS]
    raise ModelError(
        f"no punctuation model is named {name!r}, nor is it a folder; {did_you_mean(name, known)}known:"
        f" {', '.join(known)}"
    )


def punctuator(folder: Path | None) -> Punctuator:
    """A model in FunASR's layout, or ours."""
    from asr_cli.punctuation.ct import CtPunctuator

    return CtPunctuator.built_in() if folder is None else CtPunctuator.from_folder(folder)
