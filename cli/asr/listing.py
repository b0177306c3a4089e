"""The stretches of speech that `asr vad` lists, in its formats."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from asr.console import Console
from asr.options import InputFlags, ScreenFlags
from asr.run import SOME_FAILED, reading_options, seconds_of, stopping, total
from asr.vad_options import VadFlags, endpoint_options
from asr_cli.errors import AsrError, OutputError, UsageError

Spans = Iterable[tuple[float, float]]


def run(
    files: list[str],
    source: InputFlags,
    screen: ScreenFlags,
    options: VadFlags,
    *,
    output_format: str,
    output: str | None,
    export: Path | None,
    model_dir: Path | None,
) -> int:
    """List the speech of every recording; give the exit code."""
