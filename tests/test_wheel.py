"""What is installed is what was meant, and it runs without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_installs_three_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"asr", "asr_cli", "asr_plugins"}
    assert "asr_cli/weights/fsmn_vad.safetensors" in names
    assert {f"{package}/py.typed" for package in ("asr", "asr_cli", "asr_plugins")} <= set(names)


def test_the_wheel_works_away_from_the_checkout(wheel, example, tmp_path):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--target",
            tmp_path / "site",
            wheel,
        ],
        check=True,
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    code = "import asr, asr_cli, asr_plugins; print(asr.__file__, asr_cli.__file__, asr_plugins.__path__[0])"
    found = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(tmp_path / "site")) for path in found.stdout.split())
    heard = subprocess.run(
        [sys.executable, "-m", "asr", "transcribe", str(example), "-q"],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "please drive with care" in heard.stdout
