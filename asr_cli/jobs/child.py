"""A worker in a process of its own: pickled tasks in on standard input, pickled events out on standard output.

A plain program rather than multiprocessing: that would run the caller's main module again, and would leave children
behind when the parent is killed. This one ends as soon as its input does, however the parent ended.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, BinaryIO

from asr_cli.errors import AsrError
from asr_cli.jobs.files import ask_for_files
from asr_cli.jobs.messages import Event, Lost, Ready, Setup, Task, Unfit

if TYPE_CHECKING:
    from asr_cli.jobs.worker import Worker

STOP, CLOSE = "stop", "close"
LAST_WORDS = 20  # lines
PATIENCE = 10.0  # s for a child that was told to end


class Child:
    """The parent's end. tell: called from a thread of its own with each event, `Lost` being the last."""

    def __init__(self, setup: Setup, tell: Callable[["Child", Event], None]) -> None:
        self._tell = tell
        self._said: deque[str] = deque(maxlen=LAST_WORDS)
        self._process = subprocess.Popen(
            # -P: a file called numpy.py in the user's folder is not to be imported.
            [sys.executable, "-P", "-m", "asr_cli.jobs.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            # Ctrl-C goes to the terminal's whole process group, and what to do about it is the parent's to decide.
            process_group=0,
        )
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._listen, self._listen_to_stderr)
        ]
        self._send(setup)
        for thread in self._threads:
            thread.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def give(self, task: Task) -> None:
        self._send(task)

    def stop(self) -> None:
        """Have it finish what is being recognised, and nothing else."""
        self._send(STOP)

    def close(self) -> None:
        """End it: in good order if it can, at once if it must."""
        self._send(CLOSE)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        for thread in self._threads:
            thread.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # who listens no more is lost, and whoever reads its events is told
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):  # half a message is none
            while True:
                self._tell(self, pickle.load(self._process.stdout))
        code = self._process.wait()
        self._threads[1].join(PATIENCE)
        self._tell(self, Lost(f"{how_it_ended(code)}{': ' if self._said else ''}{' '.join(list(self._said)[-1:])}"))

    def _listen_to_stderr(self) -> None:
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):
            for line in self._process.stderr:
                if text := line.decode("utf-8", "replace").strip():
                    self._said.append(text)


def how_it_ended(code: int) -> str:
    """
    >>> how_it_ended(-9), how_it_ended(3)
    ('killed by SIGKILL', 'ended with exit code 3')
    """
    if code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def serve(into: BinaryIO, out: IO[bytes]) -> None:
    """The child's end, until the input ends or says so."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            try:
                pickle.dump(event, out)
                out.flush()
            except OSError:  # nobody is there any more to hear it
                os._exit(1)

    setup: Setup = pickle.load(into)
    worker = begin(setup, tell)
    if worker is None:
        return
    while True:
        try:
            message = pickle.load(into)
        except (EOFError, pickle.UnpicklingError):  # the parent is gone: what is in hand, its successor does again
            os._exit(1)
        if message == CLOSE:
            break
        if message == STOP:
            worker.stop()
        else:
            worker.take(message)
    worker.close()


def begin(setup: Setup, tell: Callable[[Event], None]) -> "Worker | None":
    """A worker that has said it is ready; None if it has said that it cannot be."""
    try:
        from asr_cli.jobs.worker import Worker

        ask_for_files()
        worker = Worker(setup, tell)
    except AsrError as error:
        kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == "asr_cli.errors")
        tell(Unfit(kind, error.code, str(error)))
        return None
    tell(Ready(worker.session.card.name, worker.session.vad_name, worker.session.punc_name))
    return worker


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what to do about them is the parent's to decide
    # Whatever prints must not end up among the events.
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, events)
