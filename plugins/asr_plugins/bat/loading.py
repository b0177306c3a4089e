"""A transducer from its folder onto a device."""

import logging
from pathlib import Path

from asr_cli import device as devices
from asr_cli.checkpoint import forget
from asr_cli.longform.spread import N_CORES, SpreadRecognizer, SpreadStreaming
from asr_cli.models.bat_folder import read_folder
from asr_cli.nn.packed import pack
from asr_cli.nn.precision import lower
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard, mode_of
from asr_plugins.bat.recognizer import BatRecognizer, StreamingBatRecognizer

log = logging.getLogger("asr")


def load(card: ModelCard, folder: Path, options: LoadOptions) -> Recognizer:
    mode = mode_of(card, options)
    device = devices.pick(options.device)
    compute_type = devices.pick_type(options.compute_type, device)
    log.info("%s on %s in %s, mode %s", card.name, device, compute_type, mode)
    if device.type == "cpu":
        devices.keep_memory()
    checkpoint = read_folder(folder)
    encoder = checkpoint.net.encoder  # what decides stays as it is
    for linear in lower(encoder, compute_type):
        forget(linear.weight)
    encoder.subsampling.settle(compute_type)
    checkpoint.net.to(device)
    if device.type == "cpu":
        for linear in pack(encoder):
            forget(linear.weight)
    n_threads = options.threads or N_CORES
    if checkpoint.net.streams:
        streaming = StreamingBatRecognizer(checkpoint, device, mode=mode)
        return SpreadStreaming(streaming, n_threads) if device.type == "cpu" else streaming
    recognizer = BatRecognizer(checkpoint, device, mode=mode)
    return SpreadRecognizer(recognizer, n_threads) if device.type == "cpu" else recognizer
