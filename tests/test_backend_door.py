"""Anybody's recogniser comes in by the door that ours uses. CONTRIBUTING shows how, and is followed here."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIXTURE = ROOT / "tests" / "fixtures" / "asr_backend_echo"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(asr_backend_echo/\S+)`\n\n```\w+\n(.*?)^```", CONTRIBUTING, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\n(.*?)^```", CONTRIBUTING, re.MULTILINE | re.DOTALL)[-1].splitlines()


def python(*arguments, path, cwd):
    """A fresh interpreter that sees what is installed in `path` too."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder where somebody has typed off the three files."""
    folder = tmp_path_factory.mktemp("desk")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(desk):
    """Where CONTRIBUTING's first command, without a network, installs the backend."""
    program, *arguments = shlex.split(COMMANDS[0])
    assert program == "pip"
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site"]
    result = python("-m", "pip", *arguments, *offline, path=desk / "site", cwd=desk)
    assert result.returncode == 0, result.stderr
    return desk / "site"


def test_contributing_shows_the_backend_of_the_fixtures_whole():
    files = {
        path.relative_to(FIXTURE.parent).as_posix(): path.read_text(encoding="utf-8")
        for path in FIXTURE.rglob("*")
        if path.suffix in (".py", ".toml")
    }
    assert files == FILES and len(files) == 3


def test_following_contributing_gives_a_transcript(site, desk, example):
    (desk / "talk.mp3").write_bytes(example.read_bytes())
    said = {}
    for command in COMMANDS[1:]:
        program, *arguments = shlex.split(command)
        assert program == "asr"
        result = python("-m", "asr", *arguments, path=site, cwd=desk)
        assert result.returncode == 0, result.stderr
        said[arguments[0]] = result.stdout
    assert re.search(r"^echo\s", said["models"], re.MULTILINE)
    assert set(said["transcribe"].split()) == {"echo"} and len(said["transcribe"].splitlines()) == 5


def test_a_backend_is_found_without_loading_it_and_keeps_its_promises(site, tmp_path):
    code = """
import sys
from asr_cli import registry
backend, card = registry.find("echo")
assert {"echo", "sphinx"} <= set(registry.backends())
assert not {"numpy", "torch", "pocketsphinx", "asr_backend_echo.recognizer"} & set(sys.modules)

import numpy as np
from asr_cli.audio import Audio
from asr_cli.protocols import Recognizer
loud, quiet = np.full(8000, 0.5, np.float32), np.zeros(8000, np.float32)
with registry.open_recognizer(backend, card, None, registry.LoadOptions()) as recognizer:
    assert isinstance(recognizer, Recognizer)
    utterances = [Audio(np.concatenate([quiet, loud, quiet, loud]), start=100.0), Audio(quiet), Audio(loud[:1])]
    first, second, third = recognizer.recognize(utterances)
assert [(word.text, word.start, word.end) for word in first.words] == [(" echo", 100.5, 101.0), (" echo", 101.5, 102.0)]
assert second.words == third.words == ()
"""
    result = python("-c", code, path=site, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_our_own_recogniser_is_preferred_to_what_merely_came_with_a_package(site, example, tmp_path):
    code = """
from asr_cli.options import ModelOptions
from asr_cli.recognizers import choose
print(choose(ModelOptions(), None)[1].name)
"""
    result = python("-c", code, path=site, cwd=tmp_path)
    assert result.stdout.strip() == "sphinx", result.stderr


def install(site, name, code):
    """What pip leaves behind for a package of one module with an entry point, without pip's time."""
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[asr.backends]\n{name} = {name}:BACKEND\n")
    (site / f"{name}.py").write_text(code)


def test_two_backends_of_one_name_are_refused_by_both_their_names(tmp_path):
    code = "from asr_cli.registry import Backend\nBACKEND = Backend(name='twin', models=(), load=print)\n"
    install(tmp_path, "left", code)
    install(tmp_path, "right", code)
    result = python("-m", "asr", "models", path=tmp_path, cwd=tmp_path)
    assert result.returncode == 4
    assert "'twin'" in result.stderr and "left:BACKEND" in result.stderr and "right:BACKEND" in result.stderr


@pytest.mark.parametrize("code", ["BACKEND = 'no backend'\n", "import no_such_module\n", "BACKED = None\n"])
def test_a_broken_backend_is_named_in_a_sentence(tmp_path, code):
    install(tmp_path, "broken", code)
    result = python("-m", "asr", "models", path=tmp_path, cwd=tmp_path)
    assert result.returncode == 4
    assert "broken:BACKEND" in result.stderr and "Traceback" not in result.stderr
