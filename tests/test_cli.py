"""The program as a user runs it: processes, standard streams, signals, exit codes."""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import json
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def asr(*arguments, stdin=None, env=None, cwd=None, preexec_fn=None, stdout=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-m", "asr", *map(str, arguments)],
        input=stdin, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, cwd=cwd, timeout=240,
        preexec_fn=preexec_fn, check=False,
    )  # fmt: skip


# Where it does not matter who recognises: one that takes a twentieth of the time it hears.
QUICKLY = ("--model", "quick", "--no-punc")
QUICK = {"PYTHONPATH": str(ROOT / "tests" / "fixtures" / "quick"), "QUICK_COST": "0.05"}


def said(result):
    return result.stderr.decode()


@pytest.fixture(scope="session")
def sentence(example, tmp_path_factory):
    """The example's first words: enough where it is not the words that matter."""
    path = tmp_path_factory.mktemp("sentence") / "morning.mp3"
    path.write_bytes(example.read_bytes()[:16_000])
    return path


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def imported(*arguments):
    """The modules that a command imports."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "asr", *arguments], capture_output=True, text=True, check=False
    )
    return {line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"], ["--version"], [], ["transcribe", "--help"], ["transcribe", "nowhere.mp3"], ["transcribe"],
        ["transcribe", "--no-such-option"], ["models"], ["config", "show"], ["lint", "nowhere.srt"],
        ["transcribe", "README.md", "-f", "docx"],
    ],
)  # fmt: skip
def test_nothing_heavy_is_imported_for_what_needs_no_model(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    modules = imported(*arguments)
    assert "asr.main" in modules
    heavy = {"torch", "numpy", "pocketsphinx", "pysrt", *([] if len(arguments) > 1 else ["rich"])}
    assert not heavy & modules


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["trascribe", "x"], 2, "did you mean 'transcribe'"),
        (["nowhere.mp3"], 2, "no command is named"),
        (["transcribe"], 2, "FILE"),
        (["transcribe", "x.mp3", "--modle", "y"], 2, "--model"),
        (["transcribe", "x.mp3", "--best_of", "5"], 2, "would do nothing"),
        (["transcribe", "x.mp3", "--beam_size=5"], 2, "--beam-size is not for it"),
        (["transcribe", "x.mp3", "-f", str(ROOT / "README.md")], 2, "plain argument"),
        (["transcribe", "x.mp3", "-f", "docx"], 2, "no output format"),
        (["transcribe", "x.mp3", "--start", "ten"], 2, "is no time"),
        (["transcribe", "x.mp3", "--task", "translate"], 2, "cannot translate"),
        (["transcribe", "x.mp3", "--max-line-width", "20"], 2, "do nothing for txt"),
        (["transcribe", "x.mp3", "--lang-suffix"], 2, "names files in a directory"),
        (["transcribe", "x.mp3", "--no-overwrite"], 2, "does nothing on standard output"),
        (["transcribe", "x.mp3", "--no-vad", "--vad-mode", "dynamic"], 2, "does nothing with --no-vad"),
        (["transcribe", "--highlight_words", "False", "nowhere.mp3"], 5, "E-NOT-FOUND"),
        (["transcribe", "nowhere.mp3", "nowhere.mp3"], 1, "E-NOT-FOUND"),
        (["transcribe", "nowhere.mp3"], 5, "E-NOT-FOUND"),
        (["transcribe", "nowhere.mp3", "elsewhere.mp3"], 1, "'elsewhere.mp3' not found"),
        (["vad", "nowhere.mp3"], 5, "E-NOT-FOUND"),
        (["vad", "x.mp3", "-f", "srt"], 2, "no format of speech"),
        (["lint", "nowhere.srt"], 5, "E-NOT-FOUND"),
        (["models", "fetch"], 2, "is not known"),
    ],
)
def test_a_wrong_command_line_is_answered_in_a_sentence(arguments, code, says, tmp_path):
    result = asr(*arguments, cwd=tmp_path)
    assert result.returncode == code
    assert says in said(result) and "Traceback" not in said(result)
    assert not result.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["transcribe", "srt", "vad", "lint"])
def test_help_fits_a_narrow_terminal_and_names_every_option_whole(command):
    shown = asr(command, "--help", env={"COLUMNS": "80"}).stdout.decode()
    assert "--help" in shown and "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_text_goes_to_standard_output_and_everything_else_to_standard_error(example):
    result = asr("transcribe", example)
    assert result.returncode == 0
    assert "please drive with care" in result.stdout.decode()
    assert len(result.stdout.decode().splitlines()) == 5
    assert "built-in US English" in said(result)


def test_whisper_s_habits_work(sentence, tmp_path):
    result = asr(
        "transcribe", sentence, "--output_dir", tmp_path, "--output_format", "all", "--word_timestamps", "True",
        "--max_line_width", "20", "--max_line_count", "2", "--language", "English", "--verbose", "False",
    )  # fmt: skip
    assert result.returncode == 0, said(result)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"morning.{name}" for name in ("txt", "srt", "vtt", "json", "tsv", "lrc", "ass")}
    assert json.loads((tmp_path / "morning.json").read_text())["segments"][0]["words"]
    lines = [line for line in (tmp_path / "morning.srt").read_text().splitlines() if "-->" not in line]
    assert max(map(len, lines)) <= 20


def test_other_programs_names_for_an_option_work(example):
    ours = asr("vad", example, "--vad-max-end-silence-time", "300")
    assert asr("vad", example, "--vad_min_silence_duration_ms", "300").stdout == ours.stdout != b""


def test_one_bad_recording_does_not_stop_the_others(sentence, tmp_path):
    (tmp_path / "notes.mp3").write_text("not a sound")
    result = asr("transcribe", tmp_path / "notes.mp3", tmp_path / "gone.wav", sentence, "-o", tmp_path / "out")
    assert result.returncode == 3
    assert "E-INPUT" in said(result) and "E-NOT-FOUND" in said(result)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["morning.txt"]


def test_subtitles_lie_beside_the_recording_and_keep_the_rules(example, tmp_path):
    talk = tmp_path / "a: 100% -talk.mp3"
    talk.write_bytes(example.read_bytes())
    result = asr("srt", talk)
    assert result.returncode == 0, said(result)
    assert (tmp_path / "a: 100% -talk.srt").exists() and len(list(tmp_path.iterdir())) == 2
    result = asr("lint", tmp_path / "a: 100% -talk.srt")
    assert result.returncode == 0, result.stdout


def test_standard_input_is_a_recording_too(example):
    result = asr("transcribe", "-", "-f", "json", "-q", stdin=example.read_bytes())
    found = json.loads(result.stdout)
    assert found["version"] == 1 and len(found["segments"]) == 5 and not said(result)


def test_whoever_has_seen_enough_may_leave(example):
    command = f"{sys.executable} -m asr transcribe '{example}' | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr and "Broken" not in result.stderr
    assert result.returncode in (0, 141)  # 0: the last line was written before head had gone


def test_progress_is_events_when_asked(example, tmp_path):
    result = asr("transcribe", example, "-o", tmp_path, "--json")
    events = [json.loads(line) for line in said(result).splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds.count("segment") == 5 and kinds[-1] == "file_done" and "model" in kinds
    assert events[-1]["outputs"] == [str(tmp_path / "morning.txt")]


def test_speech_is_listed_and_exported(example, tmp_path):
    result = asr("vad", example, "-f", "json", "--export", tmp_path / "parts")
    segments = json.loads(result.stdout)["segments"]
    assert len(segments) == 5 and all(start < end for start, end in segments)
    assert len(list((tmp_path / "parts").glob("morning-*.wav"))) == 5
    assert len(asr("vad", example, "-f", "rttm").stdout.splitlines()) == 5


def test_a_list_of_speech_appears_only_when_it_is_whole(example, tmp_path):
    (tmp_path / "bad.mp3").write_text("no sound")
    (tmp_path / "old.json").write_text("{}")
    result = asr("vad", tmp_path / "bad.mp3", "-f", "json", "-o", tmp_path / "old.json")
    assert result.returncode == 5 and (tmp_path / "old.json").read_text() == "{}"
    result = asr("vad", tmp_path / "bad.mp3", "-f", "json")
    assert result.returncode == 5 and result.stdout == b""
    assert asr("vad", example, "-o", f"{tmp_path}/lists/").returncode == 0
    assert len((tmp_path / "lists" / "morning.txt").read_text().splitlines()) == 5
    assert not list(tmp_path.rglob("*.part.*"))


def test_an_interrupted_list_of_speech_keeps_its_partial_name(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", "vad", "-", "--pcm", "16000", "-o", tmp_path / "list.txt"], stdin=subprocess.PIPE
    )
    process.stdin.write(bytes(32_000 * 15))
    process.stdin.flush()
    time.sleep(3)
    process.send_signal(signal.SIGTERM)  # while it waits for more, which never comes
    assert process.wait(20) == 130
    process.stdin.close()
    assert [path.name for path in tmp_path.iterdir()] == ["list.part.txt"]


def test_no_recording_is_overwritten_by_a_list_of_its_own_speech(example, tmp_path):
    path = tmp_path / "talk.mp3"
    path.write_bytes(example.read_bytes())
    assert asr("vad", path, "-o", path).returncode == 2
    assert path.read_bytes() == example.read_bytes()


def test_parts_of_two_recordings_never_share_a_name(example, tmp_path):
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "talk.mp3", tmp_path / "sub" / "talk.mp3"):
        path.write_bytes(example.read_bytes())
    result = asr("vad", tmp_path / "talk.mp3", tmp_path / "sub" / "talk.mp3", "--export", tmp_path / "parts")
    assert result.returncode == 2 and not (tmp_path / "parts").exists()


def test_waiting_for_a_silent_pipe_ends_when_asked(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in ("-", tmp_path / "pipe"):
        process = subprocess.Popen([sys.executable, "-m", "asr", "transcribe", source], stdin=subprocess.PIPE)
        time.sleep(4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
        process.stdin.close()


def test_what_was_heard_from_a_pipe_is_not_lost_when_it_is_stopped(example, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", "transcribe", "-", "-o", tmp_path / "out.txt"], stdin=subprocess.PIPE
    )
    process.stdin.write(example.read_bytes())
    process.stdin.flush()
    time.sleep(5)
    process.send_signal(signal.SIGTERM)  # long before a batch is full, and no second run can hear it again
    assert process.wait(30) == 130
    process.stdin.close()
    assert "welcome to the show" in (tmp_path / "out.part.txt").read_text()


def test_a_pipe_is_heard_though_a_bar_would_like_to_know_its_length(example):
    assert len(asr("vad", "/dev/stdin", stdin=example.read_bytes()).stdout.splitlines()) == 5
    command = f"'{sys.executable}' -m asr vad <(cat '{example}')"
    assert len(subprocess.run(["bash", "-c", command], capture_output=True, check=False).stdout.splitlines()) == 5


def test_a_name_that_is_no_utf_8_is_just_a_name(sentence, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp3")
    path.write_bytes(sentence.read_bytes())
    assert asr("srt", tmp_path).returncode == 0
    assert sorted(tmp_path.iterdir()) == [path, path.with_suffix(".srt")]


def test_nothing_of_another_recording_s_is_taken_for_a_partial_result(sentence, tmp_path):
    for name in ("talk.part.mp3", "talk.mp3"):
        (tmp_path / name).write_bytes(sentence.read_bytes())
    assert asr("srt", tmp_path / "talk.part.mp3", tmp_path / "talk.mp3").returncode == 2
    (tmp_path / "talk.part.srt").write_text("mine")
    result = asr("srt", tmp_path / "talk.mp3")
    assert result.returncode == 1 and "is in the way" in said(result)
    assert (tmp_path / "talk.part.srt").read_text() == "mine"


def test_two_runs_on_one_result_notice_each_other(example, tmp_path):
    talk = long_recording(example, tmp_path)
    command = [sys.executable, "-m", "asr", "srt", talk, *QUICKLY]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **QUICK, "QUICK_COST": "0.15"})
    wait_for(lambda: (tmp_path / ".long.asr-journal").exists())
    second = asr("srt", talk, *QUICKLY, env=QUICK)
    assert second.returncode == 1 and "another asr is at work" in said(second)
    assert first.wait(120) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp3", "long.srt"]


def test_a_recording_s_pace_counts_only_what_was_heard(example, tmp_path):
    result = asr("vad", example, "--start", "20", "--json")
    assert result.returncode == 0
    result = asr("transcribe", example, "--start", "20", "-o", tmp_path / "a.txt", "--json")
    done = json.loads(said(result).splitlines()[-1])
    assert done["event"] == "file_done" and done["audio_s"] < 7


def test_a_part_is_heard_with_the_recording_s_times(example):
    result = asr("vad", example, "--start", "0:10", "--end", "17")
    (line,) = result.stdout.decode().splitlines()
    start, end = map(float, line.split())
    assert 10 <= start < end <= 17


def long_recording(example, folder):
    """A minute and a quarter, as a real file."""
    path = folder / "long.mp3"
    path.write_bytes(example.read_bytes() * 3)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_keeps_what_was_heard_and_the_same_command_goes_on(example, tmp_path, number):
    talk = long_recording(example, tmp_path)
    command = [sys.executable, "-m", "asr", "srt", str(talk), "-v", "--batch-seconds", "5", *QUICKLY]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **QUICK})
    for line in process.stderr:
        if line.startswith("["):
            break
    process.send_signal(number)
    rest = process.stderr.read()
    assert process.wait(60) == 130
    assert "stopped at" in rest and "Traceback" not in rest
    assert (tmp_path / "long.part.srt").exists() and not (tmp_path / "long.srt").exists()
    assert asr("lint", tmp_path / "long.part.srt").returncode == 0
    result = asr("srt", talk, *QUICKLY, env=QUICK)
    assert result.returncode == 0 and "were recognised before" in said(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp3", "long.srt"]
    resumed = (tmp_path / "long.srt").read_bytes()
    if number == signal.SIGINT:
        assert asr("srt", talk, "--no-resume", *QUICKLY, env=QUICK).returncode == 0
        assert (tmp_path / "long.srt").read_bytes() == resumed


@pytest.mark.parametrize("seconds", [1.0, 2.0])
def test_ctrl_c_while_a_model_loads_is_an_interruption(example, tmp_path, seconds):
    command = [sys.executable, "-m", "asr", "srt", str(long_recording(example, tmp_path))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert "Traceback" not in process.stderr.read()
    assert process.wait(20) == 130
    assert not (tmp_path / "long.srt").exists()


def test_a_second_ctrl_c_ends_at_once_and_loses_nothing_written(example, tmp_path):
    talk = long_recording(example, tmp_path)
    command = [sys.executable, "-m", "asr", "srt", str(talk), "-v", "--batch-seconds", "5", *QUICKLY]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **QUICK})
    for line in process.stderr:
        if line.startswith("["):
            break
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    assert process.wait(60) == 130
    assert (tmp_path / ".long.asr-journal").read_text().count("\n") >= 2
    assert "were recognised before" in said(asr("srt", talk, *QUICKLY, env=QUICK))


def test_a_second_ctrl_c_leaves_no_copy_of_a_stream_behind(example, tmp_path):
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "asr", "transcribe", "-", "--channels", "split", "-o", tmp_path / "out.txt"],
        stdin=long_recording(example, tmp_path).open("rb"), stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    wait_for(lambda: (tmp_path / "out.part.txt").exists())
    wait_for(lambda: list((tmp_path / "tmp").glob("asr-*")))
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if b"stopping after" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert not list((tmp_path / "tmp").glob("asr-*"))


def test_a_disk_that_fills_up_is_told_and_leaves_no_half_file(example, tmp_path):
    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    result = asr("transcribe", example, "-f", "json", "-o", tmp_path / "out", preexec_fn=small_disk)
    assert result.returncode == 1
    assert "cannot write" in said(result) and "Traceback" not in said(result)
    assert "the same command continues" in said(result)
    assert not (tmp_path / "out" / "morning.json").exists()
    assert not (tmp_path / "out" / "morning.part.json").exists()


def test_a_place_nobody_may_write_is_told(sentence, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "out", tmp_path / "file" / "out.srt"):
        result = asr("transcribe", sentence, "-o", place)
        assert result.returncode == 1 and "cannot write" in said(result)
        assert "choose another place with -o" in said(result) and "continues" not in said(result)


def on_a_terminal(command, columns=60):
    """Run a shell's command on a terminal of its own; what the screen got, without its colours and movements."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(["sh", "-c", command], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    screen = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while piece := os.read(master, 4096):
            screen += piece
    os.close(master)
    assert process.wait(60) == 0, screen
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())


