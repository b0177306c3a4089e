"""What voice activity detection learns from: recordings, and where in them somebody speaks.

T frames of 10 ms.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE
from asr_cli.errors import AsrError, InputError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.jobs.manifest_item import Item
from asr_cli.jobs.manifest_kaldi import read_scp, span
from asr_cli.jobs.manifest_lines import lines, place_of, text_of
from asr_cli.models.folder import NORMS, file_of
from asr_cli.models.write_folder import mvn
from asr_cli.train.config import Run
from asr_cli.train.data.augment import Augmenter, faster, read_samples
from asr_cli.train.data.corpus import Recordings
from asr_cli.train.data.lists import Listed, Skipped, measured, no_command, number, read_table
from asr_cli.train.data.material import Counted
from asr_cli.train.data.norms import measure, stacked
from asr_cli.train.data.transcripts import MVN
from asr_cli.train.task import FRAME_SECONDS, Delivered
from asr_cli.train.tasks.detector import DetectorTask, Window, WindowBatch, build
from asr_cli.vad.fsmn import STACK

N_MELS = 80
AHEAD = STACK // 2 * FRAME_SECONDS  # seconds behind a window that its last frame hears
MIDDLE = 0.0125  # of a frame's 25 ms
BEYOND = 0.5  # seconds that a segment may go on after its recording, as rounded times do

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """A record: speech holds where somebody speaks, in order, none of them touching another."""

    key: str
    source: str
    seconds: float
    speech: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """An item: a window's place in its recording, in seconds."""

    recording: Recording
    start: float
    end: float

    @property
    def key(self) -> str:
        return f"{self.recording.key}@{self.start:.2f}"

    @property
    def source(self) -> str:
        return self.recording.source

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def size(self) -> float:
        return self.seconds


