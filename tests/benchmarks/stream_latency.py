"""How soon captions come, on real speech at the pace of speech, and whether finals are what a file gives.

usage: stream_latency.py [MODEL [FINAL_MODEL]] [-- RECORDING...]

Without recordings, the shared English ones. Each is heard in real time; delays of all of them are pooled.
"""

import itertools
import sys
import time
from pathlib import Path

from asr_cli.audio.files import read_blocks
from asr_cli.audio.live import paced
from asr_cli.live.events import Final
from asr_cli.live.session import LiveOptions, LiveSession
from asr_cli.live.stats import Lag, Stats
from asr_cli.options import ModelOptions
from asr_cli.scoring.distance import CORRECT, steps
from asr_cli.text.normalize import scored_words

AUDIO = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio" / "en"
NAMES = ("first_word", "draft", "final", "after_speech")


def recordings() -> list[Path]:
    long = [path for path in sorted(AUDIO.iterdir()) if path.suffix in (".wav", ".mp3", ".flac")]
    return [*long, *itertools.islice(sorted((AUDIO / "hifitts_6097").glob("*.wav")), 12)]


def main() -> None:
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    models, paths = sys.argv[1:at], sys.argv[at + 1 :]
    options = ModelOptions(model=models[0] if models else "auto")
    final = models[1] if len(models) > 1 else None
    pooled: dict[str, list[float]] = {name: [] for name in NAMES}
    n_words = n_wrong = n_late = n_without = 0
    heard = 0.0
    headroom = []
    with LiveSession(LiveOptions(models=options, final_model=final)) as session:
        for path in [Path(path) for path in paths] or recordings():
            stats = Stats()
            blocks = paced(read_blocks(path, block_seconds=0.1))
            events = [event for event in session.listen(blocks, stats=stats, ahead=None) if event is not None]
            live = " ".join(event.segment.text for event in events if isinstance(event, Final))
            file = " ".join(segment.text for segment in session.session.transcribe(path))
            ours, theirs = scored_words(live), scored_words(file)
            n_words += len(theirs)
            n_wrong += sum(step != CORRECT for step in steps(theirs, ours))
            report = stats.report()
            n_late, n_without, heard = (
                n_late + report.n_late,
                n_without + report.n_without_drafts,
                heard + report.duration,
            )
            headroom += [report.headroom] if report.headroom else []
            for name in NAMES:
                pooled[name] += stats.delays(name)
            print(f"{path.name:50} {report.duration:6.1f} s  {len(ours)} words", flush=True)
    for name in NAMES:
        lag = Lag.of(pooled[name])
        print(f"{name:12} median {lag.median:.2f} s   p90 {lag.p90:.2f} s   n {lag.n}")
    print(f"{heard:.0f} s heard; late chunks {n_late}; utterances without drafts at some time {n_without}")
    print(f"headroom, median of the recordings: {sorted(headroom)[len(headroom) // 2]:.1f}x")
    print(f"finals against the file's text: {n_wrong} of {n_words} words differ")


if __name__ == "__main__":
    begun = time.monotonic()
    main()
    print(f"{time.monotonic() - begun:.0f} s on the clock")