def test_results_go_where_the_shell_sends_them_while_the_bar_is_on_the_terminal(example, sentence, tmp_path):
    text = asr("transcribe", sentence).stdout.decode()
    said = f"asr transcribe '{sentence}' > '{tmp_path}/a.txt'; asr vad '{example}' > '{tmp_path}/b.txt'"
    screen = on_a_terminal(said)
    assert (tmp_path / "a.txt").read_text() == text
    assert len((tmp_path / "b.txt").read_text().splitlines()) == 5
    assert text.strip() and "recognise" in screen
    assert not set(text.splitlines()) & set(screen.splitlines())


def test_results_on_the_terminal_stand_above_the_bar_unbroken(sentence):
    lines = asr("transcribe", sentence).stdout.decode().splitlines()
    screen = on_a_terminal(f"asr transcribe '{sentence}'")
    seen = [line.rstrip("\r").rpartition("\r")[2] for line in screen.split("\n")]
    seen = [line for line in seen if line in lines]
    assert seen == lines
    assert "progress.description" not in screen


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_crash(sentence, tmp_path, closed):
    command = f"'{sys.executable}' -m asr transcribe '{sentence}' -o '{tmp_path}/out.txt' {closed}"
    result = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert result.returncode == 0 and "Traceback" not in said(result)
    assert (tmp_path / "out.txt").read_text()