class SpeechSpans:
    """The Material of FSMN-VAD: Kaldi folders whose segments are where somebody speaks."""

    unit = "windows"
    use = "asr vad --vad-model {} FILE"
    n_numbers = 4  # frames: of speech, missed of these, of silence, taken for speech of these
    n_tokens: int | None = None

    def __init__(self, run: Run, settings: Mapping[str, Any]) -> None:
        self.run, self.settings, self.config = run, settings, run.recipe.train

    @property
    def batch_size(self) -> float:
        return self.config.batch_seconds

    def read(self, names: Sequence[str]) -> tuple[list[Recording], list[Skipped]]:
        found: dict[str, Recording] = {}
        skipped: list[Skipped] = []
        for name in names:
            listed, speech = read_folder(name)
            known, missing = measured(listed, normalize=False)
            skipped += missing
            for one in known:
                if one.key in found:
                    raise UsageError(
                        f"the recording {one.key!r} is there twice, again in {name!r}; give each its own id"
                    )
                spans = ((start, one.seconds if math.isinf(end) else end) for start, end in speech.get(one.key, ()))
                found[one.key] = Recording(one.key, one.source, one.seconds, tuple(spans))
        return list(found.values()), skipped

    def begin(self, train: Sequence[Recording]) -> None:
        """Mean and variance: the checkpoint's, or those of the data."""
        if not any(one.speech for one in train):
            raise UsageError(
                f"nobody speaks in {', '.join(map(repr, self.run.data))}: no recording has a line in segments; say"
                " there where somebody speaks"
            )
        if self.run.init is not None:
            cmvn = Cmvn.from_file(file_of(self.run.init, NORMS))
        else:
            places = Recordings(self.items(train), sample_rate=SAMPLE_RATE, n_mels=N_MELS)
            cmvn = stacked(*measure(places, self.config.cmvn_hours, self.config.seed), STACK)
        (self.run.out / MVN).write_text(mvn(cmvn), encoding="utf-8")

    def build(self) -> DetectorTask:
        cmvn = Cmvn.from_file(self.run.out / MVN)
        return build(self.settings, self.run.described, cmvn, self.run.init)

    def refusal(self, record: Recording, task: DetectorTask) -> str | None:
        if record.seconds < self.config.min_seconds:
            return f"it is {record.seconds:.2f} s long, less than {self.config.min_seconds:g}"
        if record.speech and record.speech[-1][1] > record.seconds + BEYOND:
            return f"somebody speaks in it up to {record.speech[-1][1]:.2f} s, and it is {record.seconds:.2f} s long"
        return None

    def record(self, values: Mapping[str, Any]) -> Recording:
        return Recording(**{**values, "speech": tuple((start, end) for start, end in values["speech"])})

    def items(self, records: Sequence[Recording]) -> list[Place]:
        """Each recording in windows of the same length, none longer than max_seconds."""
        return [
            Place(one, i * one.seconds / n, (i + 1) * one.seconds / n)
            for one in records
            for n in [math.ceil(one.seconds / self.config.max_seconds)]
            for i in range(n)
        ]

    def corpus(self, task: DetectorTask, items: Sequence[Place], *, by_chance: bool) -> "Windows":
        # What hides stripes of a spectrum hides speech, whose label would stay: that is for recognisers.
        augmenter = Augmenter(self.config.augment, torch.zeros(N_MELS)) if by_chance else None
        return Windows(items, task.n_past * FRAME_SECONDS, seed=self.config.seed, augmenter=augmenter)

    def metric(self, items: Sequence[Place]) -> str:
        return "FER"

    def count(self, task: DetectorTask, batch: WindowBatch, delivered: Delivered) -> Counted:
        said = task.margins(task.net, batch) > 0
        speech, counts = batch.labels > 0, batch.counts
        of_speech, of_silence = speech & counts, ~speech & counts
        numbers = of_speech, of_speech & ~said, of_silence, of_silence & said
        first = counts[0]
        return Counted([float(one.sum()) for one in numbers], (spelled(speech[0][first]), spelled(said[0][first])))

    def rate(self, numbers: Sequence[float]) -> tuple[float, dict[str, float]]:
        """The share of frames that are taken for what they are not."""
        n_speech, n_missed, n_silence, n_false = numbers
        parts = {"missed": n_missed / max(n_speech, 1.0), "false alarm": n_false / max(n_silence, 1.0)}
        return (n_missed + n_false) / max(n_speech + n_silence, 1.0), parts

    def write(self, task: DetectorTask, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        task.write(folder, tensors)


class Windows(Recordings):
    """Windows with what their first frame hears of the past. By chance (where there is an augmenter), all but a
    recording's first are somewhere else each epoch."""

    def __init__(self, places: Sequence[Place], past: float, *, seed: int, augmenter: Augmenter | None) -> None:
        super().__init__(places, sample_rate=SAMPLE_RATE, n_mels=N_MELS, seed=seed, augmenter=augmenter)
        self.past = past

    def __getitem__(self, place: tuple[int, int]) -> Window | Skipped:
        epoch, index = place
        one = self.pieces[index]
        chance = self.chance(epoch, one.key)
        start, whole = one.start, one.recording.seconds
        if self.augmenter is not None and start > 0:
            start = chance.uniform(0.0, whole - one.seconds)
        before, end = max(0.0, start - self.past), start + one.seconds
        try:
            samples = read_samples(one.source, before, min(whole, end + AHEAD))
        except AsrError as error:
            return Skipped(one.recording.key, str(error))
        speed = 1.0
        if self.augmenter is not None:
            speed = chance.choice(self.augmenter.config.speed)
            samples = self.augmenter.elsewhere(faster(samples, speed), chance)
        features = self.heard(samples)
        times = before + (torch.arange(len(features)) * FRAME_SECONDS + MIDDLE) * speed
        counts = (times >= start) & (times < end)
        if not counts.any():
            return Skipped(one.recording.key, "it is shorter than one frame, or shorter than it says")
        return Window(one.key, features, labels(times, one.recording.speech), counts)


def labels(times: Tensor, speech: Sequence[Span]) -> Tensor:
    """1 where somebody speaks at these times (T,), else 0."""
    if not speech:
        return torch.zeros(len(times))
    # How many of beginnings and ends lie before: between the two of a stretch that is odd.
    borders = torch.tensor([border for span in speech for border in span])
    return (torch.searchsorted(borders, times, right=True) % 2).float()


def spelled(active: Tensor) -> str:
    """Frames (T,) as stretches, in seconds from the first of them."""
    found, at = [], 0
    for is_speech, run in groupby(active.tolist()):
        n_frames = len(list(run))
        if is_speech:
            found.append(f"{at * FRAME_SECONDS:.2f}-{(at + n_frames) * FRAME_SECONDS:.2f}")
        at += n_frames
    return " ".join(found) or "silence"


def read_folder(name: str) -> tuple[list[Listed], dict[str, list[Span]]]:
    """The recordings of a Kaldi folder, and where somebody speaks in them."""
    folder = Path(name)
    if not os.path.isdir(name) or not (folder / "wav.scp").is_file():  # noqa: PTH112
        raise InputError(
            f"{name!r} is no Kaldi folder; name one with a wav.scp, and with segments that say where somebody speaks"
        )
    if (folder / "text").is_file() and not (folder / "segments").is_file():
        raise InputError(
            f"{name!r} says what is said and not where: a VAD is trained with segments (id, recording, start, end);"
            " recordings without any are taken for noise"
        )
    durations = read_table(folder / "reco2dur") if (folder / "reco2dur").is_file() else {}
    items = list(map(no_command, read_scp(str(folder / "wav.scp"), allow_pipes=True)))
    speech = read_segments(folder / "segments", items) if (folder / "segments").is_file() else {}
    return [Listed(item, "", number(durations.get(item.key))) for item in items], speech


def read_segments(path: Path, items: Iterable[Item]) -> dict[str, list[Span]]:
    known = {item.key for item in items}
    found: dict[str, list[Span]] = {}
    for n_line, line in lines(str(path)):
        origin = place_of(str(path), n_line)
        fields = [text_of(field) for field in line.split()]
        if len(fields) != 4:
            raise UsageError(f"{origin}: {len(fields)} columns; a line of segments is: utterance recording start end")
        _, recording, *times = fields
        if recording not in known:
            raise UsageError(f"{origin}: there is no recording {recording!r}; check that the wav.scp beside it fits")
        start, end = span(times[0], times[1], origin)
        found.setdefault(recording, []).append((start, math.inf if end is None else end))
    return {key: merged(spans) for key, spans in found.items()}


def merged(spans: Iterable[Span]) -> list[Span]:
    """
    >>> merged([(3.0, 4.0), (0.0, 1.0), (0.5, 2.0)])
    [(0.0, 2.0), (3.0, 4.0)]
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
