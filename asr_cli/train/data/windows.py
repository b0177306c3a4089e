"""What Whispers learn from: windows of sound, with utterances one after the other in them, whole or cut, or nothing.

N samples at 16 kHz, M mel bins, T frames of 10 ms.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

from asr_cli.audio import SAMPLE_RATE
from asr_cli.errors import AsrError
from asr_cli.synthesis.scenes import hiss, hum, knocks, music, tones
from asr_cli.train.data.augment import Augmenter, faster, read_samples
from asr_cli.train.data.laid import Laid, Said, Spoken
from asr_cli.train.data.lists import Skipped
from asr_cli.train.tasks.whisper import NO_TARGET, Heard
from asr_cli.train.tasks.whisper_alignment import Aligned
from asr_cli.train.tasks.whisper_folder import Conf, make_features
from asr_cli.train.tasks.whisper_tokens import TIME_STEP, Ids, encoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FRAME = SAMPLE_RATE // 100
# How full windows are to be, in turn
SHORT = (1 / 3, 2 / 3, 1.0)  # for who has learned nothing, and learns from short ones,
FULL = (1 / 3, 1.0, 1.0)  # and for others: long recordings come in full ones
ROOM = 0.3  # seconds that an utterance takes beside its own
TRIES = 50  # utterances, until one is let into a window for shorter ones
PAUSE = 0.4  # seconds between utterances, the mean of what chance draws; what is measured on has ROOM
# Of the windows that are learned from, how many
TIMED = 0.5  # have times,
SILENT = 0.04  # no speech,
BEGUN = 0.2  # begin inside an utterance,
CUT = 0.3  # end inside of one,
TOLD = 0.2  # come with what was said before,
HISSING = 0.3  # and have noise in their pauses.
LEAST_CUT = 0.6  # seconds, of an utterance that a window ends in
NOISES = (hiss, hum, knocks, music, tones)


@dataclass(frozen=True, slots=True)
class Place:
    """An item: utterances, by their numbers, that share a window; seconds: how much of it they may fill."""

    key: str
    utterances: tuple[int, ...]
    seconds: float

    @property
    def size(self) -> float:
        return self.seconds


def packed(
    seconds: Sequence[float],
    order: Sequence[int],
    window: float,
    n_windows: int | None,
    fill: Sequence[float] = SHORT,
) -> list[Place]:
    """Utterances laid into windows, in that order as nearly as they fit: so many windows, or as many as hold each.

    fill: how full they are to be, in turn.
    """
    found: list[Place] = []
    waiting: deque[int] = deque()
    ahead: Iterator[int] = cycle(order) if n_windows else iter(order)
    while len(found) != n_windows:
        limit = fill[len(found) % len(fill)] * window
        laid: list[int] = []
        left = limit
        for _ in range(TRIES):
            one = waiting[0] if waiting and seconds[waiting[0]] + ROOM <= left else next(ahead, None)
            if one is None:
                break
            if waiting and one == waiting[0]:
                waiting.popleft()
            elif seconds[one] + ROOM > left:
                waiting.append(one)
                if laid:
                    break
                continue
            laid.append(one)
            left -= seconds[one] + ROOM
        if not laid and waiting:
            laid, limit = [waiting.popleft()], window
        if not laid:
            break
        found.append(Place(f"window-{len(found):06d}", tuple(laid), limit))
    return found


class Windows(Dataset[Heard | Skipped]):
    """Windows as examples, asked for by (epoch, number). By chance, other utterances share them each epoch, and all
    that happens to them depends on seed, epoch and number alone."""

    def __init__(
        self,
        places: Sequence[Place],
        utterances: Sequence[Spoken],
        conf: Conf,
        tokenizer: "Tokenizer",
        ids: Ids,
        *,
        seed: int = 0,
        augmenter: Augmenter | None = None,
        fill: Sequence[float] = SHORT,
    ) -> None:
        self.places, self.utterances, self.conf, self.ids = places, utterances, conf, ids
        self.tokenizer, self.seed, self.augmenter, self.fill = tokenizer, seed, augmenter, fill
        self.features = make_features(conf)
        self.seconds = [one.seconds for one in utterances]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: tuple[int, int]) -> Heard | Skipped:
        epoch, index = place
        if self.augmenter is None:
            return self.made(self.places[index], None)
        chance = random.Random(f"{self.seed}/{epoch}/{index}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(chance.getrandbits(60))  # noises draw from it
            return self.made(plan(self, epoch)[index], chance)

    def made(self, place: Place, chance: random.Random | None) -> Heard | Skipped:
        """chance: None for what is measured on."""
        laid = self.laid(place, chance)
        return laid if isinstance(laid, Skipped) else self.example(place, laid, chance)

    def laid(self, place: Place, chance: random.Random | None) -> Laid | Skipped:
        found = Laid(round(place.seconds * SAMPLE_RATE))
        if chance is not None and chance.random() < SILENT:
            found.samples += nothing(len(found.samples), chance)
            return found
        slack = place.seconds - sum(self.seconds[one] for one in place.utterances)
        for i, number in enumerate(place.utterances):
            one = self.utterances[number]
            try:
                samples = read_samples(one.source, one.start, one.end)
            except AsrError as error:
                return Skipped(one.key, str(error))
            speed, begin, pause = 1.0, 0, ROOM / 2
            if chance is not None and self.augmenter is not None:
                speed = chance.choice(self.augmenter.config.speed)
                samples = faster(samples, speed)
                pause = min(chance.expovariate(1 / PAUSE), max(slack, 0.0))
                slack -= pause
                if i == 0 and chance.random() < BEGUN and len(one.words) > 1:
                    begin = chance.randrange(1, len(one.words))
            found.wait(pause)
            found.say(samples, one, speed, begin)
        if chance is not None and chance.random() < CUT:
            self.end_inside(found, chance)
        if chance is not None and chance.random() < HISSING:
            found.samples += torch.randn(len(found.samples)) * 10 ** (chance.uniform(-75, -45) / 20)
        return found

    def aligned(self, number: int) -> Aligned | None:
        """A window that is measured on, if all its words' times are known."""
        laid = self.laid(self.places[number], None)
        if isinstance(laid, Skipped) or not laid.words:
            return None
        one, head = self.example(self.places[number], laid, None), self.ids.head(times=False)
        times = [(word.start, word.end or word.start) for word in laid.words for _ in self.encoded(word.text)]
        return Aligned(one.features, one.ids, len(head), times) if len(times) == len(one.ids) - len(head) else None

    def end_inside(self, laid: Laid, chance: random.Random) -> None:
        """Somebody begins to speak before the window ends."""
        laid.wait(chance.uniform(0.1, 0.5))
        one = self.utterances[chance.randrange(len(self.utterances))]
        if laid.left < LEAST_CUT or not one.words:
            return
        try:
            samples = read_samples(one.source, one.start, one.end)
        except AsrError:
            return
        laid.say(samples, one, 1.0, 0)

    def example(self, place: Place, laid: Laid, chance: random.Random | None) -> Heard:
        samples = laid.samples
        if chance is not None and self.augmenter is not None:
            samples = self.augmenter.elsewhere(samples, chance)
        made = self.features(samples.numpy(), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        features: Tensor = made["input_features"][0]
        n_frames = min(-(-len(samples) // FRAME), features.shape[1])
        if chance is not None and self.augmenter is not None:
            shown = self.augmenter.features(features[:, :n_frames].T, chance).T
            features = torch.cat([shown, features[:, n_frames:]], dim=1)
        heard = " ".join(laid.heard)
        before = self.before(chance) if chance is not None and chance.random() < TOLD else ()
        ids = (*before, *self.spelled(laid.said, times=chance is not None and chance.random() < TIMED), self.ids.end)
        ids = ids[: self.conf.max_target_positions + 1]
        labels = [*[NO_TARGET] * len(before), *ids[len(before) + 1 :]]
        if not laid.said:
            labels[len(before)] = self.ids.no_speech
        letters = tuple(heard.encode())
        return Heard(place.key, features, n_frames, ids[:-1], tuple(labels), letters, self.frames(laid.words), heard)

    def frames(self, words: Sequence[Said] | None) -> Tensor | None:
        """Which letter each of the encoder's frames (F,) is a part of, 0 for none: those of a word share its time."""
        if words is None:
            return None
        found = torch.zeros(self.conf.max_source_positions, dtype=torch.long)
        for one in words:
            assert one.end is not None
            letters, seconds = one.text.encode(), one.end - one.start
            borders = [round((one.start + seconds * i / len(letters)) / TIME_STEP) for i in range(len(letters) + 1)]
            for letter, (begin, end) in zip(letters, pairwise(borders), strict=True):
                found[begin:end] = 1 + letter
        return found

    def encoded(self, text: str) -> tuple[int, ...]:
        return encoded(self.tokenizer, text)

    def before(self, chance: random.Random) -> tuple[int, ...]:
        """What was said before: of any length that there is room for, as it grows when a recording goes on."""
        n = chance.randint(1, self.conf.max_target_positions // 2 - 1)
        said: tuple[int, ...] = ()
        for _ in range(n):  # a teacher may have heard nothing in some
            if len(said) >= n:
                break
            said = (*self.encoded(self.utterances[chance.randrange(len(self.utterances))].text), *said)
        return (self.ids.before, *said[-n:])

    def spelled(self, said: Sequence[Said], *, times: bool) -> tuple[int, ...]:
        found = [*self.ids.head(times=times)]
        if times and not said:
            found.append(self.ids.times)
        for one in said:
            if not times:
                found += self.encoded(one.text)
            elif one.end is None:
                # What a window ends in is said by the next one, which begins there.
                found.append(self.ids.time(one.start, self.conf.window))
            else:
                start, end = (self.ids.time(time, self.conf.window) for time in (one.start, one.end))
                found += [start, *self.encoded(one.text), end]
        return tuple(found)


def nothing(n_samples: int, chance: random.Random) -> Tensor:
    """Silence, or what is no speech."""
    if chance.random() < 0.2:
        return torch.zeros(n_samples)
    sound = sum((make(n_samples, chance) for make in chance.sample(NOISES, chance.randint(1, 2))), torch.zeros(1))
    assert isinstance(sound, Tensor)
    return sound / sound.abs().max().clamp_min(1e-6) * 10 ** (chance.uniform(-60, -3) / 20)


@lru_cache(2)
def plan(windows: Windows, epoch: int) -> list[Place]:
    """The windows of an epoch: as full as those that are listed, with other utterances in them."""
    order = list(range(len(windows.utterances)))
    random.Random(f"windows/{windows.seed}/{epoch}").shuffle(order)
    return packed(windows.seconds, order, windows.conf.window, len(windows.places), windows.fill)
