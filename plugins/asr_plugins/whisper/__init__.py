"""Whisper and Distil-Whisper, from checkpoints in the format of transformers, or OpenAI's own."""

from pathlib import Path

from asr_cli.protocols import Recognizer
from asr_cli.registry import Backend, LoadOptions, ModelCard
from asr_plugins.whisper.cards import CARDS, card_named
from asr_plugins.whisper.look import look


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.whisper.loading import load as load_folder

    assert folder is not None, "its card has a folder"
    return load_folder(card, folder, options)


BACKEND = Backend(name="whisper", models=CARDS, load=load, card_of=look, card_named=card_named)
