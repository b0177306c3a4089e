"""Which voice activity detector is used, and where it is. Light until one is loaded."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from asr_cli.audio import Audio
from asr_cli.catalog import AUTO, VAD_CARDS, find_folder, here_or_fetched
from asr_cli.errors import ModelError
from asr_cli.options import ModelOptions
from asr_cli.protocols import Vad
from asr_cli.registry import did_you_mean, is_folder


def choose_vad(options: ModelOptions) -> tuple[str | None, Path | None]:
    """The name of the VAD of the options, and its folder; no name for none, no folder for ours."""
    public, ours = VAD_CARDS
    wanted = options.vad_model
    if wanted == AUTO:
        folder = find_folder(public, options.model_dir)
        return (public.name, folder) if folder else (ours.name, None)
    if wanted is None or wanted == ours.name:
        return wanted, None
    if wanted in public.names:
        return public.name, here_or_fetched(public, options)
    if is_folder(Path(wanted)):
        return wanted, Path(wanted)
    hint = did_you_mean(wanted, (public.name, ours.name))
    raise ModelError(f"no VAD model is named {wanted!r}, nor is it a folder; {hint}known: {public.name}, {ours.name}")


def load_vad(options: ModelOptions) -> tuple[Vad, str | None]:
    """The VAD of the options, and its name."""
    name, folder = choose_vad(options)
    if name is None:
        return no_vad, None
    from asr_cli.vad.fsmn import FsmnVad

    vad = FsmnVad.built_in(options.vad) if folder is None else FsmnVad.from_folder(folder, options.vad)
    return vad, name


def no_vad(blocks: Iterable[Audio], /) -> Iterator[Audio]:
    """Everything counts as speech. Blocks touch, so they are cut to utterances like any long speech."""
    return iter(blocks)
