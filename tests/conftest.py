"""What every test may lean on: the recordings beside the checkout, and a home that is not the developer's."""

import os
import signal
from pathlib import Path

import pytest

# Threads that wait for each other by spinning cost minutes on a busy machine; child processes inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What a shell without a terminal puts into the background is deaf to Ctrl-C, and child processes inherit that, too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and models beside the checkout."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared recordings are not beside this checkout")
    return SHARED


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the configuration, caches or variables of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HF_HOME", "MODELSCOPE_CACHE", "ASR_CACHE"):
        monkeypatch.setenv(name, str(home / name.lower()))
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):  # nobody listens there
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in (
        "ASR_CONFIG",
        "ASR_OFFLINE",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_TOKEN",
        "MODELSCOPE_API_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def example() -> Path:
    """The short recording that comes with the project."""
    return Path(__file__).resolve().parents[1] / "examples" / "morning.mp3"
