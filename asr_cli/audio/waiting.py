"""Waiting for sound that may never come, so that whoever is asked to stop can stop waiting.

A pipe, a keyboard or a server may say nothing for hours. A signal handler calls `stop_waiting`: in the middle of such a
wait it raises `Interrupted` out of it, and anywhere else it does nothing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_thread = threading.local()  # a handler runs in the main thread, and must not mistake another one's wait for its own


class Interrupted(BaseException):
    """Somebody asked to stop while we waited for sound. No error, so nothing that catches errors may swallow it."""


@contextmanager
def waiting() -> Iterator[None]:
    """Around a call that only waits for bytes."""
    _thread.waits = True
    try:
        yield
    finally:
        _thread.waits = False


def stop_waiting() -> None:
    if getattr(_thread, "waits", False):
        raise Interrupted
