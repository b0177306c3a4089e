"""What can be wrong with a subtitle file."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """An error breaks a rule of the format or of time; a warning is a matter of style.

    cue: its number in the file, from 1; 0 is the file itself.
    """

    code: str
    severity: Literal["error", "warning"]
    cue: int
    message: str


def error(code: str, cue: int, message: str) -> Problem:
    return Problem(code, "error", cue, message)


def warning(code: str, cue: int, message: str) -> Problem:
    return Problem(code, "warning", cue, message)
