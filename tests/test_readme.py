"""README says what is true."""

import re
import tomllib
from pathlib import Path

import pytest

from asr_cli import catalog
from asr_cli.version import __version__

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"vad": "voice activity", "recognizer": "recogniser", "punctuation": "punctuation"}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def row(entry):
    card = entry.card
    ids = {"ModelScope": card.modelscope, "Hugging Face": card.huggingface}
    hubs = [f"{hub} `{name}`" for hub, name in ids.items() if name]
    kind = KINDS[entry.kind]
    languages = "any" if card.languages == ("und",) else ", ".join(card.languages)
    languages = f"{len(card.languages)} languages" if len(card.languages) > 9 else languages
    origin = "comes with the program" if card.bundled else ", ".join(hubs)
    return f"| `{card.name}` | {kind} | {languages} | {card.license} | {origin} |"


def test_the_table_of_models_is_that_of_the_cards():
    told = {line for line in README.splitlines() if line.startswith("| `")}
    assert told == {row(entry) for entry in catalog.entries()}


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_option_that_readme_shows_exists():
    from asr.config import NOT_IN, options_of

    for command, options in re.findall(r"asr (transcribe|srt|vad|batch|stream)\b([^\n`#]*)", README):
        declared = {*options_of(command), *NOT_IN.get(command, ())}
        known = {name.replace("_", "-") for name in declared}
        for name in re.findall(r"--([a-z][a-z-]+)", options):
            assert name in known, f"asr {command} --{name}"


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "4", "5", "6", "130"])
def test_the_exit_codes_are_those_of_the_program(code):
    from asr.main import HELP

    assert re.search(rf"\| {code} \|", README) and re.search(rf"\b{code} ", HELP)


def test_the_version_stands_in_two_places_and_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert __version__ == project["version"]
