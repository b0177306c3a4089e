"""A Whisper from its folder onto a device."""

import logging
from pathlib import Path

from asr_cli import device as devices
from asr_cli.decoding import DecodingOptions
from asr_cli.errors import UsageError
from asr_cli.longform.spread import N_CORES, SpreadRecognizer
from asr_cli.protocols import Recognizer
from asr_cli.registry import LoadOptions, ModelCard
from asr_plugins.whisper.decoding import Decoding
from asr_plugins.whisper.folder import Folder, read_folder
from asr_plugins.whisper.model import Model, build, check_assistant, same_encoder
from asr_plugins.whisper.recognizer import Asked, WhisperRecognizer

log = logging.getLogger("asr")

# s; what its authors found best for what they distilled (Gandhi et al. 2023, arXiv:2311.00430), before large-v3, which
# hears 128 bands, and since.
DISTILLED_CHUNK, DISTILLED_V3_CHUNK, V3_MELS = 15.0, 25.0, 128
SHORTEST_CHUNK = 1.0  # s


def load(card: ModelCard, folder: Path, options: LoadOptions) -> Recognizer:
    decoding = options.decoding
    device = devices.pick(options.device)
    compute_type = devices.pick_type(options.compute_type, device)
    if device.type == "cpu":
        devices.keep_memory()
    checkpoint = read_folder(folder)
    check_suppressed(checkpoint, card, decoding)
    chunk_length = chunk_of(checkpoint, card, decoding)
    asked = Asked(
        language_of(checkpoint, card, options),
        chunk_length,
        options.hotwords,
        slides=decoding.long_form == "sequential",
    )
    assistant = read_folder(options.assistant) if options.assistant is not None else None
    if assistant is not None:
        check_speculation(checkpoint, assistant, decoding)
    hears_alike = assistant is not None and same_encoder(checkpoint, assistant)
    n_threads = options.threads or N_CORES
    model = build(checkpoint, device, compute_type, decoding.attention, n_rows=decoding.beam_size, n_threads=n_threads)
    drafter: Model | None = None
    if assistant is not None:
        encoder = model.encoder if hears_alike else None
        drafter = build(assistant, device, compute_type, decoding.attention, aligned=False, encoder=encoder)
    log.info("%s on %s in %s, chunks of %g s", card.name, device, compute_type, chunk_length)
    recognizer = WhisperRecognizer(
        model, Decoding(model, drafter, decoding, timestamps=asked.slides), asked, checkpoint.median_width
    )
    return SpreadRecognizer(recognizer, n_threads) if device.type == "cpu" else recognizer


def language_of(checkpoint: Folder, card: ModelCard, options: LoadOptions) -> str | None:
    """What is spoken, if that is known; a model that was distilled for one language still has the tokens of all."""
    tokens = checkpoint.tokens
    only = card.languages[0] if len(card.languages) == 1 and card.languages != ("und",) else None
    spoken = options.language or only
    language = tokens.language(spoken) if spoken else None
    if not tokens.languages:
        tokens.prompt(None, options.decoding.task, timestamps=True, limit=checkpoint.n_text)  # if it can
        return None
    return language


def chunk_of(checkpoint: Folder, card: ModelCard, decoding: DecodingOptions) -> float:
    """How long a chunk may be, in seconds."""
    if decoding.long_form == "sequential":
        if decoding.chunk_length is not None:
            raise UsageError("--chunk-length does nothing in sequential long form, whose windows are the model's own")
        return checkpoint.window
    if decoding.chunk_length is None:
        distilled = DISTILLED_V3_CHUNK if checkpoint.n_mels == V3_MELS else DISTILLED_CHUNK
        return min(distilled, checkpoint.window) if checkpoint.is_distilled else checkpoint.window
    if decoding.chunk_length > checkpoint.window:
        raise UsageError(
            f"chunks of {decoding.chunk_length:g} s are longer than the {checkpoint.window:g} s that {card.name} hears"
            " at once; give --chunk-length less"
        )
    if decoding.chunk_length < min(SHORTEST_CHUNK, checkpoint.window):
        raise UsageError(f"chunks of {decoding.chunk_length:g} s hold no sentence; give 1 s or more")
    return decoding.chunk_length


def check_suppressed(checkpoint: Folder, card: ModelCard, decoding: DecodingOptions) -> None:
    n_tokens = checkpoint.tokens.n_tokens
    beyond = [token for token in decoding.suppress_tokens or () if token >= n_tokens]
    if beyond:
        raise UsageError(f"there is no token {beyond[0]} to suppress: {card.name} has 0 to {n_tokens - 1}")


def check_speculation(checkpoint: Folder, assistant: Folder, decoding: DecodingOptions) -> None:
    check_assistant(checkpoint, assistant)
    if decoding.beam_size > 1 or decoding.temperature:
        raise UsageError("an assistant model drafts for greedy decoding; leave --beam-size and --temperature out")
