"""Ctrl-C and SIGTERM."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from asr.console import Console
from asr.main import INTERRUPTED


@contextmanager
def stopping(
    console: Console, what: str = "stopping after the current segment (again: at once)", *, waits: bool = False
) -> Iterator[threading.Event]:
    """Ctrl-C or SIGTERM finishes what is in hand; a second one ends at once, and the journal has the rest.

    waits: for sound, too, where it comes from recordings and what is in hand needs it.
    """
    from asr_cli.audio.source import remove_temporary
    from asr_cli.audio.waiting import stop_waiting

    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        if stop.is_set():
            remove_temporary()
            os._exit(INTERRUPTED)
        stop.set()
        console.notice(what)
        if not waits:
            stop_waiting()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        if not stop.is_set():  # while we leave, a second Ctrl-C still means: at once
            for number, handler in before.items():
                signal.signal(number, handler)
