"""A live stream on a terminal: finals are plain lines that never change, and below them one dim area is drawn again and
again.

The area is erased by as many rows as it takes up now: a terminal that was made narrower meanwhile has folded it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console as Wrapper
from rich.text import Text

DIM, PLAIN, ERASE_BELOW = "\x1b[2m", "\x1b[0m", "\x1b[J"
UNKNOWN_WIDTH = 80  # columns, where a terminal says that it has none: nobody told it
MOST_ROWS = 3  # of a draft: its end is what is new
METER = "▁▂▃▄▅▆▇█"
QUIETEST, LOUDEST = -60.0, 0.0  # dBFS, the ends of the meter
N_BARS = 8
TICK = 0.1  # s; how often the meter moves


class Screen:
    """meter: asks how loud it is, in dBFS; None where nobody speaks into anything. Any thread may call."""

    def __init__(
        self, out: TextIO, *, meter: Callable[[], float] | None = None, width: Callable[[], int] | None = None
    ) -> None:
        self._out, self._meter = out, meter
        self._width = width or (lambda: os.get_terminal_size(out.fileno()).columns or UNKNOWN_WIDTH)
        self._draft = ""
        self._rows: list[str] = []  # what is drawn now
        self._levels: deque[float] = deque([QUIETEST] * N_BARS, maxlen=N_BARS)
        self._begun = self._ticked = time.monotonic()
        self._lock = threading.RLock()
        self._is_drawing = False
        self._interjected: deque[str] = deque()  # by a signal handler, in the middle of drawing

    def line(self, text: str) -> None:
        """Print a line that stays."""
        with self._lock:
            self._interjected.append(text + "\n")
            self._draw()

    def draft(self, text: str) -> None:
        """Show this as what is being said."""
        with self._lock:
            self._draft = text
            self._draw()

    def tick(self) -> None:
        """Move the meter."""
        now = time.monotonic()
        if self._meter is None or now - self._ticked < TICK:
            return
        with self._lock:
            self._ticked = now
            self._levels.append(self._meter())
            self._draw()

    def close(self) -> None:
        """Leave nothing but the lines."""
        with self._lock:
            self._draft, self._meter = "", None
            self._draw()

    def _draw(self) -> None:
        if self._is_drawing:
            return
        self._is_drawing = True
        try:
            self._redraw()
            while self._interjected:
                self._redraw()
        finally:
            self._is_drawing = False

    def _redraw(self) -> None:
        width = max(2, self._width())
        above = "".join(self._interjected.popleft() for _ in range(len(self._interjected)))
        erased = erase(self._rows, width)
        self._rows = [*tail(self._draft, width - 1), *self._status(width - 1)]
        area = "\n".join(f"{DIM}{row}{PLAIN}" for row in self._rows)
        self._out.write(erased + above + area)  # in one piece, so that it never flickers
        self._out.flush()

    def _status(self, width: int) -> list[str]:
        if self._meter is None:
            return []
        seconds = int(time.monotonic() - self._begun)
        bars = "".join(bar(level) for level in self._levels)
        return [f"● {seconds // 60:02}:{seconds % 60:02}  {bars}  Ctrl-C stops"[:width]]


def erase(rows: list[str], width: int) -> str:
    """What clears the rows, with the cursor behind the last of them, and puts it where the first began."""
    n_rows = sum(max(1, -(-cell_len(row) // width)) for row in rows)
    if not n_rows:
        return ""
    up = f"\x1b[{n_rows - 1}A" if n_rows > 1 else ""
    return f"\r{up}{ERASE_BELOW}"


def tail(text: str, width: int) -> list[str]:
    """The last rows of a text, none wider than `width` columns; a wide character is never cut in two.

    >>> tail("one two three four", 9), tail("你好世界", 5), tail("", 5)
    (['one two', 'three', 'four'], ['你好', '世界'], [])
    """
    if not text:
        return []
    # Control characters would move the cursor, and who knows what a vocabulary holds.
    clean = "".join(character for character in text if character.isprintable())
    rows = [row.plain.rstrip() for row in Text(clean).wrap(Wrapper(width=width, file=NOWHERE), width)]
    return rows[-MOST_ROWS:]


def bar(level: float) -> str:
    """
    >>> bar(-90.0), bar(-30.0), bar(0.0)
    ('▁', '▅', '█')
    """
    share = (min(max(level, QUIETEST), LOUDEST) - QUIETEST) / (LOUDEST - QUIETEST)
    return METER[min(len(METER) - 1, int(share * len(METER)))]


class Nowhere:
    """A file for a console that only measures."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


NOWHERE: TextIO = Nowhere()  # type: ignore[assignment]