def test_text_that_a_closed_output_cannot_take_is_a_failure(sentence):
    result = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m asr transcribe '{sentence}' >&-"], capture_output=True, check=False
    )
    assert result.returncode == 1 and "cannot write to standard output" in said(result)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_standard_output_that_takes_nothing_is_told(sentence):
    with Path("/dev/full").open("w") as full:
        result = asr("transcribe", sentence, stdout=full)
    assert result.returncode == 1 and "cannot write to standard output" in said(result)


def test_no_home_is_needed(sentence, tmp_path):
    result = asr("vad", sentence, env={"HOME": "/nonexistent", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""})
    assert result.returncode == 0, said(result)


def test_other_encodings_do_not_break_the_output(sentence):
    result = asr("transcribe", sentence, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert result.returncode == 0 and result.stdout


def test_configuration_is_read_in_order(tmp_path):
    (tmp_path / "asr").mkdir()
    (tmp_path / "asr" / "config.toml").write_text('model = "a"\nlanguage = "en"\n[srt]\nmax-line-width = 30\n')
    (tmp_path / "asr.toml").write_text('model = "b"\n')
    env = {"XDG_CONFIG_HOME": str(tmp_path), "ASR_THREADS": "3"}
    shown = json.loads(asr("config", "show", "srt", "--json", env=env, cwd=tmp_path).stdout)
    assert shown["model"] == {"value": "b", "source": "asr.toml"}
    assert shown["language"]["value"] == "en" and shown["language"]["source"].endswith("config.toml")
    assert shown["threads"] == {"value": 3, "source": "environment"}
    assert shown["max_line_width"]["value"] == 30
    assert shown["device"]["source"] == "default"


def test_how_text_is_written_is_for_the_languages_it_knows(sentence, tmp_path):
    result = asr("transcribe", sentence, "--script", "hans")
    assert result.returncode == 2 and "--script is for Chinese, and this is en-US" in said(result)
    (tmp_path / "asr.toml").write_text('model = "sphinx"\nscript = "hant"\nitn = true\n')
    assert asr("transcribe", sentence, cwd=tmp_path).stdout == asr("transcribe", sentence).stdout


def test_what_configuration_says_is_what_happens(sentence, tmp_path):
    (tmp_path / "asr.toml").write_text('output-format = "json"\nquiet = true\n')
    result = asr("transcribe", sentence, cwd=tmp_path)
    assert json.loads(result.stdout)["segments"] and not said(result)
    result = asr("transcribe", sentence, "-f", "txt", cwd=tmp_path)
    assert result.stdout.startswith(b"Good morning")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('langage = "en"', "did you mean 'language'"),
        ("threads = true", "that is no int"),
        ("quiet = 5", "write true or false"),
        ("model = ", "cannot be read"),
        ("[transcrib]\nmodel = 'x'", "takes options"),
    ],
)
def test_a_mistake_in_configuration_is_named_with_its_file(tmp_path, text, says):
    (tmp_path / "asr.toml").write_text(text)
    result = asr("transcribe", "x.wav", cwd=tmp_path)
    assert result.returncode == 2 and says in said(result) and "asr.toml" in said(result)


