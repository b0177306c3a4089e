"""The ledger of a batch: what is committed is there, whatever ends the process; one run at a time; damage told."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import OutputError
from asr_cli.jobs.ledger import NAME, VERSION, Ledger, Print
from asr_cli.jobs.messages import DONE, FAILED, NO_SPEECH, Result

MADE = Print("file", "model", "style", "srt")
DONE_NOW = Result(
    status=DONE, duration=2.5, work=1.25, n_segments=1, n_suspect=1, text="a b", tokens="a b", times="[[0, 1]]"
)
NOT_UTF8 = b"caf\xe9 \xff".decode("utf-8", "surrogateescape")

COMMITS_FOREVER = """
import sys
from pathlib import Path
from asr_cli.jobs.ledger import Ledger, Print
from asr_cli.jobs.messages import Result
with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(1_000_000):
        ledger.begin(str(number), Print("file", "model", "style", "srt"))
        ledger.heard(str(number), "0:0:1", "[]", 0.5)
        if number % 3 == 0:
            ledger.ended(str(number), Result(status="done", text=str(number)))
        ledger.commit()
        print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as one:
        yield one


@pytest.mark.parametrize("n_seen", [1, 40, 150])
def test_what_was_committed_is_there_after_kill_minus_nine(path: Path, n_seen: int) -> None:
    with subprocess.Popen([sys.executable, "-c", COMMITS_FOREVER, path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(n_seen):
            last = int(child.stdout.readline())
        child.kill()
        last = max([last, *map(int, child.stdout.read().split(b"\n")[:-1])])
    assert child.returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        statuses = ledger.standings()
        assert {str(number) for number in range(last + 1)} <= set(statuses)
        assert len(statuses) <= last + 2  # and what was in hand
        assert all((status == "done") == (int(key) % 3 == 0) for key, (_, status, _) in statuses.items())
        assert ledger.known("1", MADE) == ({"0:0:1": "[]"} if "1" in statuses else {})
        assert ledger.result("0") == Result(status=DONE, text="0")


def test_what_was_not_committed_is_not_there(path: Path) -> None:
    writes = "ledger.begin('a', Print('', '', '', '')); ledger.commit(); ledger.begin('b', Print('', '', '', ''))"
    code = f"""
import os, signal, sys
from pathlib import Path
from asr_cli.jobs.ledger import Ledger, Print
ledger = Ledger(Path(sys.argv[1])); {writes}
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert set(ledger.standings()) == {"a"}


def test_a_second_run_is_told_that_there_is_a_first(path: Path, ledger: Ledger) -> None:
    with pytest.raises(OutputError, match="another asr batch is at work in"):
        Ledger(path)
    ledger.begin("a", MADE)
    ledger.commit()  # and the first has noticed nothing


def test_once_the_first_is_over_the_second_may_begin(path: Path) -> None:
    for _ in range(2):
        with Ledger(path) as ledger:
            ledger.begin("a", MADE)


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["", "\0", "a\nb", "汉字", "'"])
results = st.builds(
    Result, status=st.sampled_from([DONE, NO_SPEECH, FAILED]), duration=st.floats(0, 1e6), work=st.floats(0, 1e6),
    n_segments=st.integers(0, 10**6), text=texts, tokens=texts, times=texts, score=texts,
    code=st.none() | st.just("E-INPUT"), error=st.none() | texts.filter(bool),
    warnings=st.lists(st.sampled_from(["one", "an other"]), max_size=2).map(tuple),
)  # fmt: skip
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.binary(min_size=1).map(os.fsdecode)


@given(found=st.dictionaries(keys, results, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_a_result_comes_back_as_it_went_in_whatever_its_id(
    found: dict[str, Result], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / NAME
    with Ledger(path) as ledger:
        for key, result in found.items():
            ledger.begin(key, MADE)
            assert ledger.result(key) is None  # begun is not ended
            ledger.ended(key, result)
    with Ledger(path) as ledger:
        assert {key: ledger.result(key) for key in found} == found
        assert ledger.standings() == {key: (MADE, result.status, result.code) for key, result in found.items()}


def test_an_id_that_is_no_utf8_is_told_from_its_neighbors(ledger: Ledger) -> None:
    for key in (NOT_UTF8, "café ÿ"):
        ledger.begin(key, MADE)
        ledger.ended(key, Result(status=DONE, text=ascii(key)))
    assert ledger.result(NOT_UTF8) == Result(status=DONE, text=ascii(NOT_UTF8))
    assert set(ledger.standings()) == {NOT_UTF8, "café ÿ"}


@pytest.mark.parametrize("field", ["error", "text", "tokens", "times", "warnings"])
def test_text_that_is_none_costs_a_character_and_not_the_batch(ledger: Ledger, field: str) -> None:
    ledger.begin("a", MADE)
    said = f"{NOT_UTF8} \ud800"
    ledger.ended("a", Result(status=FAILED, **{field: (said,) if field == "warnings" else said}))
    ledger.commit()
    found = ledger.result("a")
    assert found is not None and "caf" in str(getattr(found, field))


def test_utterances_are_known_until_their_recording_is_complete(ledger: Ledger) -> None:
    ledger.begin("a", MADE)
    ledger.heard("a", "0:0:16000", '[[" one", 0.0, 1.0, null]]', 0.5)
    ledger.ended("a", Result(status=FAILED, code="E-INPUT", error="broken"))
    assert ledger.known("a", MADE) == {"0:0:16000": '[[" one", 0.0, 1.0, null]]'}  # what is heard need not be again
    ledger.begin("a", MADE)
    assert ledger.known("a", MADE)
    ledger.ended("a", DONE_NOW)
    assert ledger.known("a", MADE) == {}


@pytest.mark.parametrize("changed", [Print("other", "model", "style", "srt"), Print("file", "other", "style", "srt")])
def test_utterances_of_another_file_or_model_do_not_count(ledger: Ledger, changed: Print) -> None:
    ledger.begin("a", MADE)
    ledger.heard("a", "0:0:1", "[]", 0.5)
    assert ledger.known("a", changed) == {}
    ledger.begin("a", changed)
    assert ledger.known("a", changed) == {} and ledger.known("a", MADE) == {}


def test_utterances_count_for_other_formats(ledger: Ledger) -> None:
    other = Print("file", "model", "other", "json")
    ledger.begin("a", MADE)
    ledger.heard("a", "0:0:1", "[]", 0.5)
    ledger.begin("a", other)
    assert ledger.known("a", other) == {"0:0:1": "[]"}


def test_what_is_forgotten_was_never_there(ledger: Ledger) -> None:
    ledger.begin("a", MADE)
    ledger.heard("a", "0:0:1", "[]", 0.5)
    ledger.ended("a", Result(status=FAILED))
    ledger.forget("a")
    assert (ledger.standings(), ledger.known("a", MADE), ledger.result("a")) == ({}, {}, None)


def full(path: Path) -> bytes:
    """The file of a ledger that knows a lot."""
    with Ledger(path) as ledger:
        for number in range(500):
            ledger.begin(str(number), MADE)
            ledger.ended(str(number), DONE_NOW)
    return path.read_bytes()


def used(path: Path) -> None:
    with Ledger(path) as ledger:
        for key in ledger.standings():
            ledger.result(key)
            ledger.known(key, MADE)
            ledger.begin(key, MADE)


DAMAGES = {
    "text": lambda file: b"this is no database\n" * 1000,
    "zeros": lambda file: bytes(len(file)),
    "half": lambda file: file[: len(file) // 2],
    "middle": lambda file: file[:8192] + b"\xa5" * 8192 + file[16384:],
    "pages": lambda file: file[:100] + b"\xff" * (len(file) - 100),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_told_in_one_sentence(path: Path, damage: str) -> None:
    file = full(path)
    path.write_bytes(DAMAGES[damage](file))
    try:
        used(path)
    except OutputError as error:
        assert str(path) in str(error) and "\n" not in str(error) and "remove it" in str(error)
    else:
        assert damage in ("zeros", "middle")  # a file of zeros is an empty one to SQLite


def test_an_empty_file_is_an_empty_ledger(path: Path) -> None:
    path.touch()
    with Ledger(path) as ledger:
        assert ledger.standings() == {}


def test_a_ledger_of_another_version_is_left_alone(path: Path) -> None:
    full(path)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(OutputError, match="another version of this program"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_directory_that_is_gone_is_told_at_the_next_commit(path: Path) -> None:
    with pytest.raises(OutputError, match="is the output directory still there"), Ledger(path) as ledger:
        ledger.begin("a", MADE)
        ledger.commit()
        ledger.begin("b", MADE)
        path.unlink()
        ledger.commit()


def test_a_directory_that_was_replaced_is_told_at_the_next_commit(path: Path) -> None:
    with pytest.raises(OutputError, match="replaced"), Ledger(path) as ledger:
        path.unlink()
        path.touch()
        ledger.begin("a", MADE)
        ledger.commit()
