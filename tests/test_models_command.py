"""`asr models ...`, and models that come when they are named: the program beside a hub of its own."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest

from asr_cli import catalog
from tests.test_backend_door import install
from tests.test_cli import asr, said, wait_for
from tests.tools.hub_server import COMMIT, Trouble, serving

README = Path(__file__).resolve().parents[1] / "README.md"
WEIGHTS = bytes(range(256)) * 2048
FILES = {"config.yaml": b"model: Tiny\n", "model.pt": WEIGHTS, "tokens.json": b"[]", "fig/logo.png": b"PNG"}
SIZE = sum(len(FILES[name]) for name in ("config.yaml", "model.pt", "tokens.json"))
BACKEND = """
from asr_cli.registry import Backend, ModelCard

class Recognizer:
    max_duration = 20.0

    def __init__(self, folder):
        self.tokens = (folder / "tokens.json").read_text()

    def recognize(self, utterances):
        from asr_cli.transcript import Segment, Word
        return [Segment((Word(" tiny", one.start, one.start + 0.2, 1.0),)) for one in utterances]

CARD = ModelCard(
    name="tiny", summary="for tests", languages=("en",), license="MIT", modelscope="iic/speech_tiny",
    huggingface="funasr/tiny", word_times=True,
)
BACKEND = Backend(name="tinyasr", models=(CARD,), load=lambda card, folder, options: Recognizer(folder))
"""


@contextmanager
def tiny_hub(monkeypatch, tmp_path_factory):
    """A hub with one model, and an installed backend that knows it."""
    site = tmp_path_factory.mktemp("site")
    install(site, "tinyasr", BACKEND)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS", "1")  # a hub that is away is away
    with serving({"iic/speech_tiny": dict(FILES), "funasr/tiny": dict(FILES)}) as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture
def hub(monkeypatch, tmp_path_factory):
    with tiny_hub(monkeypatch, tmp_path_factory) as hub:
        yield hub


@pytest.fixture
def cache():
    return Path(os.environ["ASR_CACHE"]) / "models"


def models(*arguments, **how):
    return asr("models", *arguments, **how)


def pulled(*arguments):
    result = models("pull", "tiny", "--hub", "ms", *arguments)
    assert result.returncode == 0, said(result)
    return result


def heard(*arguments):
    """A recogniser without a VAD or punctuation has the shortest way to a word."""
    return ["transcribe", *arguments, "--no-vad", "--no-punc", "--end", "3"]


def listed():
    return {entry["name"]: entry for entry in json.loads(models("ls", "--json").stdout)}


def test_a_model_comes_is_shown_checked_and_goes(hub, cache):
    assert "524 kB from ModelScope" in said(pulled())
    assert models("path", "tiny").stdout.decode().strip() == str(cache / "tiny")
    assert listed()["tiny"]["here"] and listed()["tiny"]["folder"] == str(cache / "tiny")
    assert re.search(r"^tiny +tinyasr +52\d kB +yes +en ", models().stdout.decode(), re.MULTILINE)
    shown = models("info", "tiny").stdout.decode()
    assert all(word in shown for word in ("MIT", "iic/speech_tiny", "funasr/tiny", "master", "sha256", "word times"))
    assert json.loads(models("info", "tiny", "--json").stdout)["manifest"]["hub"] == "ms"
    checked = models("verify", "tiny")
    assert checked.returncode == 0 and said(checked).count(": ok\n") == 3
    assert "here already" in said(models("pull", "tiny"))
    gone = models("rm", "tiny", "-y")
    assert gone.returncode == 0 and "freed" in said(gone)
    assert not (cache / "tiny").exists() and models("path", "tiny").returncode == 4


def test_a_dry_run_lists_files_and_sizes_and_brings_nothing(hub, cache):
    result = pulled("--dry-run")
    assert re.findall(r"^(\S+) +(\d+)$", result.stdout.decode(), re.MULTILINE) == [
        (name, str(len(FILES[name]))) for name in ("config.yaml", "model.pt", "tokens.json")
    ]
    assert not cache.exists() and not hub.ranges
    assert listed()["tiny"]["size_bytes"] == SIZE  # the hub's answer is remembered


def test_sizes_are_never_made_up(hub):
    assert listed()["tiny"]["size_bytes"] is None


def test_a_revision_can_be_asked_for(hub):
    result = models("pull", "tiny", "--hub", "hf", "--revision", COMMIT)
    assert result.returncode == 0, said(result)
    assert json.loads(models("info", "tiny", "--json").stdout)["manifest"]["commit"] == COMMIT
    absent = models("pull", "tiny", "--hub", "hf", "--revision", "v9")
    assert absent.returncode == 4 and "revision v9 (404)" in said(absent)
    assert listed()["tiny"]["here"]


def test_a_model_that_is_named_comes_before_the_recording_is_heard(hub, example):
    result = asr(*heard(example, "--model", "tiny", "--hub", "auto"))
    assert result.returncode == 0, said(result)
    assert set(result.stdout.decode().split()) == {"tiny"}
    assert re.search(r"tiny: 52\d kB from (ModelScope|Hugging Face), which answered first", said(result))
    n_requests = len(hub.requests)
    again = asr(*heard(example))
    assert again.stdout == result.stdout and "using tiny, the best recogniser here" in said(again)
    assert len(hub.requests) == n_requests


def test_python_brings_it_too_with_a_line_in_the_log(hub, example):
    code = f"""