@pytest.mark.parametrize(
    ("configuration", "command", "wrote"),
    [
        ("max-line-width = 32\nhighlight-words = true\nlang-suffix = true", "transcribe talk.mp3", []),
        ('output-format = "srt,vtt"', "transcribe talk.mp3", []),
        ('output-format = "srt,vtt"', "transcribe talk.mp3 -o out", ["out/talk.srt", "out/talk.vtt"]),
        ('output-format = "srt"', "transcribe talk.mp3 -o x.vtt", ["x.vtt"]),
        ('output-format = "txt"', "srt talk.mp3", ["talk.srt"]),
        ('output-format = "vtt"', "srt talk.mp3", ["talk.vtt"]),
        ('output-format = "srt"\nchannels = "split"', "vad talk.mp3", []),
        ('output = "out"\n', "vad talk.mp3 -o -", []),
        ("vad-max-end-silence-time = 500", "transcribe talk.mp3 --no-vad", []),
    ],
)
def test_configuration_for_one_command_does_not_break_another(sentence, tmp_path, configuration, command, wrote):
    (tmp_path / "talk.mp3").write_bytes(sentence.read_bytes())
    (tmp_path / "asr.toml").write_text(configuration)
    result = asr(*command.split(), cwd=tmp_path)
    assert result.returncode == 0, said(result)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(found - {"talk.mp3", "asr.toml"}) == wrote


