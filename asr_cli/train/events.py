"""What a training run tells while it goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Started:
    """It begins, or goes on after `step`. seconds: of audio to learn from. unit: what the utterances are called, which
    may be something else. n_skipped: what cannot be used.

    device: where, in words; n_parameters: trained ones.
    """

    step: int
    n_utterances: int
    unit: str
    n_valid: int
    n_skipped: int
    seconds: float
    n_tokens: int | None
    n_parameters: int
    device: str
    n_processes: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step of the optimizer. audio: seconds heard in it, on all devices; elapsed: since the run began, with what
    came before it was interrupted; left: seconds that are still to come, where somebody can tell."""

    step: int
    epoch: int
    loss: float
    parts: Mapping[str, float]
    learning_rate: float
    gradient: float
    audio: float
    elapsed: float
    left: float | None
    total_steps: int | None
    is_skipped: bool = False


@dataclass(frozen=True, slots=True)
class Validated:
    """What the weights are worth on data they have not seen. rate: errors for each unit; metric: what that is
    called, CER or WER or another; parts: what else is known of the errors."""

    step: int
    loss: float
    rate: float
    metric: str
    parts: Mapping[str, float]
    is_best: bool
    sample: tuple[str, str]  # as it should be and as it was found, of one utterance


@dataclass(frozen=True, slots=True)
class Saved:
    """The run can go on from here."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Finished:
    """It is over. model: the folder that came of it; None where it was stopped before its end. use: the command that it
    is for, with "{}" where the folder stands.

    why: "steps", "epochs", "hours", "patience" or "stopped".
    """

    step: int
    why: str
    model: Path | None
    rate: float | None
    metric: str
    n_averaged: int
    use: str


Event = Started | Stepped | Validated | Saved | Finished
