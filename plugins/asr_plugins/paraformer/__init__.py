"""Paraformer, the recogniser of the FunASR project, from the checkpoints it publishes and those that come
with the program."""

from functools import partial
from pathlib import Path

from asr_cli.models.look import COMPUTE_TYPES, DEVICES
from asr_cli.protocols import Recognizer
from asr_cli.registry import FUNASR_LICENSE, Backend, LoadOptions, ModelCard
from asr_plugins.paraformer.look import look

card = partial(
    ModelCard, languages=("zh-CN", "en"), license=FUNASR_LICENSE, devices=DEVICES, compute_types=COMPUTE_TYPES,
    word_times=True,
)  # fmt: skip
own = partial(card, languages=("en",), license="Apache-2.0", bundled=True)
CARDS = (
    card(
        name="paraformer-zh",
        summary="SeACo-Paraformer large: Mandarin with some English, hotwords, exact times",
        modelscope="iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        huggingface="funasr/paraformer-zh",
        hotwords=True,
    ),
    card(
        name="paraformer",
        summary="Paraformer large: Mandarin with some English, times to 60 ms",
        modelscope="iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
    ),
    card(
        name="paraformer-long",
        summary="Paraformer large with exact times (BiCif): Mandarin with some English",
        modelscope="iic/speech_paraformer-large-vad-punc_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
    ),
    card(
        name="paraformer-contextual",
        summary="Contextual Paraformer large: Mandarin with some English, hotwords",
        modelscope="iic/speech_paraformer-large-contextual_asr_nat-zh-cn-16k-common-vocab8404",
        hotwords=True,
    ),
    card(
        name="paraformer-en",
        summary="Paraformer large: English",
        languages=("en",),
        modelscope="iic/speech_paraformer-large-vad-punc_asr_nat-en-16k-common-vocab10020",
        huggingface="funasr/paraformer-en",
    ),
    card(
        name="paraformer-streaming",
        aliases=("paraformer-zh-streaming",),  # as FunASR calls it
        summary="Paraformer large, streaming: Mandarin with some English while it is spoken, times to 60 ms",
        modelscope="iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online",
        huggingface="funasr/paraformer-zh-streaming",
        streaming=True,
    ),
    card(
        name="paraformer-streaming-small",
        summary="Paraformer, streaming and small: Mandarin with some English while it is spoken",
        modelscope="iic/speech_paraformer_asr_nat-zh-cn-16k-common-vocab8404-online",
        streaming=True,
    ),
    own(
        name="paraformer-tiny",
        summary="Paraformer of this project: a few hundred English words of synthesised speech",
    ),
    own(
        name="paraformer-streaming-tiny",
        summary="Paraformer of this project, streaming: a few hundred English words of synthesised speech",
        streaming=True,
    ),
)


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.paraformer.loading import load as load_folder

    assert folder is not None, "every Paraformer has a folder"
    return load_folder(card, folder, options)


BACKEND = Backend(name="paraformer", models=CARDS, load=load, card_of=look)
