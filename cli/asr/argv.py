"""What fingers type from habit, put right before anything is parsed."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from asr_cli.errors import UsageError

TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# Whisper's options that mean nothing to the recognisers here. Silence would be worse than a word.
NOT_HERE = {
    "best-of", "patience", "carry-initial-prompt", "fp16", "prepend-punctuations", "append-punctuations",
    "hallucination-silence-threshold", "clip-timestamps", "repetition-penalty", "no-repeat-ngram-size", "vad-onset",
    "vad-offset", "diarize",
}  # fmt: skip

# Other names for what is here under its model's own name, or one that fits a narrow terminal.
ALIASES = {
    "vad-min-silence-duration-ms": "vad-max-end-silence-time",
    "temperature-increment-on-fallback": "temperature-increment",
    "condition-on-previous-text": "previous-text",
    "no-condition-on-previous-text": "no-previous-text",
}


def whisper_habits(argv: Sequence[str], switches: Collection[str], values: Collection[str]) -> list[str]:
    """Underscores to hyphens, `--switch True` to `--switch`.

    switches: the command's options without a value. values: those with one; all by their long names without hyphens.

    >>> whisper_habits(["a.wav", "--output_dir", "x_y", "--word_times", "True"], {"word-times"}, {"output-dir"})
    ['a.wav', '--output-dir', 'x_y', '--word-times']
    """
    out: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*out, word, *rest]
        match = re.match(r"--([A-Za-z][\w-]*)(=.*)?$", word, re.DOTALL)
        if not match:
            out.append(word)
            if word == "-f" and rest:
                refuse_file_as_format(rest[0])
            if word in ("-f", "-o", "-m", "-l") and rest:
                out.append(rest.pop(0))
            continue
        name, value = match[1].replace("_", "-"), match[2] or ""
        name = ALIASES.get(name, name)
        if name in switches:
            truth = TRUTH.get(value[1:].lower()) if value else TRUTH.get(rest[0].lower()) if rest else None
            if value and truth is None:
                out += ["--mic", value[1:]] if name == "mic" else [word]  # which has a name, but can do without
                continue
            if truth is not None and not value and not rest[0].isdigit():
                rest.pop(0)
            if word := switch(name, True if truth is None else truth, switches):
                out.append(word)
            continue
        if name not in values and name in NOT_HERE:
            raise UsageError(f"--{name} would do nothing: no recogniser here knows it; leave it out")
        out.append(f"--{name}{value}")
        if not value and name in values and rest:
            out.append(rest.pop(0))
    return out


def switch(name: str, on: bool, switches: Collection[str]) -> str:
    if on:
        return f"--{name}"
    opposite = name.removeprefix("no-") if name.startswith("no-") else f"no-{name}"
    return f"--{opposite}" if opposite in switches else ""


def refuse_file_as_format(value: str) -> None:
    if Path(value).exists() and "." in value:
        raise UsageError(f"-f is the output format here; pass {value!r} as a plain argument")
