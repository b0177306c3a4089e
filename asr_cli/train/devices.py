"""Where a run computes: one device or many, here or on several machines (Lightning Fabric)."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from asr_cli.errors import AsrError, DependencyError, UsageError
from asr_cli.longform.halve import is_out_of_memory
from asr_cli.train.config import PRECISIONS, Run

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PACKAGES = "lightning_fabric", "tokenizers", "soxr", "tensorboard"
KINDS = "auto", "cpu", "cuda", "mps"
KNOWN_MASTERS = {"MASTER_ADDR", "SLURM_NTASKS"}  # without one of them, machines wait for each other


def require_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise DependencyError(f"training needs {', '.join(missing)}; pip install 'asr-cli[train]'")


def is_first() -> bool:
    """Whether this process prepares the run; those that it starts, or that stand beside it, find it prepared."""
    ranks = ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


def make_fabric(run: Run) -> "Fabric":
    """Nothing is started yet: `launch` does that."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    kind = kind_of(run.device)
    if kind == "cpu" and run.precision == "float16":
        raise UsageError("training in float16 needs a GPU; use bfloat16 or float32")
    if run.nodes > 1 and not KNOWN_MASTERS & os.environ.keys():
        raise UsageError(
            f"--nodes {run.nodes}: nobody says where the first machine is; set MASTER_ADDR, MASTER_PORT and NODE_RANK"
            " on each, or start it with torchrun or Slurm"
        )
    n_here = torch.cuda.device_count() if kind == "cuda" else 1
    if kind == "cuda" and run.devices > n_here:
        raise UsageError(f"--devices {run.devices}: there are {n_here} GPUs here")
    n_devices = run.devices or n_here
    n_started = int(os.environ.get("WORLD_SIZE", "1")) if "TORCHELASTIC_RUN_ID" in os.environ else n_devices * run.nodes
    if n_started != n_devices * run.nodes:  # each would train for itself, all in the same folder
        raise UsageError(
            f"torchrun started {n_started} processes, and --devices {n_devices} --nodes {run.nodes} asks for"
            f" {n_devices * run.nodes}; tell both the same"
        )
    # Convolutions with one input channel have gradients of another layout; that they are copied costs nothing.
    warnings.filterwarnings("ignore", "Grad strides do not match")
    # Heads that a batch may leave out (a decoder's embedding, where every token was right) have no gradient then.
    spread = DDPStrategy(find_unused_parameters=True) if n_devices * run.nodes > 1 else "auto"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(
        accelerator=kind,
        devices=n_devices,
        num_nodes=run.nodes,
        precision=PRECISIONS[run.precision],  # type: ignore[arg-type]
        strategy=spread,
    )


def kind_of(device: str) -> str:
    """What to compute on; "auto" the fastest that is here."""
    if device not in KINDS:
        raise UsageError(
            f"{device!r} is no kind of device; use {', '.join(KINDS)} (CUDA_VISIBLE_DEVICES says which GPUs)"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise DependencyError("no GPU can be used here; use --device cpu, or install a torch built for CUDA")
    if device == "mps" and not torch.backends.mps.is_available():
        raise DependencyError("there is no Apple GPU here; use --device cpu")
    return device


@contextmanager
def together(n_processes: int) -> Iterator[None]:
    """Of what ends a run and is nobody's mistake, a sentence. When one of several processes ends with an error, the
    others, which wait for it, are not at fault."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise AsrError(
                "memory does not suffice for a batch; begin anew with --overwrite and a lower train.batch_seconds (and"
                " as much more train.accumulate)"
            ) from error
        if n_processes == 1 or not (isinstance(error, torch.distributed.DistError) or "gloo" in str(error)):
            raise
        raise AsrError("another process of this run has ended, and says why; the same command goes on") from error
