"""What a model consists of, from one hub, or from both at once."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import Manifest
from asr_cli.hub.source import open_hub


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


def ask(addresses: Sequence[Address]) -> Answer:
    """The answer of the hub that answers first; what keeps each of them from it if none does."""
    begun = time.monotonic()
    answers: SimpleQueue[Manifest | Exception] = SimpleQueue()
    for address in addresses:
        # A daemon: a hub that never answers must not hold up the end of the program.
        threading.Thread(target=inquire, args=(address, answers), daemon=True).start()
    failures: list[Exception] = []
    while len(failures) < len(addresses):
        answer = answers.get()
        if isinstance(answer, Manifest):
            return Answer(answer, time.monotonic() - begun, len(addresses) > 1)
        failures.append(answer)
    for failure in failures:
        if not isinstance(failure, DownloadError):
            raise failure
    raise DownloadError("; ".join(map(str, failures)))


def inquire(address: Address, answers: "SimpleQueue[Manifest | Exception]") -> None:
    try:
        manifest = open_hub(address.hub).manifest(address.model_id, address.revision)
        if not manifest.files:  # a network that answers for everybody, for one, until one has logged in to it
            raise DownloadError(f"{manifest.hub_name} lists no files of {address.model_id}")
        answers.put(manifest)
    except Exception as error:  # whatever it is belongs to who asked
        answers.put(error)
