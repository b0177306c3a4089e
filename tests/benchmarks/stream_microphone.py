"""Real recordings played into a microphone (PulseAudio, a null sink): how far are the captions from the file's text?

usage: stream_microphone.py [RECORDING...]

Without recordings, six of the shared English ones. They are played one after the other, three seconds apart, into one
`asr stream --mic`; the words of all finals are compared with those that `asr transcribe` gives for the files.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from asr_cli.audio.ffmpeg import find_ffmpeg
from asr_cli.scoring.distance import CORRECT, steps
from asr_cli.text.normalize import scored_words
from tests.test_stream_microphone import Stream
from tests.tools import pulse

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio" / "en"
NAMES = (
    "azure_katiesteve.wav", "leopard_test.wav", "librivox_sense_0870.wav", "librivox_sense_0920.wav",
    "whisper_jfk.flac", "lhotse_2412-153948-0000.flac",
)  # fmt: skip
APART = 3.0  # s


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or [AUDIO / name for name in NAMES]
    reason = pulse.missing()
    if reason:
        sys.exit(reason)
    expected = [word for path in paths for word in scored_words(transcribed(path))]
    with tempfile.TemporaryDirectory() as name, pulse.pulse_server() as server:
        stream = Stream(server, "--stats")
        try:
            stream.wait(lambda: stream.is_told("listening to"))
            time.sleep(4.0)
            for path in paths:
                server.play(as_wav(path, Path(name)))
                time.sleep(APART)
            code = stream.stop()
        finally:
            stream.close()
    found = scored_words(stream.text)
    wrong = sum(step != CORRECT for step in steps(expected, found))
    share = wrong / len(expected)
    print(f"{len(paths)} recordings: {wrong} of {len(expected)} words differ from the files' ({share:.1%})")
    print(f"exit code {code}; {stream.events[-1]}")


def transcribed(path: Path) -> str:
    command = [sys.executable, "-m", "asr", "transcribe", str(path), "-q"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def as_wav(path: Path, folder: Path) -> Path:
    wav = folder / f"{path.stem}.wav"
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", "-i", str(path), str(wav)], check=True)
    return wav


if __name__ == "__main__":
    main()
