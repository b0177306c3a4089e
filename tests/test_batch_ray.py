"""`asr batch --engine ray` as a user runs it, in a Ray cluster of this machine that ends with it."""

import importlib.util
import os
import socket
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from asr_cli.errors import AsrError, UsageError
from asr_cli.jobs.dispatch import Dispatcher
from asr_cli.jobs.manifest import Item
from asr_cli.jobs.messages import DONE, Ended, Lost, Ready, Result, Task
from asr_cli.jobs.ray_actor import from_folder
from asr_cli.jobs.ray_cluster import Node, check_reachable, refused, share_of, told
from asr_cli.jobs.ray_engine import obituary
from tests.batches import PATIENCE, QUICK, Runs, write_scp, write_wav

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'asr-cli[ray]'")
RAY = ("--engine", "ray", "--address", "local", "--jobs", "2", "--json")
N, SECONDS, COST = 12, 12.0, 0.02  # recordings; s of one, which has two utterances; s of work for a second of it


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Recordings named from the folder that a run starts in, and what the local engine makes of them."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(N):
        write_wav(folder / f"{number}.wav", SECONDS, number)
    scp = write_scp(folder / "wav.scp", [(f"u{n}", f"{n}.wav") for n in range(N)] + [("gone", "gone.wav")])
    return Runs(folder, scp, out="local", options=["-f", "srt,json"]).run()


def workers(process):
    """Ray calls its processes by what they do."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if child.cmdline()[:1] and child.cmdline()[0].startswith("ray::RayWorker"):
                found.append(child)
        except psutil.Error:
            continue
    return found


@needs_ray
def test_a_killed_worker_costs_nothing(corpus):
    runs = Runs(corpus.folder, *corpus.arguments[:1], out="ray", options=["-f", "srt,json"])
    process = runs.begin(*RAY, cost=COST)
    runs.wait_for(3, process)
    everybody = psutil.Process(process.pid).children(recursive=True)
    workers(process)[0].kill()
    runs.end(process, 2 * PATIENCE)
    assert (corpus.code, runs.code) == (3, 3)  # one recording is not there
    assert runs.files() == corpus.files()
    assert [event for event in runs.events if event["event"] == "warning" and "a worker" in event["message"]]
    # What was done is not done again: both utterances of what the lost worker had in hand, at most.
    assert 2 * N <= len(runs.heard) <= 2 * N + 4
    assert not psutil.wait_procs(everybody, timeout=PATIENCE)[1]


@needs_ray
def test_a_cluster_that_is_not_there_is_said_in_seconds(corpus):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        begun = time.monotonic()
        runs = Runs(corpus.folder, *corpus.arguments[:1], out="nowhere").run("--engine", "ray", "--address", address)
    assert runs.code == 1 and "there is no Ray cluster at" in runs.complaint
    assert time.monotonic() - begun < PATIENCE / 4


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "nonsense", ":6379", "host:port"])
def test_an_address_that_is_none_is_a_mistake(address):
    with pytest.raises(UsageError, match="HOST:PORT"):
        check_reachable(address)


def test_without_ray_it_is_said_how_to_get_it(corpus, tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('as if it were not installed')\n")
    runs = Runs(corpus.folder, *corpus.arguments[:1], out="nowhere")
    runs.run("--engine", "ray", PYTHONPATH=f"{tmp_path}{os.pathsep}{QUICK}")
    assert runs.code == 6 and "pip install 'asr-cli[ray]'" in runs.complaint


def test_a_worker_fits_the_smallest_node():
    nodes = [Node(8, 0), Node(2, 0)]
    share = share_of(nodes, threads=None, jobs=None, on_gpu=False)
    assert (share.threads, share.n_in(nodes)) == (2, 5)


def test_a_gpu_worker_has_one_and_its_part_of_the_cores():
    nodes = [Node(16, 4), Node(64, 0)]
    share = share_of(nodes, threads=None, jobs=None, on_gpu=True)
    assert (share.threads, share.gpus, share.n_in(nodes)) == (4, 1, 4)


def test_more_threads_than_any_node_has_do_not_keep_a_worker_waiting():
    assert share_of([Node(4, 0)], threads=16, jobs=None, on_gpu=False).cores == 4


def test_where_the_drivers_folder_is_not_relative_paths_begin_there_all_the_same():
    def source_of(source, piped=False):
        return from_folder(Task(number=0, item=Item("a", source, "a", piped=piped)), "/here").item.source

    assert source_of("b/a.wav") == "/here/b/a.wav" and source_of("/b/a.wav") == "/b/a.wav"
    assert source_of("s3://b/a.wav") == "s3://b/a.wav" and source_of("cat a.wav", piped=True) == "cat a.wav"


def test_tokens_stay_on_the_drivers_machine():
    assert set(told({"HF_TOKEN": "secret", "MODELSCOPE_API_TOKEN": "secret", "ASR_CACHE": "/m", "A": "b"})) == {
        "ASR_CACHE",
        "PYTHONPATH",
    }


def test_another_version_is_said_in_one_sentence():
    reason = "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.10.1\nThis process ..."
    error = refused(reason, "10.0.0.1:6379")
    assert isinstance(error, AsrError) and "\n" not in str(error)
    assert "another version of Ray or Python" in str(error) and "2.9.0" in str(error)


class Machines:
    """An engine whose first workers lose their machines with all in hand, and which grows by one worker."""

    def __init__(self, n_lost):
        self.setups = [SimpleNamespace(n_at_once=4)] * 2
        self.n_lost, self.n_hired, self.given = n_lost, 0, []
        self._joining = [self.setups[0]]

    def more(self):
        joined, self._joining = self._joining, []
        return joined

    def hire(self, setup, tell):
        self.n_hired += 1
        return Machine(self, tell, is_lost=self.n_hired <= self.n_lost)

    def close(self):
        pass


class Machine:
    def __init__(self, engine, tell, *, is_lost):
        self.engine, self.tell, self.is_lost, self.held = engine, tell, is_lost, 0
        tell(self, Ready("quick", None, None))

    def give(self, number):
        self.held += 1
        self.engine.given.append(number)
        if not self.is_lost:
            self.tell(self, Ended(number, Result(status=DONE)))
        elif self.held == self.engine.setups[0].n_at_once:
            self.tell(self, Lost("lost with its machine", with_machine=True))

    def stop(self):
        pass

    close = kill = stop


def test_what_a_lost_machine_had_in_hand_goes_to_others_as_if_it_were_new():
    engine = Machines(n_lost=2)
    dispatcher = Dispatcher(engine, range(30), lambda number: number)
    ended = [one for events in dispatcher.run(threading.Event()) for one in events if isinstance(one, Ended)]
    assert sorted(one.number for one in ended) == list(range(30))
    assert {one.result.status for one in ended} == {DONE}
    assert len(engine.given) == 30 + 2 * 4  # what two machines had in hand, once more
    assert engine.n_hired == 2 + 2 + 1  # at first, in their place, and where there came to be room


def test_a_lost_machine_is_no_workers_fault():
    died = "The actor died unexpectedly before finishing this task.\n\tpid: 7\n\tip: 10.0.0.1\nThe actor "
    assert obituary(OSError(f"{died}died because its node has died.")) == Lost("lost with its machine", True)
    alone = obituary(OSError(f"{died}is dead because its worker process has died."))
    assert alone == Lost("found dead (pid 7, ip 10.0.0.1)")