def test_help_is_there_while_configuration_is_not(tmp_path):
    for variables in ({"ASR_QUIET": "maybe"}, {"ASR_CONFIG": "/nowhere"}):
        assert asr("transcribe", "--help", env=variables).returncode == 0
        assert asr("config", "path", env=variables).returncode == 0
        assert asr("transcribe", "x.mp3", env=variables).returncode == 2


def test_the_doctor_finds_this_machine_well():
    result = asr("doctor", "--json")
    findings = {found["what"]: found for found in map(json.loads, result.stdout.splitlines())}
    assert result.returncode == 0
    assert findings["ffmpeg"]["state"] == findings["torch"]["state"] == "ok"


def test_the_doctor_knows_the_extras():
    findings = {found["what"]: found for found in map(json.loads, asr("doctor", "--json").stdout.splitlines())}
    here = set(findings["extras"]["found"].split(", ")) - {"none"}
    missing = set(re.findall(r"asr-cli\[(\w+)\]", findings["extras"]["remedy"]))
    assert here | missing == set(importlib.metadata.metadata("asr-cli").get_all("Provides-Extra"))
    assert ("itn" in here) == (importlib.util.find_spec("wetext") is not None) and not here & missing


def test_the_doctor_says_how_to_get_what_is_missing():
    result = asr("doctor", "--json", env={"ASR_FFMPEG": "/nonexistent/ffmpeg"})
    findings = {found["what"]: found for found in map(json.loads, result.stdout.splitlines())}
    assert result.returncode == 6 and findings["ffmpeg"]["remedy"]


