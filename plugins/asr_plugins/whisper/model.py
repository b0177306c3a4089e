"""A Whisper on a device: what it makes of sound, and how its decoder is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asr_cli import device as devices
from asr_cli.checkpoint import forget
from asr_cli.errors import UsageError
from asr_cli.nn.packed import PackedLinear
from asr_cli.nn.precision import TYPES
from asr_plugins.whisper.attention import choose
from asr_plugins.whisper.decoder import Decoder
from asr_plugins.whisper.encoder import Encoder
from asr_plugins.whisper.folder import Folder
from asr_plugins.whisper.layers import lightened
from asr_plugins.whisper.mel import LogMel
from asr_plugins.whisper.steps import CudaGraphs, Memories
from asr_plugins.whisper.tokens import Tokens

SAMPLE_RATE = 16_000
N_TOGETHER = 32  # windows in the encoder at a time; on a processor one, where more gain nothing
SLOTS = range(4, 17)  # windows that are decoded at a time on a processor,
SLOT_BYTES = 512 << 20  # as many as have room in that,
SHARE = 0.25  # and all threads' in that much of the machine's memory
SLOTS_ON_GPU, FREE_SHARE = 64, 0.4  # and on a GPU, of the memory that is free once the weights are there


@dataclass(frozen=True, slots=True)
class Model:
    """encoder: of an assistant that hears what its model hears, the model's. window: s, what it hears at once. n_slots:
    how many windows had better be decoded at a time."""

    mel: LogMel
    encoder: Encoder
    decoder: Decoder
    memories: Memories
    tokens: Tokens
    window: float
    device: torch.device
    dtype: torch.dtype
    n_slots: int

    def encode(self, utterances: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """What is in each of them, (S, D)."""
        step = 1 if self.device.type == "cpu" else N_TOGETHER
        return [
            states
            for begin in range(0, len(utterances), step)
            for states in self.encoder(self.mel(utterances[begin : begin + step])).to(self.dtype)
        ]


def build(
    folder: Folder, device: torch.device, compute_type: str, attention: str, *, aligned: bool = True,
    encoder: Encoder | None = None, n_rows: int = 1, n_threads: int = 1,
) -> Model:  # fmt: skip
    """The folder's network on a device; its weights go over into what is built.

    aligned: whether it is to tell where it listened. encoder: to be used in the place of its own. n_rows: hypotheses of
    a window. n_threads: that decode at a time, each with a memory of its own.
    """
    dtype = type_of(compute_type, device)
    theirs = folder.model.model
    decoder = Decoder(theirs.decoder, nn.Linear(1, 1), folder.alignment_heads if aligned else (), dtype)
    output = folder.model.proj_out
    if encoder is None:
        encoder = Encoder(theirs.encoder, choose(attention, device, dtype), dtype)
        for convolution in (encoder.first, encoder.second):
            convolution.to(dtype)
        settle(encoder, compute_type, device)
    settle(decoder, compute_type, device)
    # What decides which token it is stays float32 where that costs little.
    on_cpu = device.type == "cpu"
    decoder.output = PackedLinear(output.float()) if on_cpu else output.to(device=device, dtype=dtype)
    n_samples = round(folder.window * SAMPLE_RATE)
    mel = LogMel(folder.n_mels, n_samples, device)
    memories = Memories(decoder, partial(CudaGraphs, device) if device.type == "cuda" else None)
    n_slots = slots_for(decoder.slot_bytes(n_rows), device, n_threads)
    return Model(mel, encoder, decoder, memories, folder.tokens, folder.window, device, dtype, n_slots)


def slots_for(slot_bytes: int, device: torch.device, n_threads: int) -> int:
    """As many as are worth it, and have room."""
    if device.type == "cuda":
        room, wanted = int(torch.cuda.mem_get_info(device)[0] * FREE_SHARE), SLOTS_ON_GPU
    else:
        room = int(devices.memory() * SHARE) // n_threads
        wanted = min(max(SLOT_BYTES // slot_bytes, SLOTS[0]), SLOTS[-1])
    return max(min(room // slot_bytes, wanted), 1)


def settle(module: nn.Module, compute_type: str, device: torch.device) -> None:
    """Into the types it computes in, whatever it was stored in, and onto the device."""
    for part in module.modules():
        if isinstance(part, nn.LayerNorm) or (compute_type == "float32" and isinstance(part, nn.Linear)):
            part.float()
    for weight in lightened(module, compute_type, device):
        forget(weight)


def type_of(compute_type: str, device: torch.device) -> torch.dtype:
    """What attention, and what is remembered for it, is computed in."""
    if compute_type == "int8":
        return torch.bfloat16 if devices.has_bfloat16() else torch.float32
    return TYPES.get(compute_type, torch.float32)


def same_encoder(one: Folder, other: Folder) -> bool:
    """Whether both hear the same, as a model and what was distilled from it do."""
    if one.window != other.window or one.n_mels != other.n_mels:
        return False
    ours, theirs = (dict(folder.model.model.encoder.named_parameters()) for folder in (one, other))
    if ours.keys() != theirs.keys() or any(ours[name].shape != theirs[name].shape for name in ours):
        return False
    return all(alike(ours[name], theirs[name]) for name in ours)


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether they are the same numbers; of one that is stored more coarsely, as far as it goes."""
    coarser = min(one.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
    return torch.equal(one.to(coarser), other.to(coarser))


def check_assistant(folder: Folder, assistant: Folder) -> None:
    """Refuse one that writes other tokens than the model, or does not get to the end of its longest texts."""
    if vocabulary(folder) != vocabulary(assistant):
        raise UsageError(
            "the assistant model writes other tokens than the model, so it cannot draft for it; take one that was"
            " distilled from it (distil-large-v3 for whisper-large-v3, distil-medium.en for whisper-medium.en)"
        )
    if assistant.window != folder.window:
        raise UsageError(
            f"the assistant model hears {assistant.window:g} s at once, and the model {folder.window:g} s; take one"
            " that was distilled from it"
        )
    if assistant.n_text < folder.n_text:
        raise UsageError(
            f"the assistant model reads texts of {assistant.n_text} tokens at most, and the model of {folder.n_text};"
            " take one that was distilled from it"
        )


def vocabulary(folder: Folder) -> tuple[object, ...]:
    tokens = folder.tokens
    named = (tokens.sot, tokens.eot, tokens.no_timestamps, tokens.timestamp_begin, tokens.transcribe)
    spelled = tuple(tokens.bytes_of(id) for id in range(tokens.n_tokens))
    return (tokens.n_tokens, named, tuple(sorted(tokens.languages.items())), spelled)