import logging
from asr_cli import transcribe
logging.basicConfig(level=logging.INFO, format="%(message)s")
segments = transcribe({str(example)!r}, model="tiny", hub="hf", vad_model=None, punc=False, end=3.0)
print({{segment.text.strip() for segment in segments}})
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "{'tiny'}", result.stderr
    assert re.search(r"^downloading tiny \(524,\d+ bytes\) from Hugging Face$", result.stderr, re.MULTILINE)


def test_with_a_warm_cache_no_network_is_needed_at_all(hub, example):
    without_interfaces = ["unshare", "-rn"]
    try:
        subprocess.run([*without_interfaces, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not allow a network namespace")

    def apart(*arguments):
        command = [*without_interfaces, sys.executable, "-m", "asr", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    cold = apart(*heard(example, "--model", "tiny", "--offline"))
    assert cold.returncode == 4
    assert "asr models pull tiny" in cold.stderr and "looked in" in cold.stderr and len(cold.stderr.splitlines()) == 1
    pulled()
    for arguments in (["--model", "tiny", "--offline"], ["--model", "tiny"], ["--model", "auto"]):
        warm = apart(*heard(example, *arguments))
        assert warm.returncode == 0, warm.stderr
        assert set(warm.stdout.split()) == {"tiny"}


def test_offline_is_obeyed_where_there_is_a_network(hub, example):
    for how in ({"ASR_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "1"}):
        for command in (["models", "pull", "tiny"], ["transcribe", example, "--model", "tiny"]):
            result = asr(*command, env=how)
            assert result.returncode == 4 and "offline" in said(result)
    vad = asr("vad", example, "--vad-model", "fsmn-vad", "--offline")
    assert vad.returncode == 4 and "asr models pull fsmn-vad" in said(vad)
    assert not hub.requests


def test_ctrl_c_keeps_what_has_come_and_the_same_command_continues(hub, cache):
    hub.troubles.append(Trouble("model.pt", times=1, seconds_per_chunk=0.1))
    command = [sys.executable, "-m", "asr", "models", "pull", "tiny", "--hub", "ms"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (part := cache / ".tiny.part" / "model.pt.part").exists() and part.stat().st_size > 100_000)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.search(r"stopped at \d+%; what was downloaded is kept, the same command continues", told)
    assert not (cache / "tiny").exists()
    pulled()
    assert (cache / "tiny" / "model.pt").read_bytes() == WEIGHTS
    assert len([asked for asked in hub.ranges if asked]) == 1


def test_an_unfinished_download_can_be_forgotten(hub, cache):
    hub.troubles.append(Trouble("tokens.json", status=404))
    assert models("pull", "tiny", "--hub", "ms").returncode == 4
    assert (cache / ".tiny.part").is_dir()
    assert "of an unfinished download freed" in said(models("rm", "tiny"))
    assert not (cache / ".tiny.part").exists()


def test_off_a_terminal_each_tenth_has_a_line(hub):
    shares = re.findall(r"^tiny (\d+)% ", said(pulled()), re.MULTILINE)
    assert shares == sorted(set(shares), key=int) and shares[-1] == "100" and 6 <= len(shares) <= 10
    assert all(share.endswith("0") for share in shares)


def test_for_programs_progress_is_json(hub):
    events = [json.loads(line) for line in said(pulled("--json")).splitlines()]
    last = [event for event in events if event["event"] == "download"][-1]
    assert last["bytes"] == last["total"] == SIZE and last["model"] == "tiny"
    assert events[0]["hub"] == "ms" and events[0]["bytes"] == SIZE


def test_on_a_terminal_there_is_a_bar(hub):
    hub.troubles.append(Trouble("model.pt", seconds_per_chunk=0.03))
    shown = at_terminal("models", "pull", "tiny", "--hub", "ms")
    assert "━" in shown and re.search(r"tiny +\d+%", shown) and "kB" in shown


def at_terminal(*arguments, answer=""):
    """What a terminal shows of a command, with something typed."""
    command = [sys.executable, "-m", "asr", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        shown += read
    process.wait(30)
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (Trouble("model.pt", body=WEIGHTS[:-1] + b"!"), "damaged: its SHA-256 is"),
        (Trouble("/api/v1", status=404), "ModelScope has no iic/speech_tiny of revision master (404)"),
        (Trouble("model.pt", status=403), "refuses model.pt (403)"),
    ],
)
def test_what_goes_wrong_with_a_hub_is_one_sentence_and_nothing_is_left_broken(hub, cache, trouble, says):
    hub.troubles.append(trouble)
    result = models("pull", "tiny", "--hub", "ms", "-q")
    assert result.returncode == 4
    assert says in said(result) and "E-DOWNLOAD" in said(result) and len(said(result).splitlines()) == 1
    assert not (cache / "tiny").exists() and not listed()["tiny"]["here"]


def test_a_hub_that_is_away_is_one_sentence(hub, monkeypatch, example):
    for name in hub.environment:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for command in (["models", "pull", "tiny"], ["transcribe", example, "--model", "tiny"]):
        result = asr(*command)
        assert result.returncode == 4 and len(said(result).splitlines()) == 1
        assert "Hugging Face (http://127.0.0.1:9) cannot be reached: Connection refused" in said(result)
        assert "ModelScope (http://127.0.0.1:9) cannot be reached: Connection refused" in said(result)


def test_one_model_that_fails_does_not_stop_the_others(hub):
    result = models("pull", "tinny", "tiny", "--hub", "ms")
    assert result.returncode == 4 and "did you mean 'tiny'" in said(result)
    assert listed()["tiny"]["here"]


def test_a_disk_that_fills_up_is_told_and_continued(hub, cache):
    import resource

    result = models(
        "pull", "tiny", "--hub", "ms",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )  # fmt: skip
    assert result.returncode == 4 and "is full; what was downloaded is kept there" in said(result)
    assert not (cache / "tiny").exists()
    pulled()
    assert (cache / "tiny" / "model.pt").read_bytes() == WEIGHTS


def test_a_disk_without_room_is_told_at_once(hub, tmp_path):
    """On a real disk, of 256 kB."""
    script = f"mount -t tmpfs -o size=256k tmpfs {tmp_path} && exec {sys.executable} -m asr models pull tiny --hub ms"
    command = ["unshare", "-rm", "sh", "-c", script]
    result = subprocess.run(command, capture_output=True, env={**os.environ, "ASR_CACHE": str(tmp_path)}, check=False)
    if b"unshare" in result.stderr or b"mount" in result.stderr:
        pytest.skip("this machine does not allow a disk of one's own")
    assert result.returncode == 4 and "are free; make room, or set ASR_CACHE" in said(result)
    assert not hub.ranges


def test_a_damaged_file_is_found_and_only_it_is_fetched_again(hub, cache):
    pulled()
    weights = cache / "tiny" / "model.pt"
    weights.write_bytes(WEIGHTS[:-1] + b"?")
    found = models("verify", "tiny")
    assert found.returncode == 4 and "model.pt: SHA-256 is" in said(found) and "--fix" in said(found)
    n_fetched = len(hub.ranges)
    mended = models("verify", "tiny", "--fix")
    assert mended.returncode == 0 and "whole again" in said(mended), said(mended)
    assert weights.read_bytes() == WEIGHTS and len(hub.ranges) == n_fetched + 1


def test_a_file_that_has_gone_is_found_too(hub, cache, example):
    pulled()
    (cache / "tiny" / "tokens.json").unlink()
    found = models("verify", "tiny")
    assert found.returncode == 4 and "tokens.json: missing" in said(found)
    heard_with = asr(*heard(example, "--model", "tiny"))
    assert heard_with.returncode == 4 and "tokens.json" in said(heard_with) and "verify tiny --fix" in said(heard_with)
    assert models("verify", "tiny", "--fix").returncode == 0 and (cache / "tiny" / "tokens.json").read_bytes() == b"[]"


def somebody_else_s(files=FILES):
    """The model as Hugging Face's own tools leave it: blobs, and links to them."""
    repository = Path(os.environ["HF_HOME"]) / "hub" / "models--funasr--tiny"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (snapshot, repository / "refs", repository / "blobs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for index, (name, data) in enumerate(files.items()):
        blob = repository / "blobs" / f"{index:040}"
        blob.write_bytes(data)
        (snapshot / name).parent.mkdir(exist_ok=True)
        (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))
    return snapshot


def test_another_program_s_copy_is_used_checked_and_deleted_only_when_that_is_said(hub):
    folder = somebody_else_s()
    assert listed()["tiny"]["folder"] == str(folder) and "here already" in said(models("pull", "tiny"))
    assert models("verify", "tiny").returncode == 0
    refused = models("rm", "tiny")
    assert refused.returncode == 2 and "which other programs use" in said(refused) and (folder / "model.pt").exists()
    assert "[y/N]" in at_terminal("models", "rm", "tiny", answer="n\n") and (folder / "model.pt").exists()
    assert "freed" in at_terminal("models", "rm", "tiny", answer="y\n")
    assert not folder.exists() and not list(folder.parents[1].glob("blobs/*"))


def test_a_damaged_copy_of_another_program_is_left_and_ours_is_used(hub, cache):
    folder = somebody_else_s({**FILES, "model.pt": WEIGHTS[:-1] + b"?"})
    assert models("verify", "tiny").returncode == 4
    mended = models("verify", "tiny", "--fix")
    assert mended.returncode == 0, said(mended)
    assert (folder / "model.pt").read_bytes() != WEIGHTS
    assert models("path", "tiny").stdout.decode().strip() == str(cache / "tiny")
    assert f"another copy is still in {folder}" in said(models("rm", "tiny", "-y"))


def test_the_default_is_written_and_everything_else_stays(hub, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text('# mine\nlanguage = "en"  # usually\nmodel = "sphinx"\n\n[srt]\npreset = "en"\n')
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    monkeypatch.setenv("ASR_CONFIG", str(link))
    assert models("default").stdout.decode().strip() == "sphinx"
    assert models("default", "tiny").returncode == 0
    assert file.read_text() == '# mine\nlanguage = "en"  # usually\nmodel = "tiny"\n\n[srt]\npreset = "en"\n'
    assert link.is_symlink()
    assert re.search(r"^model +tiny ", asr("config", "show").stdout.decode(), re.MULTILINE)
    assert "tiny *" in models().stdout.decode()
    stronger = models("default", "sphinx", env={"ASR_MODEL": "tiny"})
    assert "environment is stronger" in stronger.stdout.decode()
    wrong = models("default", "tinny")
    assert wrong.returncode == 4 and "did you mean 'tiny'" in said(wrong)
    assert tomllib.loads(file.read_text())["model"] == "sphinx"


def test_the_first_default_makes_the_file(hub):
    assert models("default", "tiny").returncode == 0
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "asr" / "config.toml"
    assert file.read_text() == 'model = "tiny"\n'


def test_an_unreadable_configuration_is_left_alone(hub, tmp_path, monkeypatch):
    file = tmp_path / "config.toml"
    file.write_text("model = \n")
    monkeypatch.setenv("ASR_CONFIG", str(file))
    result = models("default", "tiny")
    assert result.returncode == 2 and str(file) in said(result) and file.read_text() == "model = \n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["models", "info", "tinny"], 4, "did you mean 'tiny'"),
        (["models", "pul", "tiny"], 2, "did you mean 'pull'"),
        (["models", "pull", "sphinx"], 4, "nothing to download"),
        (["models", "path", "sphinx"], 4, "comes inside the program"),
        (["models", "rm", "bat-tiny", "-y"], 2, "part of the program"),
        (["models", "verify", "bat-tiny"], 4, "nothing to compare"),
        (["models", "rm", "tiny"], 4, "asr models pull tiny"),
        (["models", "pull", "tiny", "--hub", "github"], 2, "choose one of auto, ms, hf"),
        (["models", "pull", "ct-punc-c", "--hub", "hf"], 2, "is not on Hugging Face; it is on ModelScope"),
        (["models", "--json", "info", "tiny"], 2, "asr models info ..."),
        (["transcribe", __file__, "--model", "tiny", "--hub", "github"], 2, "choose one of auto, ms, hf"),
        (["transcribe", __file__, "--model", "./nowhere"], 4, "there is no folder 'nowhere'"),
        (["transcribe", __file__, "--model", "tinny"], 4, "did you mean 'tiny'"),
        (["transcribe", __file__, "--model", "tiny", "--language", "ja"], 2, "hears en, not ja"),
    ],
)
def test_what_cannot_be_is_answered_in_a_sentence(hub, arguments, code, says, tmp_path):
    result = asr(*arguments, cwd=tmp_path)
    assert result.returncode == code and says in said(result) and "Traceback" not in said(result)
    assert len(said(result).splitlines()) == 1 and not hub.requests


def test_the_commands_of_readme_work(monkeypatch):
    section = re.search(r"^## Models\n(.*?)^## ", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    commands = re.findall(r"^    asr (models.*?)(?: +#.*)?$", section, re.MULTILINE)
    verbs = {command.split()[1] for command in commands if " " in command}
    assert verbs == {"pull", "info", "path", "verify", "default", "rm"}
    card = catalog.find("paraformer-zh").card
    with serving({card.modelscope: dict(FILES), card.huggingface: dict(FILES)}) as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        for command in commands:
            result = asr(*command.split())
            assert result.returncode == 0, said(result)


def test_listing_models_imports_no_library_of_a_hub():
    from tests.test_cli import imported

    heavy = {"torch", "numpy", "requests", "huggingface_hub", "modelscope_hub", "filelock", "rich"}
    assert not heavy & imported("models")


def test_a_model_that_lost_its_weights_is_fetched_again(hub, cache):
    pulled()
    (cache / "tiny" / "model.pt").unlink()
    pulled()
    assert (cache / "tiny" / "model.pt").is_file()
    assert models("path", "tiny").returncode == 0
