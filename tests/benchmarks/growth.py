"""Does a longer recording cost more per second, or more memory? The whole command on 10 min, 1 h and 4 h.

usage: growth.py MODELS_DIR AUDIO.wav [compute type]

MODELS_DIR as for paraformer_peers.py; AUDIO, 16 kHz mono, is repeated until it is long enough.
"""

import sys
import tempfile
from pathlib import Path

from paraformer_peers import one, ours

RATE_BYTES = 32_000
LENGTHS = ((10, "10 min"), (60, "1 h"), (240, "4 h"))


def repeated(audio: Path, minutes: int, folder: Path) -> Path:
    import wave

    path = folder / f"{minutes}.wav"
    with wave.open(str(audio)) as source, wave.open(str(path), "wb") as target:
        samples = source.readframes(source.getnframes())
        target.setparams(source.getparams())
        missing = minutes * 60 * RATE_BYTES
        while missing > 0:
            target.writeframesraw(samples[:missing])
            missing -= len(samples)
    return path


def main() -> None:
    models, audio = Path(sys.argv[1]), Path(sys.argv[2])
    compute_type = sys.argv[3] if len(sys.argv) > 3 else "auto"
    print(f"{'':8} {'wall s':>8} {'RTF':>8} {'peak GB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for minutes, name in LENGTHS:
            path = repeated(audio, minutes, Path(folder))
            wall, rtf, peak = one(ours(models, path, compute_type), minutes * 60)
            path.unlink()
            print(f"{name:8} {wall:8.1f} {rtf:8.4f} {peak:8.2f}", flush=True)


if __name__ == "__main__":
    main()
