"""How far our trained FSMN-VAD decides each 10 ms frame as the public one does, on the shared recordings.

usage: vad_agreement.py [WEIGHTS]
"""

import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from public_vad import SHARED, make_folder  # noqa: E402

from asr_cli.audio.files import read_blocks  # noqa: E402
from asr_cli.errors import AsrError  # noqa: E402
from asr_cli.vad.fsmn import FsmnVad  # noqa: E402
from asr_cli.vad.weights import read_own  # noqa: E402

AUDIO = SHARED.parent / "audio"
SPEECH_AT = 0.2  # the probability of silence up to which a frame is speech
SUFFIXES = {".wav", ".flac", ".mp3", ".m4a", ".aiff", ".opus", ".mp4"}


def counts(ours: FsmnVad, public: FsmnVad, path: Path) -> np.ndarray:
    """True positives, false positives, false negatives, true negatives."""
    blocks = list(read_blocks(path))
    a, b = (np.concatenate(list(vad.silence(blocks))) <= SPEECH_AT for vad in (ours, public))
    return np.array([(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()])


def line(name: str, c: np.ndarray) -> str:
    tp, fp, fn = (int(value) for value in c[:3])
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    f1 = 2 * tp / max(2 * tp + fp + fn, 1)
    return f"{name:44} {sum(c) / 100:8.1f} s  precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}"


def main() -> None:
    weights = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    ours = FsmnVad(*read_own(weights))
    with tempfile.TemporaryDirectory() as folder:
        public = FsmnVad.from_folder(make_folder(Path(folder)))
    groups: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(4, int))
    for path in sorted(p for p in AUDIO.rglob("*") if p.suffix in SUFFIXES):
        try:
            c = counts(ours, public, path)
        except AsrError as error:
            print(f"{path.name}: {error}")
            continue
        group = str(path.parent.relative_to(AUDIO))
        groups[group] += c
        if group != "en/hifitts_6097":
            print(line(str(path.relative_to(AUDIO))[-44:], c))
    print()
    for group, c in groups.items():
        print(line(group, c))
    print(line("all", sum(groups.values())))
    speech = [c for group, c in groups.items() if group not in ("noise", "video")]
    print(line("all but noise and video", sum(speech)))


if __name__ == "__main__":
    main()
