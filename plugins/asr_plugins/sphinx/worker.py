"""A process that recognises: float32 samples in on standard input, words out on standard output, until the input ends.

A message in is a length in bytes (8, little-endian) and the samples; one out is a line of JSON. Because the input ends
with the parent, however the parent ends, no worker is ever left behind. A plain program rather than multiprocessing:
that would run the caller's main module again, and a script of three lines should need no guard against it.
"""

import json
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_plugins.sphinx.decoding import Spoken, recognize

HEADER = struct.Struct("<Q")


class WorkerLostError(Exception):
    """The process ended before it answered."""


class Worker:
    """The parent's end: one process, one utterance at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: a file called numpy.py in the user's folder is not to be imported.
            [sys.executable, "-P", "-m", "asr_plugins.sphinx.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            # Ctrl-C goes to the terminal's whole process group, and what to do about it is the parent's to decide.
            process_group=0,
        )

    def recognize(self, samples: NDArray[np.float32]) -> list[Spoken]:
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None
        body = samples.astype("<f4", copy=False).tobytes()
        try:
            into.write(HEADER.pack(len(body)) + body)
            into.flush()
            line = out.readline()
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile by another thread
            raise WorkerLostError from error
        if not line.endswith(b"\n"):
            raise WorkerLostError
        return [(text, start, end, sure) for text, start, end, sure in json.loads(line)]

    def close(self) -> None:
        """End it at once, in the middle of an utterance too."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()


def serve(into: BinaryIO, out: BinaryIO) -> None:
    while len(header := into.read(HEADER.size)) == HEADER.size:
        (n_bytes,) = HEADER.unpack(header)
        body = into.read(n_bytes)
        if len(body) < n_bytes:
            return
        words = recognize(np.frombuffer(body, "<f4"))
        out.write(json.dumps(words).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no process groups (Windows) it arrives all the same
    serve(sys.stdin.buffer, sys.stdout.buffer)
