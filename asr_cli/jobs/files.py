"""How many files a process may have open: shells give 1024, macOS 256, and a worker has many recordings in hand."""

import sys
from types import ModuleType

resource: ModuleType | None = None
if sys.platform != "win32":
    import resource

ENOUGH = 10_240  # and more than that macOS refuses
WITHOUT = 512  # where nobody says: what Windows' runtime gives
RESERVE = 128  # libraries, models, pipes
FOR_READING = 8  # a decoder's pipes
FOR_WAITING = 2  # beside its results


def most_files() -> int:
    """How many files a process of ours may have open once it has asked."""
    if resource is None:
        return WITHOUT
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)


def ask_for_files() -> None:
    """Raise this process's limit as far as it may be raised."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files(), hard))


def most_in_hand(n_reading: int, n_formats: int) -> tuple[int, int]:
    """How many recordings a worker can be reading, at most so many, and how many it can have in hand."""
    room = most_files() - RESERVE
    n_reading = max(1, min(n_reading, room // 2 // FOR_READING))
    return n_reading, max(1, (room - n_reading * FOR_READING) // (n_formats + FOR_WAITING))
