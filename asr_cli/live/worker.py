"""A thread that recognises, and whether it keeps up."""

import logging
import threading
from abc import ABC, abstractmethod

from asr_cli.live.talk import Talk

log = logging.getLogger("asr")

BEHIND = 5.0  # s that speech has waited to become final, beyond which nothing else is done
CAUGHT_UP = 1.0  # s that it may wait when drafts are made again: with many streams there is always some that waits
IDLE = 1.0  # s; how long a thread sleeps at most before it looks again


class Worker(ABC):
    """A thread that does `work` whenever there may be something to do; what goes wrong in it is for others to raise."""

    def __init__(self, name: str) -> None:
        self.failure: BaseException | None = None
        self.changed = threading.Condition()
        self.is_stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def work(self) -> float | None:
        """Do what there is to do; 0 to be called again at once, or seconds to wait if nothing changes."""

    @abstractmethod
    def has_news(self) -> bool:
        """Whether something has come since `work` looked."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self.changed:
            self.is_stopped = True
            self.changed.notify_all()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self.is_stopped:
                pause = self.work()
                if pause != 0:
                    self._sleep(IDLE if pause is None else pause)
        except BaseException as error:
            self.failure = error

    def _sleep(self, seconds: float) -> None:
        with self.changed:
            if not self.is_stopped and not self.has_news():
                self.changed.wait(min(seconds, IDLE))


def judged(was_behind: bool, waits: float, talk: Talk, what: str) -> bool:
    """Whether recognition is behind now, by how many seconds speech has waited; said when that changes."""
    if waits > BEHIND and not was_behind:
        if talk.stats.is_paced:
            log.warning("recognition is %.0f s behind: %s until it has caught up", waits, what,
                        extra={"code": "W-BEHIND"})  # fmt: skip
        return True
    if waits <= CAUGHT_UP and was_behind:
        if talk.stats.is_paced:
            log.info("recognition has caught up")
        return False
    return was_behind
