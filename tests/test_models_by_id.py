"""BACKEND:OWNER/NAME: any model of a hub that a backend can read, with one set of weights and no more."""

import json
from pathlib import Path

import pytest

from asr_cli import catalog, registry
from asr_cli.errors import DownloadError, ModelError
from asr_cli.hub import places
from asr_cli.hub.manifest import TRANSFORMERS, recorded
from asr_cli.options import ModelOptions
from asr_cli.recognizers import choose
from asr_cli.registry import Backend, ModelCard
from tests.test_backend_door import install
from tests.test_cli import said
from tests.test_models_command import models
from tests.tools.hub_server import serving

CONFIG = {"config.json": b"{}", "tokenizer.json": b"{}", "README.md": b"", "flax_model.msgpack": b"flax"}
ONE, OLD = {"model.safetensors": b"one"}, {"pytorch_model.bin": b"old"}
INDEX = json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})
SHARDS = {
    "model.safetensors.index.json": INDEX.encode(),
    "model-00001-of-00002.safetensors": b"first",
    "model-00002-of-00002.safetensors": b"second",
}
OLD_SHARDS = {"pytorch_model.bin.index.json": b"{}", "pytorch_model-00001-of-00001.bin": b"only"}
WIDE = {"model.fp32-00001-of-00001.safetensors": b"wide", "model.safetensors.index.fp32.json": b"{}"}
CODE = """
from asr_cli.hub.manifest import TRANSFORMERS
from asr_cli.registry import Backend, ModelCard

FILES = ("config.json", "tokenizer.json", *TRANSFORMERS)

def card(model_id):
    return ModelCard(name="", summary="for tests", languages=("en",), license="none", huggingface=model_id, files=FILES)

BACKEND = Backend(name="whispers", models=(), load=print, card_named=card)
"""


def card_named(model_id: str) -> ModelCard | None:
    if model_id.endswith("no-model"):
        return None
    files = ("config.json", "tokenizer.json", "model*", *TRANSFORMERS)
    return ModelCard(name="", summary="", languages=("en",), license="", huggingface=model_id, files=files)


@pytest.fixture
def installed(monkeypatch):
    known = ModelCard(name="tiny", summary="", languages=("en",), license="", huggingface="openai/tiny")
    backends = {
        "whispers": Backend("whispers", (known,), print, card_named=card_named),
        "plain": Backend("plain", (), print),
    }
    monkeypatch.setattr(registry, "backends", lambda: backends)


@pytest.fixture
def hub(monkeypatch):
    with serving({}) as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        yield hub


def test_a_backend_and_an_id_name_any_model_of_a_hub(installed):
    backend, card = registry.find("whispers:me/mine.en")
    assert (backend.name, card.name, card.huggingface) == ("whispers", "whispers:me/mine.en", "me/mine.en")
    assert catalog.find("whispers:me/mine.en").card == card


def test_an_id_that_a_backend_lists_is_the_model_it_lists(installed):
    assert registry.find("whispers:openai/tiny")[1].name == "tiny"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wispers:me/mine", "no backend is named 'wispers'; did you mean 'whispers'"),
        ("whispers:me/no-model", "cannot read 'me/no-model' by its id"),
        ("plain:me/mine", "plain cannot read 'me/mine' by its id"),
        ("me/mine", "whispers:me/mine takes it from there"),
    ],
)
def test_a_name_that_leads_nowhere_is_answered_with_what_would(installed, name, says):
    with pytest.raises(ModelError, match=says):
        registry.find(name)


@pytest.mark.parametrize(
    ("weights", "taken"),
    [
        (ONE | OLD | WIDE, ONE),
        (ONE | SHARDS, ONE),
        (SHARDS | OLD | WIDE, SHARDS),
        (OLD | OLD_SHARDS, OLD),
        (OLD_SHARDS, OLD_SHARDS),
    ],
)
def test_one_set_of_weights_comes_and_is_used_without_a_network(installed, hub, weights, taken):
    hub.models["me/mine"] = CONFIG | weights
    options = ModelOptions(model="whispers:me/mine")
    folder = choose(options, None)[2]
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", ".asr.json", *taken}
    assert folder == places.models_folder() / "whispers--me--mine"
    n_asked = len(hub.requests)
    assert choose(options, None)[2] == folder and len(hub.requests) == n_asked
    assert ("whispers:me/mine", folder) in [(one.card.name, one.folder) for one in catalog.entries()]


def test_a_repository_without_weights_is_refused_before_anything_comes(installed, hub):
    hub.models["me/mine"] = dict(CONFIG)
    with pytest.raises(DownloadError, match="has no weights that this program can read"):
        choose(ModelOptions(model="whispers:me/mine"), None)


def test_a_card_s_own_files_come_whole_where_no_weights_are_among_them(hub):
    from asr_cli.hub.manifest import Manifest, RemoteFile

    names = ("encoder.bin", "model.bin", "am/model.safetensors", "model.onnx")
    manifest = Manifest("hf", "me/mine", "main", tuple(RemoteFile(name, 1) for name in names))
    assert [file.path for file in manifest.only(("*.bin", "*.onnx")).files] == [
        "encoder.bin",
        "model.bin",
        "model.onnx",
    ]


def cached(files: dict[str, bytes]) -> Path:
    """What Hugging Face's own programs leave."""
    snapshot = places.huggingface_cache() / "models--me--mine" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for name, data in files.items():
        (snapshot / name).write_bytes(data)
    return snapshot


def found() -> Path | None:
    return catalog.find_folder(registry.find("whispers:me/mine")[1])


@pytest.mark.parametrize("weights", [ONE, OLD, SHARDS])
def test_what_another_program_downloaded_is_used(installed, weights):
    assert found() is None
    assert cached(CONFIG | weights) == found()


@pytest.mark.parametrize("missing", ["model-00002-of-00002.safetensors", "model.safetensors.index.json"])
def test_a_part_of_the_weights_is_no_model(installed, missing):
    snapshot = cached({name: data for name, data in (CONFIG | SHARDS).items() if name != missing})
    assert found() is None
    (snapshot / missing).write_bytes(SHARDS[missing])
    assert found() == snapshot


def test_the_words_after_models_know_such_a_name(hub, monkeypatch, tmp_path):
    install(tmp_path, "whispers", CODE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    hub.models["me/mine"] = CONFIG | ONE | OLD
    name = "whispers:me/mine"
    pulled = models("pull", name)
    assert pulled.returncode == 0, said(pulled)
    folder = Path(models("path", name).stdout.decode().strip())
    assert recorded(folder).model_id == "me/mine" and not (folder / "pytorch_model.bin").exists()
    assert name in models("-q").stdout.decode().split()
    assert "me/mine" in models("info", name).stdout.decode()
    assert models("verify", name).returncode == 0
    assert models("rm", name, "-y").returncode == 0 and not folder.exists()
    assert name not in models("-q").stdout.decode().split()
