"""The next utterances made ready while the last ones are being recognised."""

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

N_READY = 16  # items that may wait to be fetched
PATIENCE = 0.05  # s between two looks whether anybody still wants them


def ahead(items: Iterable[T], n_ready: int = N_READY) -> Iterator[T]:
    """The same items, pulled in a thread of their own and a few of them in advance.

    Only for items that come without fail: whoever stops early waits for the one that is being pulled.
    """
    puller = Puller(items, n_ready)
    puller.thread.start()
    try:
        while True:
            item = puller.fetch()
            if item is None:
                break
            yield item[0]
    finally:
        puller.unwanted.set()
        puller.thread.join()
    if puller.error is not None:
        raise puller.error


class Puller(Generic[T]):
    """The thread that pulls; `error` is what ended it, if anything did."""

    def __init__(self, items: Iterable[T], n_ready: int) -> None:
        self.items = items
        self.ready: Queue[tuple[T] | None] = Queue(n_ready)  # each in a tuple; None is the end
        self.unwanted = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.pull, name="reading ahead", daemon=True)

    def pull(self) -> None:
        try:
            self.pull_all()
        except BaseException as error:  # whatever it is, it belongs to whoever is waiting
            self.error = error
        finally:
            self.put(None)

    def pull_all(self) -> None:
        iterator = iter(self.items)
        try:
            for item in iterator:
                if not self.put((item,)):
                    return
        finally:
            # Here, not where the rest is cleared away: a generator is closed by the thread that runs it.
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def put(self, item: tuple[T] | None) -> bool:
        """Whether somebody still wants it."""
        while not self.unwanted.is_set():
            try:
                self.ready.put(item, timeout=PATIENCE)
            except Full:
                continue
            return True
        return False

    def fetch(self) -> tuple[T] | None:
        while True:
            try:
                # Never without end: a signal is only answered between two looks.
                return self.ready.get(timeout=PATIENCE)
            except Empty:
                continue
