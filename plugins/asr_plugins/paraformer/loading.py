"""A Paraformer from its folder onto a device."""

import logging
from pathlib import Path

import torch

from asr_cli import device as devices
from asr_cli.checkpoint import forget
from asr_cli.errors import UsageError
from asr_cli.longform.spread import N_CORES, SpreadRecognizer, SpreadStreaming
from asr_cli.models.paraformer import Hotwords, Paraformer, SeacoParaformer
from asr_cli.models.paraformer_contextual import ContextualParaformer
from asr_cli.models.paraformer_folder import Folder, read_folder
from asr_cli.models.paraformer_streaming import Chunks, StreamingParaformer
from asr_cli.nn.packed import pack
from asr_cli.nn.precision import lower
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard
from asr_plugins.paraformer.hotwords import encode, read_lexicon
from asr_plugins.paraformer.recognizer import ParaformerRecognizer
from asr_plugins.paraformer.streaming import StreamingParaformerRecognizer

log = logging.getLogger("asr")

CHUNK_SIZE = 0, 10, 5  # what the streaming models are published with: 600 ms, and 300 ms of look-ahead


def load(card: ModelCard, folder: Path, options: LoadOptions) -> Recognizer:
    device = devices.pick(options.device)
    compute_type = devices.pick_type(options.compute_type, device)
    log.info("%s on %s in %s", card.name, device, compute_type)
    if device.type == "cpu":
        devices.keep_memory()
    checkpoint = read_folder(folder)
    lighten(checkpoint.net, compute_type)
    checkpoint.net.to(device)
    if isinstance(checkpoint.net, StreamingParaformer):
        return load_streaming(checkpoint, device, options)
    recognizer = ParaformerRecognizer(checkpoint, device, embed(checkpoint, options))
    n_threads = options.threads or N_CORES
    return SpreadRecognizer(recognizer, n_threads) if device.type == "cpu" else recognizer


def load_streaming(checkpoint: Folder, device: torch.device, options: LoadOptions) -> Recognizer:
    size = options.chunk_size or CHUNK_SIZE
    chunks = Chunks(*size, options.encoder_chunk_look_back, options.decoder_chunk_look_back)
    recognizer = StreamingParaformerRecognizer(checkpoint, device, chunks)
    if device.type != "cpu":
        return recognizer
    # A chunk has few rows, so that it takes longer to bring weights in order than to multiply with them.
    for linear in pack(checkpoint.net):
        forget(linear.weight)
    return SpreadStreaming(recognizer, options.threads or N_CORES)


def lighten(net: Paraformer, compute_type: str) -> None:
    """Put what costs time into fewer bits, and leave what decides (firing, output) as it is."""
    stacks = [net.encoder, net.decoder]
    if isinstance(net, SeacoParaformer):
        stacks.append(net.hotword_decoder)
    for stack in stacks:
        for linear in lower(stack, compute_type):
            forget(linear.weight)


@torch.inference_mode()
def embed(checkpoint: Folder, options: LoadOptions) -> Hotwords | None:
    """Hotwords as the network takes them; None without any."""
    if not options.hotwords or not isinstance(checkpoint.net, SeacoParaformer | ContextualParaformer):
        return None
    if isinstance(checkpoint.net, SeacoParaformer) and options.hotword_weight > 1:
        raise UsageError(f"this model's hotwords have a weight of at most 1, not {options.hotword_weight:g}")
    encoded = encode(options.hotwords, checkpoint.vocabulary, read_lexicon(checkpoint.lexicon))
    if len(encoded) == 1:
        return None
    return Hotwords(checkpoint.net.embed_hotwords(encoded), options.hotword_weight)
