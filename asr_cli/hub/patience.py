"""How long to bear with a hub that is busy or breaks off."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from asr_cli.errors import DownloadError

log = logging.getLogger("asr")

WAITS = (0.5, 1, 2, 4, 8, 16)  # seconds before each further try
LONGEST_WAIT = 300.0  # a hub that asks for more is told of instead
BUSY = (408, 425, 429, 500, 502, 503, 504)

T = TypeVar("T")


class BusyError(Exception):
    """A hub that may well answer later. seconds: what it asks for, if it does."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Patience:
    """Tries in a row that brought nothing."""

    def __init__(self) -> None:
        self._n_tries = 0

    def renew(self) -> None:
        self._n_tries = 0

    def wait(self, trouble: BusyError) -> None:
        """Sleep before the next try; raise when there should be none."""
        if self._n_tries >= len(WAITS):
            raise DownloadError(f"{trouble}, {self._n_tries} times; try again later") from trouble
        if trouble.seconds is not None and trouble.seconds > LONGEST_WAIT:
            raise DownloadError(f"{trouble} and asks to come back in {trouble.seconds:.0f} s") from trouble
        seconds = WAITS[self._n_tries] if trouble.seconds is None else trouble.seconds
        self._n_tries += 1
        if seconds >= 1:
            log.info("%s; trying again in %.0f s", trouble, seconds)
        time.sleep(seconds)


def patiently(question: Callable[[], T]) -> T:
    """The answer to a question that may be asked again."""
    patience = Patience()
    while True:
        try:
            return question()
        except BusyError as trouble:
            patience.wait(trouble)


def retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After header.

    >>> retry_after("120"), retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), retry_after("soon"), retry_after(None)
    (120.0, 0.0, None, None)
    >>> retry_after("²") is None
    True
    """
    from email.utils import parsedate_to_datetime

    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):  # a date that no calendar has
        return None
