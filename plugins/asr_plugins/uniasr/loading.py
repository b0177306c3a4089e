"""A UniASR from its folder onto a device."""

import logging
from pathlib import Path

from asr_cli import device as devices
from asr_cli.checkpoint import forget
from asr_cli.longform.spread import N_CORES, SpreadStreaming
from asr_cli.models.uniasr import UniAsr
from asr_cli.models.uniasr_folder import read_folder
from asr_cli.nn.precision import lower
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard, mode_of
from asr_plugins.uniasr.recognizer import UniAsrRecognizer

log = logging.getLogger("asr")


def load(card: ModelCard, folder: Path, options: LoadOptions) -> Recognizer:
    mode = mode_of(card, options)
    device = devices.pick(options.device)
    compute_type = devices.pick_type(options.compute_type, device)
    log.info("%s on %s in %s, mode %s", card.name, device, compute_type, mode)
    if device.type == "cpu":
        devices.keep_memory()
    checkpoint = read_folder(folder)
    lighten(checkpoint.net, compute_type)
    checkpoint.net.to(device)
    recognizer = UniAsrRecognizer(checkpoint, device, mode=mode, refresh=options.refresh)
    return SpreadStreaming(recognizer, options.threads or N_CORES) if device.type == "cpu" else recognizer


def lighten(net: UniAsr, compute_type: str) -> None:
    """Put what costs time into fewer bits, and leave what decides (firing, output) as it is."""
    for one in (net.first, net.second):
        decoder = one.decoder
        for stack in (one.encoder, decoder.mix, decoder.layers, decoder.more, decoder.end):
            for linear in lower(stack, compute_type):
                forget(linear.weight)
