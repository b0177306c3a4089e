"""What a batch and its workers say to each other. Light: whoever only dispatches loads neither torch nor numpy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asr_cli.jobs.manifest import Item
from asr_cli.jobs.plan import Target
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.subtitles.output import Layout

DONE, NO_SPEECH, FAILED, INTERRUPTED = "done", "no_speech", "failed", "interrupted"
COMPLETE = (DONE, NO_SPEECH)
CHANGED = "E-CHANGED"  # the code of a recording that was not the same from beginning to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a worker is to be.

    n_at_once: how many recordings it has in hand. n_reading: how many of them are being decoded. n_formats: how many
    files are written of each.
    """

    models: ModelOptions
    reading: ReadOptions
    layout: Layout
    n_at_once: int
    n_reading: int
    n_formats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A recording to be transcribed.

    known: what was recognised of it before: the segment of each utterance as JSON, by its place. spent: seconds of work
    on that. again: given out before in this run.
    upload: the address of the directory that the targets are to be copied to, if they are not where they belong.
    """

    number: int
    item: Item
    targets: tuple[Target, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    spent: float = 0.0
    again: bool = False
    upload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a recording ended. Times in seconds; text, tokens, times and score are lines for Kaldi-style files.

    work: what it took of a recogniser's time and, for everything else, of a processor's; waiting for others is none.
    recalled: how much of the duration an earlier run had recognised. n_suspect: segments whose text is doubtful.
    fatal: the next recording would fare alike, so the batch should stop.
    """

    status: str
    duration: float = 0.0
    work: float = 0.0
    recalled: float = 0.0
    n_segments: int = 0
    n_suspect: int = 0
    text: str = ""
    tokens: str = ""
    times: str = ""
    score: str = ""
    code: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    fatal: bool = False

    @property
    def rate(self) -> float:
        """How many seconds of it a second of work did."""
        return self.duration / max(self.work, 1e-9)


@dataclass(frozen=True, slots=True)
class Ready:
    """The models are loaded; their names."""

    model: str
    vad: str | None
    punc: str | None


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance is recognised.

    place: its key in the journal. segment: JSON. end: seconds into the recording. work: seconds, as of a `Result`.
    """

    number: int
    place: str
    segment: str
    end: float
    work: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A recording is through, one way or another."""

    number: int
    result: Result


@dataclass(frozen=True, slots=True)
class Said:
    """Something worth telling that belongs to no recording."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The worker cannot be what it should: an `AsrError`, by its class's name."""

    kind: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker's process is gone, perhaps with its machine. last_words: what it said at the end."""

    last_words: str
    with_machine: bool = False


Event = Ready | Heard | Ended | Said | Unfit | Lost
