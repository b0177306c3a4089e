"""Several workers at once: pocketsphinx is single-threaded and holds Python's lock while it works."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from asr_cli.audio import Audio
from asr_cli.errors import AsrError
from asr_plugins.sphinx.decoding import Spoken
from asr_plugins.sphinx.worker import Worker, WorkerLostError

ATTEMPTS = 2  # a worker may be killed once, for memory perhaps, before we give up


class Pool:
    """Up to `size` workers, each started when there is something for it to do."""

    def __init__(self, size: int) -> None:
        # The threads only wait: each hands an utterance to a worker and sleeps until the words are there.
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="sphinx")
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._closed = False

    def recognize(self, utterances: Sequence[Audio]) -> list[list[Spoken]]:
        """The words of each utterance, in the same order."""
        if self._closed:
            raise AsrError("the recogniser was closed")
        return list(self._threads.map(self.recognize_one, utterances))

    def recognize_one(self, utterance: Audio) -> list[Spoken]:
        """In whichever worker is idle; as many callers may do so at once as there are workers."""
        for _ in range(ATTEMPTS):
            worker = self._take()
            try:
                words = worker.recognize(utterance.samples)
            except WorkerLostError:
                self._drop(worker)
            else:
                self._idle.put(worker)
                return words
        raise AsrError(
            f"the recogniser's process was ended {ATTEMPTS} times on the speech at {utterance.start:.2f} s, perhaps for"
            " lack of memory; try --threads 1"
        )

    def close(self) -> None:
        """End the workers at once, in the middle of an utterance too."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, set()
        for worker in workers:
            worker.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _take(self) -> Worker:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._start()

    def _start(self) -> Worker:
        with self._lock:
            if self._closed:  # nobody waits for the words any more, and nobody would end the worker
                raise AsrError("the recogniser was closed while it worked")
            try:
                worker = Worker()
            except OSError as error:
                raise AsrError(f"the recogniser's process cannot be started: {error.strerror or error}") from error
            self._workers.add(worker)
            return worker

    def _drop(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()
