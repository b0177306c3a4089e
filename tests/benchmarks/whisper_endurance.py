"""Memory of `asr transcribe` with a Whisper over ten hours of real speech, chunked and sequential.

usage: whisper_endurance.py MODEL [HOURS [OPTION...]]
"""

import sys
import tempfile
from pathlib import Path

from endurance import watch

WAYS = {"chunked": [], "sequential": ["--long-form", "sequential"]}


def main() -> None:
    model, hours = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        for name, options in WAYS.items():
            output = str(Path(folder) / f"{name}.json")
            watch(name, ["transcribe", "--model", model, "-o", output, *options, *sys.argv[3:]], hours, {})


if __name__ == "__main__":
    main()
