"""Paraformer, the recogniser of the FunASR project, from the checkpoints it publishes."""

from pathlib import Path

from asr_cli.protocols import Recognizer
from asr_cli.registry import Backend, LoadOptions, ModelCard
from asr_plugins.paraformer.look import COMPUTE_TYPES, DEVICES, look

LICENSE = "FunASR Model Licence 1.1"
ZH = ("zh-CN", "en")

CARDS = (
    ModelCard(
        name="paraformer-zh",
        summary="SeACo-Paraformer large: Mandarin with some English, hotwords, exact times",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        huggingface="funasr/paraformer-zh",
        word_times=True,
        hotwords=True,
    ),
    ModelCard(
        name="paraformer",
        summary="Paraformer large: Mandarin with some English, times to 60 ms",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        word_times=True,
    ),
    ModelCard(
        name="paraformer-long",
        summary="Paraformer large with exact times (BiCif): Mandarin with some English",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer-large-vad-punc_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        word_times=True,
    ),
    ModelCard(
        name="paraformer-contextual",
        summary="Contextual Paraformer large: Mandarin with some English, hotwords",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer-large-contextual_asr_nat-zh-cn-16k-common-vocab8404",
        word_times=True,
        hotwords=True,
    ),
    ModelCard(
        name="paraformer-en",
        summary="Paraformer large: English",
        languages=("en",),
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer-large-vad-punc_asr_nat-en-16k-common-vocab10020",
        huggingface="funasr/paraformer-en",
        word_times=True,
    ),
    ModelCard(
        name="paraformer-streaming",
        summary="Paraformer large, streaming: Mandarin with some English while it is spoken, times to 60 ms",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online",
        huggingface="funasr/paraformer-zh-streaming",
        word_times=True,
        streaming=True,
    ),
    ModelCard(
        name="paraformer-streaming-small",
        summary="Paraformer, streaming and small: Mandarin with some English while it is spoken",
        languages=ZH,
        license=LICENSE,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope="iic/speech_paraformer_asr_nat-zh-cn-16k-common-vocab8404-online",
        word_times=True,
        streaming=True,
    ),
)


def load(card: ModelCard, folder: Path | None, options: LoadOptions) -> Recognizer:
    from asr_plugins.paraformer.loading import load as load_folder

    assert folder is not None, "no Paraformer comes with the program"
    return load_folder(card, folder, options)


BACKEND = Backend(name="paraformer", models=CARDS, load=load, card_of=look)
