"""Which hub is asked for a model, and what is done when it does not answer."""

import threading

import pytest

from asr_cli import catalog
from asr_cli.errors import DownloadError, UsageError
from asr_cli.hub.manifest import recorded
from asr_cli.hub.pull import pull
from asr_cli.registry import ModelCard
from tests.test_hub_pull import CARD, WEIGHTS, part_of_weights, pulled, tiny_hub
from tests.tools.hub_server import Trouble


@pytest.fixture
def hub(monkeypatch):
    with tiny_hub(monkeypatch) as hub:
        yield hub


def test_whichever_hub_answers_first_is_taken(hub):
    hub.troubles.append(Trouble("/api/v1/", pause=(gate := threading.Event())))
    try:
        answer = catalog.question(CARD)
    finally:
        gate.set()
    assert answer.manifest.hub == "hf" and answer.raced


def test_where_one_hub_fails_the_other_is_taken_and_where_both_do_both_are_told(hub):
    del hub.models["funasr/tiny"]
    assert catalog.question(CARD).manifest.hub == "ms"
    hub.models.clear()
    with pytest.raises(
        DownloadError, match=r"(?s)ModelScope has no .*Hugging Face has no |Hugging Face has no .*ModelS"
    ):
        catalog.question(CARD)


def test_a_hub_that_does_not_have_the_model_s_id_is_told():
    with pytest.raises(UsageError, match="choose one of auto, ms, hf"):
        catalog.addresses(CARD, "github", None)
    only = ModelCard(name="tiny", summary="", languages=("zh",), license="none", modelscope="iic/speech_tiny")
    with pytest.raises(UsageError, match="is not on Hugging Face; it is on ModelScope"):
        catalog.addresses(only, "hf", None)


def begun(key):
    """Break a download off."""
    steps = pull(CARD.name, catalog.question(CARD, hub=key).manifest)
    while next(steps).file != "model.pt":
        pass
    steps.close()
    return part_of_weights().stat().st_size


def test_half_a_download_is_worth_more_than_the_faster_answer(hub):
    begun("hf")
    hub.requests.clear()
    answer = catalog.question(CARD)
    assert answer.manifest.hub == "hf" and not answer.raced
    assert not [asked for asked in hub.requests if "/api/v1/" in asked]


@pytest.mark.parametrize("key", ["ms", "hf"])
def test_half_a_download_goes_on_from_the_other_hub_where_its_own_is_away(hub, monkeypatch, key):
    n_bytes = begun(key)
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    monkeypatch.setenv({"ms": "MODELSCOPE_ENDPOINT", "hf": "HF_ENDPOINT"}[key], "http://127.0.0.1:9")
    folder, _ = pulled("auto")
    assert recorded(folder).hub == {"ms": "hf", "hf": "ms"}[key] and (folder / "model.pt").read_bytes() == WEIGHTS
    assert f"bytes={n_bytes}-" in hub.ranges


def test_a_hub_that_keeps_us_waiting_has_only_a_head_start(hub, monkeypatch):
    begun("ms")
    monkeypatch.setattr("asr_cli.hub.ask.HEAD_START", 0.1)
    hub.troubles.append(Trouble("/api/v1/", pause=(gate := threading.Event())))
    try:
        assert catalog.question(CARD).manifest.hub == "hf"
    finally:
        gate.set()


def test_where_no_thread_can_be_started_the_hubs_are_asked_in_turn(hub, monkeypatch):
    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("asr_cli.hub.ask.Thread", NoThread)
    assert catalog.question(CARD).manifest.hub == "ms"
    del hub.models["iic/speech_tiny"]
    assert catalog.question(CARD).manifest.hub == "hf"
