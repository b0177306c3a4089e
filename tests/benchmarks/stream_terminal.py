"""The terminal display recorded with tmux: Chinese captions at 80 and at 40 columns, and on a terminal that is made
narrower meanwhile. Does anything smear?

usage: stream_terminal.py RECORDING

A small streaming Paraformer with seeded random weights says Chinese characters and English pieces. What is left in the
terminal's history at the end has to be the finals and nothing else; screens on the way have to hold each final once.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.tools.mid_paraformer import write_streaming

SESSION = "asr-stream-terminal"
ASR = f"{sys.executable} -m asr stream"
PLAIN = "--no-punc --compute-type float32"


def main() -> None:
    recording = Path(sys.argv[1]).resolve()
    if shutil.which("tmux") is None:
        sys.exit("needs tmux")
    with tempfile.TemporaryDirectory() as name:
        folder = write_streaming(Path(name) / "paraformer-streaming-mid")
        told = finals(recording, folder)
        for width, narrowed in ((80, None), (40, None), (80, 40)):
            watch(recording, folder, told, width, narrowed)


def finals(recording: Path, folder: Path) -> list[str]:
    command = f"{ASR} {recording} --model {folder} {PLAIN} -q --jsonl"
    lines = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout.splitlines()
    return [event["text"] for event in map(json.loads, lines) if event["type"] == "final"]


def watch(recording: Path, folder: Path, told: list[str], width: int, narrowed: int | None) -> None:
    command = f"{ASR} {recording} --model {folder} {PLAIN} --simulate; echo rc=$?; sleep 60"
    tmux("new-session", "-d", "-s", SESSION, "-x", str(width), "-y", "24", command)
    n_screens = n_smeared = 0
    shots: list[str] = []
    try:
        while "rc=" not in (screen := tmux("capture-pane", "-p", "-S", "-", "-t", SESSION)):
            n_screens += 1
            n_smeared += is_smeared(screen, told)
            shots.append(screen)
            if narrowed and n_screens == 25:
                tmux("resize-window", "-t", SESSION, "-x", str(narrowed))
            time.sleep(0.2)
    finally:
        tmux("kill-session", "-t", SESSION)
    captions = packed(screen).partition("Ctrl-Cstops")[2].partition("rc=")[0]
    texts = "".join(part.partition("]")[2] for part in captions.split("[") if part)
    size = f"{width} columns" + (f", then {narrowed}" if narrowed else "")
    if texts != packed("".join(told)):
        print(f"  shown {texts}\n  told  {packed(''.join(told))}")
    clean = "the finals and nothing else" if texts == packed("".join(told)) else "NOT the finals alone"
    print(
        f"{size}: {n_screens} screens, {n_smeared} with a final twice; in the end {clean}; {screen.split('rc=')[1][:2]}"
    )
    print("\n".join(f"    |{line}" for line in shots[len(shots) // 2].rstrip().splitlines()[-8:]), flush=True)


def is_smeared(screen: str, told: list[str]) -> bool:
    """Whether a final stands there twice with its time."""
    stamps = [line.split("]")[0] for line in screen.splitlines() if line.startswith("[") and "]" in line]
    return len(stamps) != len(set(stamps))


def packed(text: str) -> str:
    return "".join(text.split())


def tmux(*words: str) -> str:
    return subprocess.run(["tmux", *words], capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
