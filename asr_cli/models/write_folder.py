"""A checkpoint folder in FunASR's layout, complete or not there at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from asr_cli.checkpoint import save_safetensors
from asr_cli.errors import OutputError
from asr_cli.features.cmvn import Cmvn

# Without these, FunASR finds no vocabulary.
TOKENIZER = {"tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True}}


def write_folder(
    folder: Path,
    settings: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    cmvn: Cmvn | None,
    tokens: Sequence[str] | None,
) -> None:
    """Write config.yaml, am.mvn, tokens.json and the weights, which have FunASR's names, twice: as model.pt for FunASR,
    and as model.safetensors, which is read here. No am.mvn without a normalisation, no tokens.json without tokens.

    All is on the disk before it takes the place of what was at `folder`. A configuration.json would name one file of
    weights for everybody; without it each finds his own.
    """
    new = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        more = {} if tokens is None else TOKENIZER
        config = yaml.safe_dump(more | dict(settings), allow_unicode=True, sort_keys=False)
        (new / "config.yaml").write_text(config, encoding="utf-8")
        if tokens is not None:
            (new / "tokens.json").write_text(json.dumps(list(tokens), ensure_ascii=False, indent=0), encoding="utf-8")
        if cmvn is not None:
            (new / "am.mvn").write_text(mvn(cmvn), encoding="utf-8")
        own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        torch.save(own, new / "model.pt")
        save_safetensors(new / "model.safetensors", own, {})
        # Two of these were made for one's own eyes only.
        new.chmod(0o755)
        (new / "model.safetensors").chmod((new / "model.pt").stat().st_mode)
        for path in (*new.iterdir(), new):
            flush(path)
        replace(new, folder)
        flush(folder.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # each has its own way to say that the disk is full
        raise OutputError(
            f"cannot write the model {str(folder)!r}: {reason(error)}; make room or name another place,"
            " what was there before is as it was"
        ) from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)


def mvn(cmvn: Cmvn) -> str:
    """A normalisation as Kaldi writes it, every number as exact as it is.

    >>> print(mvn(Cmvn(torch.tensor([-1.5]), torch.tensor([0.25]))), end="")
    <Nnet>
    <Splice> 1 1
    [ 0 ]
    <AddShift> 1 1
    <LearnRateCoef> 0 [ -1.5 ]
    <Rescale> 1 1
    <LearnRateCoef> 0 [ 0.25 ]
    </Nnet>
    """
    size = len(cmvn.shift)
    shift, scale = (" ".join(f"{value:.9g}" for value in values.tolist()) for values in (cmvn.shift, cmvn.scale))
    return (
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n<AddShift> {size} {size}\n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 [ {scale} ]\n</Nnet>\n"
    )


def flush(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(new: Path, folder: Path) -> None:
    """Put a folder in another one's place; for a moment there is neither, which no system call spares us everywhere."""
    if not folder.exists():
        new.rename(folder)
        return
    old = new.with_name(f"{new.name}.old")
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error).splitlines()[0]
