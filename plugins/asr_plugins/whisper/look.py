"""What a folder or file holds, from its configuration alone: no torch, no weights."""

import json
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from asr_cli.registry import ModelCard
from asr_plugins.whisper.cards import CARDS, ENGLISH, LANGUAGES, UNTRANSLATED, WHISPER, also_called

ENGLISH_ONLY = 51_864  # tokens of the released models that know no other language: one fewer than the others


def look(path: Path) -> ModelCard | None:
    """The card of a Whisper in a folder of its own, or in one of OpenAI's files; None for anything else."""
    file = openai_file(path)
    config = settings(path / "config.json") if file is None else openai_config(file)
    if config.get("model_type") != "whisper":
        return None
    config |= settings((path if file is None else file.parent) / "generation_config.json")
    name = path.resolve().name
    # As its hub calls it, or as this program does, which downloads it into a folder of its card's name.
    known = next((one for one in CARDS if name in (one.name, (one.huggingface or "").rpartition("/")[2])), None)
    languages = known.languages if known else spoken(config)
    return replace(
        known or WHISPER,
        name=name,
        summary=f"a Whisper in {path}",
        languages=languages,
        license=known.license if known else "unknown",
        huggingface=None,
        modelscope=None,
        aliases=(),
        bundled=False,
        decoding=known.decoding if known else WHISPER.decoding if len(languages) > 1 else UNTRANSLATED,
    )


def spoken(config: Mapping[str, Any]) -> tuple[str, ...]:
    if not is_multilingual(config, config.get("vocab_size")):
        return ENGLISH
    named = config.get("lang_to_id")
    codes = [text.strip("<|>") for text in named] if isinstance(named, dict) and named else LANGUAGES
    # English first: it is what a card's first language stands for.
    return also_called(tuple(sorted(codes, key=lambda code: code != "en")))


def is_multilingual(config: Mapping[str, Any], n_tokens: object) -> bool:
    """Whether a text has to begin with its language; config: of config.json and generation_config.json together.

    English-only tokenizers name languages, too. Older configurations tell by what a text is forced to begin with.
    """
    said = config.get("is_multilingual")
    if isinstance(said, bool):
        return said
    forced = config.get("forced_decoder_ids")
    if isinstance(forced, list) and forced:
        return len(forced) > 1  # language and task, or no more than <|notimestamps|>
    return bool(config.get("lang_to_id")) or n_tokens != ENGLISH_ONLY


def settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def openai_file(path: Path) -> Path | None:
    """The .pt file itself, or the only one of a folder without a config.json; None if that is none of OpenAI's."""
    if path.is_file():
        found = [path] if path.suffix == ".pt" else []
    else:
        found = sorted(path.glob("*.pt")) if not (path / "config.json").is_file() else []
    return found[0] if len(found) == 1 and openai_config(found[0]) else None


def openai_config(path: Path) -> dict[str, Any]:
    """What the file's sizes tell; nothing if it has none. The pickle in it is read, not run."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
            data = archive.read(name) if name else b""
        if b"n_audio_ctx" not in data:
            return {}
        values = [arg for op, arg, _ in pickletools.genops(data) if "PUT" not in op.name and op.name != "MEMOIZE"]
        return {"model_type": "whisper", "vocab_size": values[values.index("n_vocab") + 1]}
    except (OSError, ValueError, IndexError, zipfile.BadZipFile):
        return {}
