"""How soon the program answers what needs no model: medians of 15 runs, in milliseconds."""

import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = (["--help"], ["--version"], ["transcribe", "--help"], ["transcribe", "nowhere.mp3"], ["models"])


def milliseconds(arguments: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "asr", *arguments], capture_output=True, check=False)
    return (time.perf_counter() - begun) * 1000


for arguments in COMMANDS:
    milliseconds(arguments)
    print(f"asr {' '.join(arguments):28} {statistics.median(milliseconds(arguments) for _ in range(RUNS)):6.0f} ms")
