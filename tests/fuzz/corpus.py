"""The recordings that mutations start from: short speech in every container that is likely to come along."""

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from asr_cli.audio.ffmpeg import find_ffmpeg

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "morning.mp3"
AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio"
SPEECH = (
    "zh/funasr_asr_example.wav",
    "en/azure_whatstheweatherlike-mulaw.wav",
    "en/fasterwhisper_stereo_diarization.wav",
    "ja/leopard_test_ja.wav",
)
# Published as they are: what encoders other than ffmpeg wrote.
FOREIGN = ("zh/funasr_asr_example.mp3", "en/whisperkit_jfk_441khz.m4a", "other/speechrecognition_french.aiff")
FOREIGN_BYTES = 60_000  # cut there: half a recording is a seed as good as a whole one

PICTURE = "-f lavfi -i testsrc=s=32x32:r=5:d=2 -map 0:a -map 1:v"
TITLE = "-metadata title=fuzz -metadata artist=nobody"
# name.suffix -> ffmpeg's options; {picture} and {cover} become inputs of their own.
ENCODINGS = {
    "s16.wav": "-c:a pcm_s16le",
    "s24.wav": "-c:a pcm_s24le -ac 2",  # written as WAVE_FORMAT_EXTENSIBLE
    "f32.wav": "-c:a pcm_f32le",
    "f64.wav": "-c:a pcm_f64le -ac 2",
    "u8.wav": "-c:a pcm_u8 -ar 8000",
    "mulaw.wav": "-c:a pcm_mulaw -ar 8000",
    "adpcm.wav": "-c:a adpcm_ms",
    "gsm.wav": "-c:a libgsm_ms -ar 8000",
    "mp3.wav": "-c:a libmp3lame",
    "six.wav": "-c:a pcm_s16le -ac 6",
    "rf64.wav": "-c:a pcm_s16le -rf64 always",
    "w64.w64": "-c:a pcm_s16le",
    "be.aiff": "-c:a pcm_s16be",
    "ulaw.au": "-c:a pcm_mulaw -ar 8000",
    "caf.caf": "-c:a pcm_s16le",
    "alac.caf": "-c:a alac",
    "bare.mp3": "-c:a libmp3lame -id3v2_version 0 -write_xing 0",
    "tagged.mp3": f"-c:a libmp3lame {TITLE}",
    "cover.mp3": "{picture} -c:a libmp3lame -c:v mjpeg -frames:v 1 -disposition:v attached_pic",
    "flac.flac": f"-c:a flac {TITLE}",
    "vorbis.ogg": "-c:a libvorbis",
    "opus.opus": "-c:a libopus",
    "speex.ogg": "-c:a libspeex",
    "flac.oga": "-c:a flac",
    "last.m4a": "-c:a aac",
    "first.m4a": "-c:a aac -movflags +faststart",
    "alac.m4a": "-c:a alac",
    "fragments.mp4": "-c:a aac -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000",
    "video.mp4": "{picture} -c:a aac -c:v mpeg4",
    "pcm.mov": "-c:a pcm_s16be",
    "video.mov": "{picture} -c:a aac -c:v mjpeg",
    "gsm.3gp": "-c:a aac -f 3gp",
    "video.mkv": "{picture} -c:a libvorbis -c:v mpeg4",
    "flac.mka": "-c:a flac",
    "video.webm": "{picture} -c:a libopus -c:v libvpx",
    "video.avi": "{picture} -c:a pcm_s16le -c:v mpeg4",
    "mp3.avi": "{picture} -c:a libmp3lame -c:v mjpeg",
    "video.ts": "{picture} -c:a aac -c:v mpeg2video -f mpegts",
    "mp2.mpg": "{picture} -c:a mp2 -c:v mpeg1video -r:v 25",
    "video.flv": "{picture} -c:a aac -c:v flv",
    "wma.wma": "-c:a wmav2",
    "video.wmv": "{picture} -c:a wmav2 -c:v msmpeg4",
    "adts.aac": "-c:a aac",
    "ac3.ac3": "-c:a ac3",
    "mp2.mp2": "-c:a mp2",
    "gsm.gsm": "-c:a libgsm -ar 8000",
    "tta.tta": "-c:a tta",
    "wv.wv": "-c:a wavpack",
    "rm.rm": "-c:a ac3",
    "nut.nut": "-c:a pcm_s16le",
    "voc.voc": "-c:a pcm_u8",
    "sox.sox": "-c:a pcm_s32le",
    "ircam.sf": "-c:a pcm_s16le -f ircam",
}  # fmt: skip


