"""What must be equal for earlier work to count as this run's. Light: nothing is loaded to say it."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, is_dataclass
from pathlib import Path
from typing import Any

from asr_cli import punctuators
from asr_cli.audio.address import is_address, local_path
from asr_cli.detectors import choose_vad
from asr_cli.jobs.ledger import Print
from asr_cli.jobs.manifest import Item
from asr_cli.jobs.messages import Setup
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.recognizers import assistant_folder, card_of, folder_named, folder_of, text_language
from asr_cli.text import language as languages
from asr_cli.text.hotwords import read_hotwords

log = logging.getLogger("asr")


class Identity:
    """The prints of a run's recordings."""

    def __init__(self, setup: Setup, formats: Sequence[str]) -> None:
        with unsaid():
            self.heard_with = digest(hearing(setup.models, setup.reading))
            self.written_with = digest([self.heard_with, writing(setup)])
        self.formats = ",".join(sorted(formats))

    def of(self, item: Item) -> Print:
        return Print(source_of(item), self.heard_with, self.written_with, self.formats)


@contextmanager
def unsaid() -> Iterator[None]:
    """What is chosen is told by whoever loads it."""
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def hearing(models: ModelOptions, reading: ReadOptions) -> dict[str, Any]:
    """All that changes words or their times."""
    language = languages.code(models.language)
    card = card_of(models)
    folder = folder_named(models) or folder_of(card, models)
    vad, vad_folder = choose_vad(models)
    hotwords = read_hotwords(models.hotwords) if card.hotwords else ()
    return {
        "model": [card.name, place(folder)],
        "compute_type": models.compute_type,
        "hotwords": [list(hotwords), models.hotword_weight],
        "streaming": [models.mode, models.chunk_size, models.encoder_chunk_look_back, models.decoder_chunk_look_back],
        "decoding": asdict(models.decoding),
        "assistant": place(assistant_folder(models)),
        "language": language,
        "vad": [vad, place(vad_folder), models.vad and asdict(models.vad)],
        "reading": asdict(reading),
    }


def writing(setup: Setup) -> dict[str, Any]:
    """All that changes what is written of them, in whatever format."""
    models = setup.models
    card = card_of(models)
    punc = punctuators.choose(models, card, text_language(models, card))
    style = setup.layout.style
    return {
        "punc": place(punc) if isinstance(punc, Path) else punc and punc.name,
        "itn": models.itn,
        "script": models.script,
        "hotwords": read_hotwords(models.hotwords),
        "style": astuple(style) if is_dataclass(style) and not isinstance(style, type) else repr(style),
        "highlight_words": setup.layout.highlight_words,
        "word_times": setup.layout.word_times,
    }


def place(folder: Path | None) -> list[Any] | None:
    """A folder, and when it last changed: the next epoch of a training is another model."""
    return [str(folder.absolute()), newest(folder)] if folder is not None else None


def newest(folder: Path) -> int:
    files = folder.iterdir() if folder.is_dir() else (folder,)
    return max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def source_of(item: Item) -> str:
    """Which recording it is, and how it is now, as far as that can be told without reading it."""
    path = local_path(item.source)
    is_file = not item.piped and not is_address(path)
    place = digest([os.path.abspath(path) if is_file else item.source, item.start, item.end])  # noqa: PTH100
    return f"{place}:{state(path) if is_file else ''}"


def state(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - Path costs more than the question, 100,000 times
    except (OSError, ValueError):
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"
