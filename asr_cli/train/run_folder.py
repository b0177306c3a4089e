"""A run's folder: what is in it, whose it is, and that nothing else is touched in it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asr_cli.errors import OutputError, UsageError
from asr_cli.train import state
from asr_cli.train.data.transcripts import LEXICON, MVN, TOKENS
from asr_cli.train.lock import NAME as LOCK
from asr_cli.train.tasks.whisper_tokens import TOKENIZER

STATE, LOG, BEST, MODEL, BOARD = state.NAME, "train.jsonl", "best", "model", "tensorboard"
CONFIG, TRAIN_LIST, VALID_LIST, SKIPPED = "config.yaml", "train-list.jsonl", "valid-list.jsonl", "skipped.jsonl"
ASKED = "run.json"
PSEUDO = "heard.jsonl"  # what a teacher hears of the data
KEYS = {"train", "architecture", "data", "valid", "init"}  # of it, by which it is told from other programs' files
BEGINNING = ".beginning"  # the folder in which a run is prepared
SKIPPED_ANEW = "skipped-anew.jsonl"  # what is left out of a run that was not to be, beside one that is
BESIDE = (SKIPPED, SKIPPED_ANEW, BEGINNING, LOCK)
MADE = (CONFIG, TRAIN_LIST, VALID_LIST, TOKENS, MVN, LEXICON, TOKENIZER, PSEUDO, SKIPPED, SKIPPED_ANEW, STATE,
        f"{STATE}.part", LOG, f"{LOG}.part", BEST, MODEL, BOARD)  # fmt: skip


def is_begun(out: Path) -> bool:
    """Whether there is a run of ours in the folder, prepared at least."""
    return told(out) is not None


def told(out: Path) -> Mapping[str, Any] | None:
    """What the run in the folder was asked; None where there is none of ours."""
    try:
        found = json.loads((out / ASKED).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None
    is_ours = isinstance(found, dict) and found.keys() >= KEYS and isinstance(found["train"], dict)
    return found if is_ours else None


def refuse_strangers(out: Path) -> None:
    """Where no run of ours was begun, there is to be nothing else."""
    if not out.exists() or is_begun(out):
        return
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else [out.name]
    known = (*BESIDE, *MADE) if (out / BEGINNING).is_dir() else BESIDE  # a run that was killed as it took its place
    found = [name for name in names if not out.is_dir() or name not in known]
    if found:
        raise UsageError(
            f"{str(out)!r} holds something else than a training run ({', '.join(found[:3])}); name another folder"
            " with -o"
        )


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def settle(out: Path) -> None:
    """Put what was prepared into the place of what a run made there before; what else is there stays."""
    beginning = out / BEGINNING
    names = sorted(path.name for path in beginning.iterdir())
    for name in (ASKED, *MADE):  # the first makes it a run: it goes first, and comes last
        remove(out / name)
    for name in sorted(names, key=lambda name: name == ASKED):
        (beginning / name).replace(out / name)
    beginning.rmdir()


def give_up(out: Path) -> None:
    """Nobody should have to remove what a mistake left behind; only what is left out of the data is told."""
    begun = is_begun(out)
    skipped = out / BEGINNING / SKIPPED
    if skipped.is_file() and skipped.stat().st_size:
        skipped.replace(report(out))
    shutil.rmtree(out / BEGINNING, ignore_errors=True)
    if not begun:
        (out / LOCK).unlink(missing_ok=True)
        if not any(out.iterdir()):
            out.rmdir()


def report(out: Path) -> Path:
    """Where it is told what cannot be learned from, if the run is not to be."""
    return out / (SKIPPED_ANEW if is_begun(out) else SKIPPED)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """A folder that cannot be written is told in a sentence."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(error.filename).is_relative_to(out) and not is_above(error, out):
            raise
        raise OutputError(
            f"cannot write in {str(out)!r} ({error.strerror}); make room or name another folder with -o"
        ) from error


def is_above(error: OSError, out: Path) -> bool:
    return out.is_relative_to(error.filename)