def build(folder: Path, names: tuple[str, ...] = tuple(ENCODINGS)) -> list[Path]:
    """Every seed this ffmpeg can write, in the order of their names; what it cannot is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [path for name in SPEECH if (path := AUDIO / name).is_file()] or [EXAMPLE]
    for index, name in enumerate(names):
        target = folder / name
        if not target.exists():
            encode(sources[index % len(sources)], target, ENCODINGS[name], seconds=1 + index % 3)
    for name, data in by_hand():
        (folder / name).write_bytes(data)
    for path in foreign():
        (folder / f"foreign-{path.name}").write_bytes(path.read_bytes()[:FOREIGN_BYTES])
    return sorted(path for path in folder.iterdir() if path.stat().st_size)


def by_hand() -> Iterator[tuple[str, bytes]]:
    """What ffmpeg reads and does not write: a telephone's frames, and music that is a program to be run."""
    # Frames of 12.2 kbit/s, whatever they say.
    yield "amr.amr", b"#!AMR\n" + b"".join(b"\x3c" + bytes(range(i, i + 31)) for i in range(80))
    instrument = bytes(22) + struct.pack(">HBBHH", 400, 0, 64, 0, 200)
    notes = bytes((0x01, 0xAC, 0x10, 0)) * 256  # one pattern: this note on every channel and row
    yield (
        "mod.mod",
        bytes(20) + instrument * 31 + b"\x01\x7f" + bytes(128) + b"M.K." + notes + bytes(range(200)) * 4 * 31,
    )
    play = b"\xa9\x0f\x8d\x15\x40\xa9\xbf\x8d\x00\x40\x60"  # 6502: two registers of the sound chip, and back
    head = b"NESM\x1a\x01\x01\x01" + struct.pack("<3H", 0x8000, 0x8000, 0x8000) + bytes(96)
    yield "nsf.nsf", head + struct.pack("<H", 16666) + bytes(8) + struct.pack("<H", 20000) + bytes(6) + play
    tone = b"\x50\x8e\x50\x0f\x50\x90" + b"\x61\x44\xac" * 2 + b"\x66"  # a tone, two seconds, the end
    yield (
        "vgm.vgm",
        b"Vgm " + struct.pack("<III", 0x34 + 12 + len(tone), 0x150, 3_579_545) + bytes(36) + b"\x0c" + bytes(11) + tone,
    )
    memory = bytes(range(256)) * 256 + bytes(128) + bytes(64) + bytes(64)
    yield "spc.spc", b"SNES-SPC700 Sound File Data v0.30\x1a\x1a\x1b\x1e" + bytes(0x100 - 37) + memory


def foreign() -> Iterator[Path]:
    return (path for name in FOREIGN if (path := AUDIO / name).is_file())


def encode(source: Path, target: Path, options: str, *, seconds: int) -> None:
    words = options.replace("{picture}", PICTURE).split()
    exact = ("-fflags", "+bitexact", "-flags", "+bitexact")  # a case is told again by its seed alone
    command = [
        find_ffmpeg(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-i",
        str(source),
        *words,
        *exact,
        "-t",
        str(seconds),
        str(target),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        target.unlink(missing_ok=True)