def test_models_are_listed_with_what_is_here(tmp_path):
    listed = {entry["name"]: entry for entry in json.loads(asr("models", "--json").stdout)}
    assert listed["sphinx"]["here"] and listed["fsmn-vad-mini"]["here"] and not listed["fsmn-vad"]["here"]
    folder = tmp_path / "models" / "fsmn-vad"
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"")
    listed = json.loads(asr("models", "--json", env={"ASR_CACHE": str(tmp_path)}).stdout)
    assert next(entry for entry in listed if entry["name"] == "fsmn-vad")["folder"] == str(folder)


def test_completion_is_there_for_shells():
    for shell in ("bash", "zsh", "fish", "powershell"):
        result = asr("--show-completion", shell)
        assert result.returncode == 0 and f"complete_{shell}".encode() in result.stdout
    result = asr("--show-completion", "tcsh")
    assert result.returncode == 2 and b"bash, zsh, fish" in result.stderr
    result = asr(env={"_ASR_COMPLETE": "complete_bash", "COMP_WORDS": "asr trans", "COMP_CWORD": "1"})
    assert result.stdout.split() == [b"transcribe"]
    result = asr(env={"_ASR_COMPLETE": "complete_bash", "COMP_WORDS": "asr vad --exp", "COMP_CWORD": "2"})
    assert result.stdout.split() == [b"--export"]


def test_completion_is_installed_for_the_shell_that_is_named(tmp_path):
    result = asr("--install-completion", "fish", env={"HOME": str(tmp_path)})
    assert result.returncode == 0
    installed = tmp_path / ".config" / "fish" / "completions" / "asr.fish"
    assert str(installed).encode() in result.stdout and installed.read_bytes().strip() == (
        asr("--show-completion", "fish").stdout.strip()
    )
