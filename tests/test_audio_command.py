"""A shell command as a recording: its output, its failures, and its end with all that it started."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_cli.audio import command as command_module
from asr_cli.audio.command import Command, open_command
from asr_cli.audio.files import read_blocks
from asr_cli.audio.pcm import PcmFormat
from asr_cli.audio.probe import announced_duration, probe
from asr_cli.errors import InputError

SECONDS = 1.5


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "a talk.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(round(SECONDS * 16_000)) / 20), 16_000)
    return path


def hear(source: object, **options: object) -> np.ndarray:
    return np.concatenate([block.samples for block in read_blocks(source, **options)])  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


def wait_for(what: object, limit: float = 5.0) -> bool:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if what():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


def test_the_output_of_a_command_is_heard_as_the_file_is(talk: Path) -> None:
    command = Command(f"cat '{talk}' | cat")
    assert np.array_equal(hear(command), hear(talk))
    assert np.array_equal(hear(command, start=0.5, end=1.0), hear(talk, start=0.5, end=1.0))
    assert probe(command).duration == pytest.approx(SECONDS)
    assert announced_duration(command) is None
    with open_command(f"cat '{talk}'") as file:
        assert np.array_equal(hear(file), hear(talk))


def test_a_command_that_fails_is_told_with_its_last_words(talk: Path) -> None:
    says = r"^cannot read ['\"].*: the command ended with exit code 3 \(no such bucket\); run it by itself to see why$"
    for text in ("echo no >&2; echo no such bucket >&2; exit 3", f"cat '{talk}'; echo no such bucket >&2; exit 3"):
        with open_command(text) as file, pytest.raises(InputError, match=says):
            while file.read(100):
                pass
    with pytest.raises(InputError, match="exit code 3"):  # even where all that came before was sound
        hear(Command(f"head -c 20000 '{talk}'; exit 3"))
    with pytest.raises(InputError, match=r"exit code 127 \(.*no-such-program.*not found\)"):
        hear(Command("no-such-program x.wav"))
    with pytest.raises(InputError, match="was killed by signal 9"):
        hear(Command("kill -9 $$"))


def test_a_command_that_gives_nothing_is_an_empty_recording() -> None:
    with pytest.raises(InputError, match=r"^'true' is empty \(0 bytes\)"):
        hear(Command("true"))


def test_leaving_early_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with open_command(f"(echo $$ >> {pids}; sleep 100) & sleep 100 & echo $! >> {pids}; yes") as file:
        assert file.read(4) == b"y\ny\n"
        assert wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        started = [int(pid) for pid in pids.read_text().split()]
        assert all(map(is_running, started))
    assert wait_for(lambda: not any(map(is_running, started)))
    assert not [thread for thread in threading.enumerate() if thread.name == "asr-command" and thread.is_alive()]


def test_a_command_that_never_ends_is_heard_as_far_as_is_asked(talk: Path, tmp_path: Path) -> None:
    raw = tmp_path / "talk.pcm"
    raw.write_bytes(talk.read_bytes()[44:])
    pcm = PcmFormat(16_000)
    began = time.monotonic()
    samples = hear(Command(f"while :; do cat {raw}; done"), end=20.0, pcm=pcm)
    assert len(samples) == 20 * 16_000
    assert (
        len(hear(Command(f"cat {' '.join([str(raw)] * 20)}; sleep 100"), end=1.0, pcm=pcm)) == 16_000
    )  # one that keeps silent, too
    assert time.monotonic() - began < 10


def test_a_command_that_closes_its_output_and_stays_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_module, "END_SECONDS", 0.2)
    with open_command("echo sound; exec >&- 2>&-; sleep 100") as file, pytest.raises(InputError, match="does not end"):
        while file.read(100):
            pass


def test_much_said_on_the_side_holds_nothing_up() -> None:
    with open_command("yes words | head -c 1000000 >&2; echo sound") as file:
        assert file.read() == b"sound\n"


def test_a_command_cannot_read_what_is_typed() -> None:
    with open_command("cat; echo done") as file:
        assert file.read() == b"done\n"


def test_a_command_with_a_name_of_any_bytes_is_run(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(path)).write_bytes(b"sound")
    with open_command(f"cat '{os.fsdecode(path)}'") as file:
        assert file.read() == b"sound"


def test_what_cannot_be_run_at_all_is_told() -> None:
    for text in ("echo \0", "echo " + "x" * 200_000, "echo \ud800"):
        with pytest.raises(InputError, match="cannot run 'echo"), open_command(text):
            pass


def test_messages_call_a_command_by_its_beginning_without_passwords() -> None:
    assert Command("curl  https://me:pw@h/a.wav |\n sox - -").name == "curl https://h/a.wav | sox - -"
    assert len(Command("x" * 1000).name) == 160
