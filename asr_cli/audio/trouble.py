"""Why a recording could not be read, or not wholly: ffmpeg's words made into one sentence."""

import logging
import re

from asr_cli.audio import sniff
from asr_cli.audio.ffmpeg import find_ffmpeg, missing
from asr_cli.audio.report import CUT_SHORT, MediaInfo, parse, reason
from asr_cli.audio.source import Opened
from asr_cli.errors import AsrError, InputError, NoAudioError

log = logging.getLogger("asr")


def unreadable(opened: Opened, said: str, *, track: int = 0, start: float = 0.0) -> AsrError:
    """The error for a source out of which not one sample came."""
    if not said.strip():
        return missing(f"{find_ffmpeg()} does not work: it ended without a word")
    media = parse(said.replace(opened.url, ""))
    if media is None:
        return unopened(opened, said)
    if not media.tracks:
        what = "has video but no audio track" if media.has_video else "holds no audio track"
        return NoAudioError(f"{opened.name} {what}; there is nothing to transcribe")
    if track >= len(media.tracks):
        return InputError(f"{opened.name} has no audio track {track}; it has {listed(media)}")
    codec = undecodable(media, track, said)
    if codec:
        return InputError(
            f"cannot read {opened.name}: this ffmpeg has no decoder for its audio codec ({codec});"
            " convert the file, or install a fuller ffmpeg"
        )
    return silent(opened, media, said, start)


def unopened(opened: Opened, said: str) -> AsrError:
    if sniff.is_playlist(opened.head) or "hls @" in said or "concat @" in said or "dash @" in said:
        return InputError(f"cannot read {opened.name}: it is a playlist, not a recording; name the recordings it lists")
    if "moov atom not found" in said:
        return InputError(
            f"cannot read {opened.name}: the file is cut off before its index (ffmpeg: moov atom not found);"
            " copy or download it again"
        )
    why = reason(said, opened.url)
    if "not on whitelist" in said:
        why = "no format that holds sound"
    if not opened.head:
        return InputError(f"cannot read {opened.name}: {why}; check the address")
    if kind := sniff.damaged_sound(opened.head):
        return InputError(
            f"cannot read {opened.name}: it begins like {kind}, but its header is damaged (ffmpeg: {why});"
            " copy or download it again"
        )
    looks = sniff.describe(opened.head)
    size = f", {opened.size:,} bytes" if opened.size else ""
    hint = f"it looks like {looks}{size}" if looks else f"its content is of no known kind{size}"
    return InputError(f"cannot read {opened.name}: not an audio or video file (ffmpeg: {why}); {hint}")


def undecodable(media: MediaInfo, track: int, said: str) -> str | None:
    if re.search(r"[Dd]ecoder .*not found|no decoder found|Decoding requested, but no decoder", said):
        return media.tracks[track].codec
    return "unknown" if media.tracks[track].codec == "none" else None


def silent(opened: Opened, media: MediaInfo, said: str, start: float) -> AsrError:
    if start and media.duration is not None and start >= media.duration - 0.1:
        return InputError(f"{opened.name} ends at {media.duration:.2f} s, before the start given ({start:g} s)")
    if why := complaint(said):
        return InputError(
            f"cannot read {opened.name}: its audio track cannot be decoded (ffmpeg: {why}); the file is damaged"
        )
    return NoAudioError(f"{opened.name} has an audio track without a sample; there is nothing to transcribe")


def complaint(said: str) -> str | None:
    """The first line that tells of something wrong: the later ones follow from it."""
    # Lines that are set in quote the file: a song may be called "Error".
    wrong = (line for line in said.splitlines() if re.search(r"^\S.*(Invalid|[Ee]rror|orrupt|not supported)", line))
    first = next(wrong, None)
    return first and re.sub(r"^(\[[^]]*\] )+", "", first)


def listed(media: MediaInfo) -> str:
    tracks = [f"{track.index} ({', '.join(filter(None, (track.language, track.codec)))})" for track in media.tracks]
    return f"track{'s' if len(tracks) > 1 else ''} {', '.join(tracks)}"


def warn_if_cut_short(opened: Opened, said: str, exit_code: int, heard: float) -> None:
    """Compare the seconds heard with those announced."""
    media = parse(said.replace(opened.url, ""))
    announced = announced_seconds(opened, media) if media else None
    torn = any(words in said for words in CUT_SHORT)
    if announced is None or media is None:
        if exit_code:
            warn(f"{opened.name} is damaged: decoding stopped at {heard:.2f} s ({reason(said, opened.url)})")
        return
    # Where other tracks set the length, a short one alone proves nothing.
    alone = len(media.tracks) == 1 and not media.has_video
    if heard < announced - tolerance(announced, media.tracks[0].sample_rate) and (alone or torn or exit_code):
        warn(f"{opened.name} looks truncated: {heard:.2f} s decoded of {announced:.2f} s")


def tolerance(announced: float, sample_rate: int) -> float:
    # Containers count the encoder's padding, a few frames; estimates are off by a little of the whole.
    return max(0.1, min(0.005 * announced, 1.0), 2000 / max(sample_rate, 2000))


def announced_seconds(opened: Opened, media: MediaInfo) -> float | None:
    if opened.head[:4] == b"RIFF" and opened.head[8:12] == b"WAVE":
        return sniff.wav_seconds(opened.head)
    return None if media.estimated else media.duration


def warn(message: str) -> None:
    log.warning(message, extra={"code": "W-TRUNCATED"})
