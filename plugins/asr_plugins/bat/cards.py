"""The transducers that were published, and those that come with the program."""

from dataclasses import replace

from asr_cli.models.look import COMPUTE_TYPES, DEVICES
from asr_cli.registry import FUNASR_LICENSE, ModelCard

BAT = ModelCard(
    name="bat",
    summary="BAT, a transducer with a Conformer: Mandarin, trained on AISHELL-1",
    languages=("zh-CN",),
    license=FUNASR_LICENSE,
    devices=DEVICES,
    compute_types=COMPUTE_TYPES,
    modelscope="iic/speech_bat_asr-zh-cn-16k-aishell1-vocab4234-pytorch",
    word_times=True,
    modes=("beam", "greedy"),  # its own recipe's first
)
RWKV = replace(
    BAT,
    name="rwkv-bat",
    summary="RWKV-BAT, a streaming transducer with RWKV: Mandarin, trained on AISHELL-1",
    modelscope="damo/speech_rwkv_bat_asr-zh-cn-16k-aishell1-vocab4234-pytorch",
    streaming=True,
)
BAT_TINY = replace(
    BAT,
    name="bat-tiny",
    summary="BAT of this project: a few hundred English words of synthesised speech",
    languages=("en",),
    license="Apache-2.0",
    bundled=True,
    modelscope=None,
    streaming=True,
)
RWKV_TINY = replace(
    BAT_TINY,
    name="rwkv-bat-tiny",
    summary="RWKV-BAT of this project: a few hundred English words of synthesised speech",
)
CARDS = (BAT, RWKV, BAT_TINY, RWKV_TINY)
