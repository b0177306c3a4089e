"""The microphones of this machine, through PortAudio.

sounddevice is imported where it is needed only: without the library every other command works.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asr_cli.audio import SAMPLE_RATE
from asr_cli.errors import DependencyError, InputError, UsageError

# Of what the device gives, so much is kept while Python is busy elsewhere; a quarter of it comes at a time.
BUFFER_SECONDS = 0.2
HINT = "try: asr stream --list-mics"
# PortAudio's error numbers.
DEVICE_UNAVAILABLE, INVALID_DEVICE, INVALID_RATE, INVALID_CHANNELS = -9985, -9996, -9997, -9998


@dataclass(frozen=True, slots=True)
class Microphone:
    """A device that gives sound."""

    name: str
    index: int  # PortAudio's number of it, until devices come or go
    host_api: str  # "ALSA", "Core Audio", "Windows WASAPI", ...
    channels: int
    sample_rate: int  # its own, in Hz
    is_default: bool = False


def microphones() -> list[Microphone]:
    """All there are; an InputError where there is none."""
    sounddevice = library()
    with translated("the sound devices"):
        devices, apis = sounddevice.query_devices(), sounddevice.query_hostapis()
    default = default_index(sounddevice)
    found = [
        Microphone(
            name=device["name"],
            index=index,
            host_api=apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            sample_rate=round(device["default_samplerate"]),
            is_default=index == default,
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]
    if not found:
        raise InputError("no microphone is here; plug one in, or pipe the sound into: asr stream -")
    return found


def find_microphone(name: str | None = None) -> Microphone:
    """The one of this name, or whose name alone contains it, in any case; without a name the default."""
    there = microphones()
    default = next((one for one in there if one.is_default), there[0])
    if name is None:
        return default
    wanted = name.casefold().strip()
    exact = [one for one in there if one.name.casefold() == wanted]
    near = exact or [one for one in there if wanted in one.name.casefold()]
    # Windows shows each device once for every way to reach it.
    usual = [one for one in near if one.host_api == default.host_api]
    if len(near) == 1 or len(usual) == 1:
        return (usual or near)[0]
    if near:
        raise UsageError(f"{name!r} may be any of these microphones: {listed(near)}; write more of its name")
    raise UsageError(f"there is no microphone {name!r}; there are {listed(there)}")


def listed(found: list[Microphone]) -> str:
    return ", ".join(quoted(one.name) + (" (the default)" if one.is_default else "") for one in found)


def quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def open_input(microphone: Microphone, heard: Callable[..., None], ended: Callable[[], None]) -> Any:
    """A sounddevice.InputStream that is not started yet, at 16 kHz where the device can.

    heard: called as sounddevice calls it, from a thread of PortAudio's. ended: when the device stops by itself.
    """
    sounddevice = library()
    for channels, rate in settings(microphone):
        try:
            return sounddevice.InputStream(
                device=microphone.index,
                channels=channels,
                samplerate=rate,
                dtype="float32",
                latency=BUFFER_SECONDS,
                callback=heard,
                finished_callback=ended,
            )
        except sounddevice.PortAudioError as error:
            refused = error
            if number(error) not in (INVALID_RATE, INVALID_CHANNELS):
                break
    raise trouble(f"cannot listen to {quoted(microphone.name)}", refused) from refused


def settings(microphone: Microphone) -> Iterator[tuple[int, int]]:
    """Channels and rates in the order in which they are tried.

    Both channels of a stereo device, for the voice may be on either. A device of many is a sound server that mixes
    them itself, or else takes no less than all.
    """
    few = 2 if microphone.channels == 2 else 1
    for channels in dict.fromkeys((few, microphone.channels)):
        for rate in dict.fromkeys((SAMPLE_RATE, microphone.sample_rate)):
            yield channels, rate


def forget_devices() -> None:
    """Make PortAudio look again at what is plugged in; all its open streams end."""
    sounddevice = library()
    with translated("the sound devices"):
        sounddevice._terminate()
        sounddevice._initialize()


@contextmanager
def translated(what: str) -> Iterator[None]:
    sounddevice = library()
    try:
        yield
    except sounddevice.PortAudioError as error:
        raise trouble(f"cannot use {what}", error) from error


def library() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise DependencyError(
            "a microphone needs the Python package sounddevice; install it: pip install 'asr-cli[mic]'"
            " (or pipe the sound into: asr stream -)"
        ) from error
    except OSError as error:
        raise DependencyError(
            "a microphone needs the PortAudio library; install it: sudo apt install libportaudio2"
            " or brew install portaudio (or pipe the sound into: asr stream -)"
        ) from error
    return sounddevice


def default_index(sounddevice: Any) -> int:
    try:
        return int(sounddevice.query_devices(kind="input")["index"])
    except (sounddevice.PortAudioError, ValueError):  # no default is set
        return -1


def trouble(what: str, error: Exception) -> InputError:
    return InputError(f"{what}: {reason(error)}; {HINT}")


def reason(error: Exception) -> str:
    """PortAudio's words as a clause."""
    known = {
        DEVICE_UNAVAILABLE: "another program holds it, or it was unplugged",
        INVALID_DEVICE: "it was unplugged",
        INVALID_RATE: "it takes neither 16 kHz nor the rate it says is its own",
        INVALID_CHANNELS: "it takes neither one channel nor all of them",
    }
    return known.get(number(error)) or " ".join(str(part) for part in error.args[:1]) or "PortAudio does not say why"


def number(error: Exception) -> int:
    """PortAudio's number of it; 0 where there is none."""
    found = error.args[1] if len(error.args) > 1 else 0
    return found if isinstance(found, int) else 0
