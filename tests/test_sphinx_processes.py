"""Several utterances at once, and what becomes of the processes."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
from asr_plugins.sphinx.pool import ATTEMPTS
from asr_plugins.sphinx.recognizer import SphinxRecognizer

from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.errors import AsrError


@pytest.fixture(scope="module")
def utterances(example):
    """Four pieces of the example, the longest first."""
    samples = np.concatenate([block.samples for block in read_blocks(example)])
    edges = ((0.0, 3.5), (3.5, 6.0), (6.0, 8.0), (8.0, 9.5))
    return [Audio(samples[int(start * 16000) : int(end * 16000)], start=start) for start, end in edges]


@pytest.fixture
def recognizer():
    recognizer = SphinxRecognizer(2)
    yield recognizer
    recognizer.close()


def workers():
    return [child for child in psutil.Process().children() if is_worker(child)]


def is_worker(process):
    try:
        return "asr_plugins.sphinx.worker" in process.cmdline()
    except psutil.Error:  # it is gone meanwhile
        return False


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_several_processes_give_what_one_gives_in_the_same_order(recognizer, utterances):
    alone = SphinxRecognizer(1)
    expected = alone.recognize(utterances)
    alone.close()
    assert recognizer.recognize(utterances) == expected
    assert recognizer.recognize(utterances[::-1]) == expected[::-1]
    assert len(workers()) == 2 and all(expected)


def test_processes_start_when_they_are_needed_and_no_sooner(recognizer, utterances):
    assert not workers()
    recognizer.recognize(utterances[-1:])
    assert len(workers()) == 1
    recognizer.recognize(utterances[-2:])
    assert len(workers()) == 2


def test_closing_ends_the_processes_once_and_for_all(recognizer, utterances):
    recognizer.recognize(utterances[-2:])
    recognizer.close()
    recognizer.close()
    assert not workers()
    with pytest.raises(AsrError, match="closed"):
        recognizer.recognize(utterances[-2:])
    assert not workers()


def test_a_process_that_is_killed_is_replaced(recognizer, utterances):
    expected = recognizer.recognize(utterances)
    for worker in workers():
        worker.kill()
    assert recognizer.recognize(utterances) == expected
    assert len(workers()) == 2


def test_a_process_that_is_killed_again_and_again_is_an_error_in_one_sentence(recognizer, utterances):
    recognizer.recognize(utterances[-2:])
    over = threading.Event()

    def kill():
        while not over.is_set():
            for worker in workers():
                with suppress(psutil.Error):
                    worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(AsrError, match=f"ended {ATTEMPTS} times on the speech at [06]"):
            recognizer.recognize([utterances[0], utterances[2]])
    finally:
        over.set()
        killer.join()


def test_closing_does_not_wait_for_what_is_being_recognised(recognizer, utterances):
    recognizer.recognize(utterances[-2:])
    samples = np.concatenate([utterance.samples for utterance in utterances] * 3)[: 16000 * 25]
    failed = []

    def recognize():
        try:
            recognizer.recognize([Audio(samples), Audio(samples)])
        except AsrError as error:
            failed.append(error)

    thread = threading.Thread(target=recognize)
    thread.start()
    time.sleep(0.3)
    begun = time.monotonic()
    recognizer.close()
    thread.join()
    assert time.monotonic() - begun < 1.0
    assert failed and not workers()


SCRIPT = """
import pickle, signal, sys
import psutil
from asr_plugins.sphinx.recognizer import SphinxRecognizer

signal.signal(signal.SIGINT, lambda *_: None)
utterances = pickle.load(sys.stdin.buffer)
recognizer = SphinxRecognizer(2)
first = recognizer.recognize(utterances)
print(*[child.pid for child in psutil.Process().children()], flush=True)
while True:
    assert recognizer.recognize(utterances) == first
    print("again", flush=True)
"""


@pytest.fixture
def program(utterances):
    """A program with two workers, busy until it is ended; and their process ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False, start_new_session=True,
    )  # fmt: skip
    process.stdin.write(pickle.dumps(utterances[-2:]))
    process.stdin.close()
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    yield process, pids
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


def test_workers_go_when_their_parent_is_killed(program):
    process, pids = program
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(alive, pids)))


def test_ctrl_c_in_the_terminal_disturbs_no_worker(program):
    process, pids = program
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        assert process.stdout.readline() == b"again\n"
    assert all(map(alive, pids))
    process.kill()
    assert process.stderr.read() == b""


def test_files_in_the_user_s_folder_are_not_imported(tmp_path, monkeypatch, utterances):
    for name in ("numpy", "json", "pocketsphinx"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported by accident')")
    monkeypatch.chdir(tmp_path)
    recognizer = SphinxRecognizer(2)
    try:
        assert len(recognizer.recognize(utterances[-2:])) == 2
    finally:
        recognizer.close()
