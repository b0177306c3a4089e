"""Where to compute, and in what numbers."""

import ctypes
import os
import sys

import torch

from asr_cli.errors import DependencyError, UsageError
from asr_cli.protocols import COMPUTE_TYPES

# Of glibc's malloc.h, with what they are set to here: from what size memory comes from the system each time (as high
# as it goes), and how much is kept that nobody uses at the moment.
MALLOC_LIMITS = {-3: 32 << 20, -1: 1 << 30}


def pick(name: str) -> torch.device:
    """The device of that name; of "auto" the fastest that is here."""
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"{name!r} is no device; use auto, cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise DependencyError(
            f"there is no device {name!r} here ({n_devices} CUDA devices are visible to torch {torch.__version__});"
            " use --device cpu, or install a torch built for CUDA"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DependencyError("there is no Apple GPU here; use --device cpu")
    return device


def pick_type(name: str, device: torch.device) -> str:
    """The compute type of that name; of "auto" the fastest on the device that keeps the text."""
    if name not in COMPUTE_TYPES:
        raise UsageError(f"{name!r} is no compute type; there are {', '.join(COMPUTE_TYPES)}")
    if name == "auto":
        return fastest_type(device)
    if name == "int8" and device.type != "cpu":
        raise UsageError(f"int8 is computed on the processor only, not on {device}; use float16 or bfloat16")
    if name == "float16" and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
        raise UsageError("this processor does not compute float16; use bfloat16, int8 or float32")
    return name


def fastest_type(device: torch.device) -> str:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.type == "mps":
        return "float16"
    return "bfloat16" if has_bfloat16() else "float32"


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; where it only pretends to, float32 is faster."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name))


def use_threads(n_threads: int) -> None:
    """How many cores the calling thread's tensor operations take, and those of threads that are born later."""
    torch.set_num_threads(n_threads)


def keep_memory() -> None:
    """Let the C library keep the memory of tensors for the next ones, in the whole process.

    Page by page from the system, for every layer anew, it costs a third of the time in int8. Only glibc gives so much
    back; with another library, or on another system, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    for limit, size in MALLOC_LIMITS.items():
        if mallopt is not None:
            mallopt(limit, size)


def memory() -> int:
    """Bytes that the machine has; on systems that do not say, what laptops have at least."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30
