"""BAT and RWKV-BAT, the FunASR project's transducers, from the checkpoints it publishes or from one's own."""

from pathlib import Path

from asr_cli.protocols import Recognizer
from asr_cli.registry import Backend, LoadOptions, ModelCard
from asr_plugins.bat.cards import CARDS
from asr_plugins.bat.look import look


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.bat.loading import load as load_folder

    assert folder is not None, "every BAT has a folder"
    return load_folder(card, folder, options)


BACKEND = Backend(name="bat", models=CARDS, load=load, card_of=look)
