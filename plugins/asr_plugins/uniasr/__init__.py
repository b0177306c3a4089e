"""UniASR, the FunASR project's recogniser of nineteen languages and dialects, from the checkpoints it publishes."""

from pathlib import Path

from asr_cli.protocols import Recognizer
from asr_cli.registry import Backend, LoadOptions, ModelCard
from asr_plugins.uniasr.cards import CARDS
from asr_plugins.uniasr.look import look


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.uniasr.loading import load as load_folder

    assert folder is not None, "no UniASR comes with the program"
    return load_folder(card, folder, options)


BACKEND = Backend(name="uniasr", models=CARDS, load=load, card_of=look)
