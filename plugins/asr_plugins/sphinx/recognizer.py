"""pocketsphinx over several processes: its engine is single-threaded and holds Python's lock while it works."""

import os
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from asr_cli.audio import Audio
from asr_cli.errors import AsrError
from asr_cli.transcript import Segment, Word
from asr_plugins.sphinx.decoding import Spoken, recognize
from asr_plugins.sphinx.worker import Worker, WorkerDied


class SphinxRecognizer:
    """The `Recognizer` role. An utterance's words never depend on what was recognised before it, or where."""

    max_duration = 30.0

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or os.cpu_count() or 1
        self._threads: ThreadPoolExecutor | None = None
        self._idle: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._workers: set[Worker] = set()

    def recognize(self, utterances: Sequence[Audio], /) -> list[Segment]:
        heard = (
            segment(words, utterance.start)
            for words, utterance in zip(self._words(utterances), utterances, strict=True)
        )
        return list(heard)

    def close(self) -> None:
        for worker in list(self._workers):
            worker.close()
        self._workers.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._threads = None

    def _words(self, utterances: Sequence[Audio]) -> list[list[Spoken]]:
        # Workers take a second to start; for one utterance it is not worth it.
        if self.processes == 1 or (self._threads is None and len(utterances) == 1):
            return [recognize(utterance.samples) for utterance in utterances]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.processes, thread_name_prefix="sphinx")
            self._idle = queue.SimpleQueue()
            for _ in range(self.processes):
                self._idle.put(None)
        return list(self._threads.map(self._send, utterances))

    def _send(self, utterance: Audio) -> list[Spoken]:
        worker = self._idle.get()
        try:
            for _ in range(2):  # a worker that was killed, perhaps for memory, is replaced once
                try:
                    worker = worker or self._start()
                    return worker.recognize(utterance.samples)
                except WorkerDied:
                    self._end(worker)
                    worker = None
        finally:
            self._idle.put(worker)
        raise AsrError(f"the recogniser died twice on the utterance at {utterance.start:.2f} s; try --threads 1")

    def _start(self) -> Worker:
        worker = Worker()
        self._workers.add(worker)
        return worker

    def _end(self, worker: Worker | None) -> None:
        if worker is not None:
            self._workers.discard(worker)
            worker.close()


def segment(words: Sequence[Spoken], offset: float) -> Segment:
    return Segment(tuple(Word(text, offset + start, offset + end, sure) for text, start, end, sure in words))
