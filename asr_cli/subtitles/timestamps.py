"""Seconds as the formats spell them, in whole ticks of a clock."""

from dataclasses import dataclass


@dataclass(slots=True)
class Ticker:
    """Rounds times to a format's clock so that no span becomes empty and none overlaps the one before it."""

    per_second: int = 1000
    last: int = 0

    def span(self, start: float, end: float) -> tuple[int, int]:
        """The ticks of a span that starts no earlier than the last one ended."""
        begin = max(round(start * self.per_second), self.last)
        self.last = max(round(end * self.per_second), begin + 1)
        return begin, self.last


def parts(ticks: int, per_second: int) -> tuple[int, int, int, int]:
    minutes, seconds = divmod(ticks // per_second, 60)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, seconds, ticks % per_second


def timestamp(milliseconds: int, *, point: str = ".") -> str:
    """Hours as wide as they need to be, two digits at least.

    >>> timestamp(3_661_500, point=","), timestamp(360_000_000)
    ('01:01:01,500', '100:00:00.000')
    """
    hours, minutes, seconds, rest = parts(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"


def short_timestamp(milliseconds: int) -> str:
    """Without the hours that are not there.

    >>> short_timestamp(61_500), short_timestamp(3_661_500)
    ('01:01.500', '01:01:01.500')
    """
    return timestamp(milliseconds).removeprefix("00:")


def ass_timestamp(centiseconds: int) -> str:
    hours, minutes, seconds, rest = parts(centiseconds, 100)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{rest:02d}"


def lrc_timestamp(centiseconds: int) -> str:
    """Minutes run on past the hour.

    >>> lrc_timestamp(366_150)
    '61:01.50'
    """
    hours, minutes, seconds, rest = parts(centiseconds, 100)
    return f"{60 * hours + minutes:02d}:{seconds:02d}.{rest:02d}"
