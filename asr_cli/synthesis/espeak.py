"""espeak-ng as a library: no program to start for every sentence, and words come with their times."""

import ctypes
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from asr_cli.errors import UsageError
from asr_cli.synthesis.reading import Reading, Voice, library, trimmed

LIBRARY = "libespeak-ng.so.1"
SYNCHRONOUS, WITH_PHONEMES = 2, 1
RATE, PITCH, RANGE = 1, 3, 4  # parameters
BY_CHARACTER, UTF8 = 1, 1
LIST_END, WORD, PHONEME = 0, 1, 7  # events
WORDS_PER_MINUTE = 170  # what a speed of 1 is


class Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h; `name` is the first member of its union that we look at."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # of the first character, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


class Espeak:
    """libespeak-ng, which holds one speaker and one sentence at a time for the whole process."""

    def __init__(self) -> None:
        self.library = library(LIBRARY, "espeak-ng")
        self.rate = self.library.espeak_Initialize(SYNCHRONOUS, 500, None, WITH_PHONEMES)
        self.sound: list[bytes] = []
        self.words: dict[int, int] = {}  # first character -> sample
        self.phonemes: list[tuple[int, bytes]] = []
        self.callback = CALLBACK(self.heard)  # kept: the library holds no reference
        self.library.espeak_SetSynthCallback(self.callback)

    def heard(
        self, samples: "ctypes._Pointer[ctypes.c_short]", n_samples: int, events: "ctypes._Pointer[Event]"
    ) -> int:
        if n_samples > 0:
            self.sound.append(ctypes.string_at(samples, 2 * n_samples))
        for event in until_end(events):
            if event.type == WORD:
                self.words.setdefault(event.text_position - 1, event.sample)
            elif event.type == PHONEME:
                self.phonemes.append((event.sample, event.name))
        return 0

    def read(self, name: str, voice: Voice, words: Sequence[str]) -> Reading:
        if self.library.espeak_SetVoiceByName(name.encode()) != 0:
            raise UsageError(f"espeak-ng has no voice {name!r}; see what there is with: espeak-ng --voices=en")
        for parameter, value in (
            (RATE, round(WORDS_PER_MINUTE * voice.speed)),
            (PITCH, voice.pitch),
            (RANGE, voice.pitch_range),
        ):
            self.library.espeak_SetParameter(parameter, value, 0)
        self.sound, self.words, self.phonemes = [], {}, []
        text = (" ".join(words) + ".").encode()
        self.library.espeak_Synth(text, len(text) + 1, 0, BY_CHARACTER, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        samples = np.frombuffer(b"".join(self.sound), "<i2").astype(np.float32) / np.float32(32768)
        starts = [start / self.rate for start in self.starts(words, len(samples))]
        pauses = [at / self.rate for at, name in self.phonemes if name.startswith(b"_")]
        ends = [
            min([pause for pause in pauses if start < pause < stop], default=stop)
            for start, stop in zip(starts, [*starts[1:], len(samples) / self.rate], strict=True)
        ]
        return trimmed(samples, self.rate, starts, ends)

    def starts(self, words: Sequence[str], n_samples: int) -> list[int]:
        """The sample each word begins with.

        Of words that run together ("in the", "at a") espeak marks only the first; the others begin at the phoneme that
        their share of the letters points to.
        """
        places = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
        marked = [i for i, place in enumerate(places) if place in self.words]
        starts = []
        for i, after in zip(marked, [*marked[1:], len(words)], strict=True):
            start = self.words[places[i]]
            stop = self.words[places[after]] if after < len(words) else n_samples
            heard = [at for at, name in self.phonemes if start <= at < stop and not name.startswith(b"_")] or [start]
            letters = sum(map(len, words[i:after]))
            starts.append(start)
            for j in range(i + 1, after):
                before = sum(map(len, words[i:j]))
                starts.append(heard[min(math.ceil(len(heard) * before / letters), len(heard) - 1)])
        return starts


def until_end(events: "ctypes._Pointer[Event]") -> Iterator[Event]:
    i = 0
    while events[i].type != LIST_END:
        yield events[i]
        i += 1


@functools.cache
def espeak() -> Espeak:
    return Espeak()
