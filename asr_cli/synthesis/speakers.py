"""Who reads a made-up corpus: hundreds of speakers of a few voices, and voices that training never hears."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr_cli.errors import UsageError
from asr_cli.synthesis import espeak, flite
from asr_cli.synthesis.reading import Reading, Voice, library

ACCENTS = ("en-us", "en-us", "en", "en-gb-scotland", "en-029", "en-us-nyc", "en-gb-x-gbclan")
VARIANTS = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7", "+m8", "+f1", "+f2", "+f3", "+f5", "+klatt", "+klatt2", "+Andy",
    "+Annie", "+Lee", "+Mario", "+anika", "+linda", "+steph", "+max", "+edward", "+john", "+belinda", "+caleb",
    "+david", "+rob", "+travis", "+victor", "+antonio",
)  # fmt: skip
UNSEEN_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-x-rp")
UNSEEN_VARIANTS = ("+f4", "+m6", "+klatt3", "+Michael", "+Alicia", "+Diogo")
SEEN = (
    *(f"espeak:{accent}{variant}" for accent in ACCENTS for variant in VARIANTS),
    *("flite:kal16", "flite:slt", "flite:rms") * 16,
)
UNSEEN = (
    *(f"espeak:{accent}{variant}" for accent in UNSEEN_ACCENTS for variant in UNSEEN_VARIANTS),
    *("flite:awb",) * 10,
)
# A whispering voice with an accent of its own: what a recogniser of the others understands badly.
STRANGER = ("espeak:en-gb-x-gbcwmd+whisper",)
N_SPEAKERS = {SEEN: 500, UNSEEN: 60, STRANGER: 1}


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice set in a way of its own; a recording played `warp` times as fast has another throat and another pitch."""

    name: str
    voice: Voice
    warp: float


def choose_speaker(voices: Sequence[str], chance: random.Random) -> Speaker:
    """One of the speakers there are of these voices."""
    return speaker(voices, chance.randrange(N_SPEAKERS.get(tuple(voices), 8 * len(voices))))


def speaker(voices: Sequence[str], number: int) -> Speaker:
    """The same for the same voices and number, in every corpus."""
    chance = random.Random(f"{number} of {' '.join(voices)}")
    name = chance.choice(voices)
    # The stranger is one person, whose throat is as it is.
    warp = 1.0 if len(voices) == 1 else round(chance.uniform(0.88, 1.14), 3)
    voice = Voice(
        name,
        speed=round(chance.uniform(0.8, 1.2) / warp, 3),
        pitch=chance.randint(25, 75),
        pitch_range=chance.randint(25, 75),
    )
    label = name.partition(":")[2].replace("+", "-").lower()
    return Speaker(f"{label}-{number:03d}", voice, warp)


def in_a_mood(voice: Voice, chance: random.Random) -> Voice:
    """Nobody says two sentences at the same speed and pitch."""
    return replace(
        voice,
        speed=voice.speed * chance.uniform(0.92, 1.08),
        pitch=voice.pitch + chance.randint(-6, 6),
        pitch_range=voice.pitch_range + chance.randint(-10, 10),
    )


def read(voice: Voice, words: Sequence[str]) -> Reading:
    """`words` read as a sentence."""
    engine, _, name = voice.name.partition(":")
    if engine == "espeak":
        return espeak.espeak().read(name, voice, words)
    if engine == "flite" and name in flite.VOICES:
        return flite.flite(name).read(voice, words)
    known = ", ".join(f"flite:{name}" for name in flite.VOICES)
    raise UsageError(f"no voice is called {voice.name!r}; take espeak:<a voice of espeak-ng> or one of {known}")


def require() -> None:
    """Say at once, not after the first hour, what is not installed."""
    library(espeak.LIBRARY, "espeak-ng")
    library(flite.LIBRARY, "flite")
