"""What a model consists of, from one hub, or from both at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import Manifest
from asr_cli.hub.source import open_hub

HEAD_START = 10.0  # seconds that the hub of a download that broke off has before another is asked


@dataclass(frozen=True, slots=True)
class Address:
    """A model on a hub ("ms" or "hf")."""

    hub: str
    model_id: str
    revision: str


@dataclass(frozen=True, slots=True)
class Answer:
    """seconds: how long it took. raced: whether another hub was asked too."""

    manifest: Manifest
    seconds: float
    raced: bool


def ask(*turns: Sequence[Address]) -> Answer:
    """The answer of the hub that answers first; what keeps each of them from it if none does.

    turns: a later one is asked too, once those before have failed or keep us waiting.
    """
    begun = time.monotonic()
    answers: SimpleQueue[Manifest | Exception] = SimpleQueue()
    failures: list[Exception] = []
    n_asked = 0
    for turn in turns:
        for address in turn:
            start(address, answers)
        n_asked += len(turn)
        patience = None if turn is turns[-1] else HEAD_START
        while len(failures) < n_asked:
            try:
                answer = answers.get(timeout=patience)
            except Empty:
                break
            if isinstance(answer, Manifest):
                return Answer(answer, time.monotonic() - begun, len(turn) > 1)
            failures.append(answer)
    for failure in failures:
        if not isinstance(failure, DownloadError):
            raise failure
    raise DownloadError("; ".join(map(str, failures)))


def start(address: Address, answers: "SimpleQueue[Manifest | Exception]") -> None:
    try:
        # A daemon: a hub that never answers must not hold up the end of the program.
        Thread(target=inquire, args=(address, answers), daemon=True).start()
    except RuntimeError:  # the system allows no more threads: one after the other, then
        inquire(address, answers)


def inquire(address: Address, answers: "SimpleQueue[Manifest | Exception]") -> None:
    try:
        manifest = open_hub(address.hub).manifest(address.model_id, address.revision)
        if not manifest.files:  # a network that answers for everybody, for one, until one has logged in to it
            raise DownloadError(f"{manifest.hub_name} lists no files of {address.model_id}")
        answers.put(manifest)
    except Exception as error:  # whatever it is belongs to who asked
        answers.put(error)
