"""The recogniser that comes with the program: pocketsphinx and the US English model its wheel carries."""

from pathlib import Path

from asr_cli.protocols import Recognizer
from asr_cli.registry import Backend, LoadOptions, ModelCard

CARD = ModelCard(
    name="sphinx",
    summary="CMU Sphinx, US English; needs nothing, weak on anything but clear speech",
    languages=("en-US",),
    license="BSD-2-Clause",
    bundled=True,
    word_times=True,
)


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.sphinx.recognizer import SphinxRecognizer

    return SphinxRecognizer(options.threads)


BACKEND = Backend(name="sphinx", models=(CARD,), load=load)
