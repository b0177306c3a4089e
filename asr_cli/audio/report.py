"""What ffmpeg says on stderr about a recording, as values. (ffprobe is often absent.)"""

import re
from dataclasses import dataclass

LINE = re.compile(r"^\s+Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\((?P<language>[^)]*)\))?: (?P<kind>\w+): (?P<what>.*)$")
INPUT = re.compile(r"^Input #0, (?P<container>.+?), from '")
DURATION = re.compile(r"^\s+Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")
RATE = re.compile(r"(\d+) Hz(?:, ([^,]+))?")
LAYOUTS = {
    "mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "ambisonic 1": 4, "hexagonal": 6,
    "octagonal": 8, "cube": 8, "ambisonic 2": 9, "hexadecagonal": 16, "ambisonic 3": 16,
}  # fmt: skip
ESTIMATED = "Estimating duration from bitrate"
# What the demuxers of MP4, Matroska and others say where the file stops before its contents do.
CUT_SHORT = ("partial file", "ended prematurely", "corrupt input packet", "Packet corrupt", "truncat")


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio track: its number as --track takes it; 0 where ffmpeg could not tell a rate or a count."""

    index: int
    codec: str
    sample_rate: int
    channels: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is in a recording. duration: seconds as the container announces them."""

    container: str
    duration: float | None
    tracks: tuple[AudioTrack, ...]
    has_video: bool = False
    estimated: bool = False  # the duration is a guess from the bit rate


def parse(report: str) -> MediaInfo | None:
    """The input that ffmpeg opened, or None where it opened none."""
    lines = report.partition("\nOutput #0")[0].partition("\nStream mapping:")[0].splitlines()
    opened = next((match for line in lines if (match := INPUT.match(line))), None)
    if opened is None:
        return None
    streams = [match for line in lines if (match := LINE.match(line))]
    sounds = [match for match in streams if match["kind"] == "Audio"]
    pictures = [match for match in streams if match["kind"] == "Video"]
    return MediaInfo(
        container=opened["container"],
        duration=next((seconds(match) for line in lines if (match := DURATION.match(line))), None),
        tracks=tuple(track(index, match) for index, match in enumerate(sounds)),
        has_video=any("(attached pic)" not in match["what"] for match in pictures),
        estimated=ESTIMATED in report,
    )


def seconds(match: re.Match[str]) -> float:
    hours, minutes, rest = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def track(index: int, match: re.Match[str]) -> AudioTrack:
    what = match["what"]
    rate = RATE.search(what)
    language = match["language"]
    return AudioTrack(
        index=index,
        codec=re.split(r"[ ,]", what, maxsplit=1)[0],
        sample_rate=int(rate[1]) if rate else 0,
        channels=count_channels(rate[2] or "") if rate else 0,
        language=None if language in (None, "", "und") else language,
    )


def count_channels(layout: str) -> int:
    """
    >>> count_channels("5.1(side)"), count_channels("12 channels (FL+FR+FC)"), count_channels("stereo")
    (6, 12, 2)
    """
    if counted := re.match(r"(\d+) channels", layout):
        return int(counted[1])
    name = layout.partition("(")[0].strip()
    return LAYOUTS.get(name) or sum(int(digits) for digits in re.findall(r"\d+", name))


def reason(report: str, url: str) -> str:
    """Why ffmpeg gave up, in its own words."""
    lines = [line.strip() for line in report.replace(url, "\0").splitlines() if line.strip()]
    for line in reversed(lines):
        if match := re.search(r"(?:^\0|Error opening input): (.+)$", line):
            return match[1].replace(" when processing input", "").replace("\0", "it")
    chatter = ("Error opening", "To ignore", "Conversion failed", "At least one output")
    said = [line for line in lines if not line.startswith(chatter)]
    return re.sub(r"^\[[^]]*\] ", "", said[-1]).replace("\0", "it") if said else "it gave no reason"
