"""The checkpoints of UniASR that were published: one architecture, a vocabulary for each language."""

from dataclasses import replace

from asr_cli.models.look import COMPUTE_TYPES, DEVICES
from asr_cli.registry import FUNASR_LICENSE, ModelCard

MODES = ("normal", "fast", "offline")
OFFLINE, ONLINE = "tensorflow1-offline", "tensorflow1-online"


def modes(name: str) -> tuple[str, ...]:
    """The modes it can decode in; first the one that a published name ends in.

    >>> modes("speech_UniASR_asr_2pass-ja-16k-common-vocab93-tensorflow1-offline")
    ('offline', 'normal', 'fast')
    """
    own = "fast" if name.endswith("-online") else "offline" if name.endswith("-offline") else MODES[0]
    return (own, *(mode for mode in MODES if mode != own))


def card(short: str, languages: tuple[str, ...], what: str, name: str, rate: int = 16_000) -> ModelCard:
    return ModelCard(
        name=f"uniasr-{short}",
        summary=f"UniASR: {what}, streaming and not",
        languages=languages,
        license=FUNASR_LICENSE,
        sample_rate=rate,
        devices=DEVICES,
        compute_types=COMPUTE_TYPES,
        modelscope=name,
        word_times=True,
        streaming=True,
        modes=modes(name),
    )


def common(short: str, what: str, n_tokens: int, ending: str = OFFLINE) -> ModelCard:
    """For a language whose checkpoint is called by its code."""
    return card(short, (short,), what, f"damo/speech_UniASR_asr_2pass-{short}-16k-common-vocab{n_tokens}-{ending}")


ZH = ("zh-CN", "en")
PREFIX = "damo/speech_UniASR_asr_2pass"
CARDS = (
    card("zh", ZH, "Mandarin with some English", f"{PREFIX}-zh-cn-16k-common-vocab8358-{OFFLINE}"),
    card(
        "zh-large", ZH, "Mandarin with some English, large",
        f"iic/speech_UniASR-large_asr_2pass-zh-cn-16k-common-vocab8358-{OFFLINE}",
    ),
    card("zh-8k", ZH, "Mandarin on the telephone", f"{PREFIX}-zh-cn-8k-common-vocab8358-{OFFLINE}", 8000),
    card("zh-8k-small", ("zh-CN",), "Mandarin on the telephone, few characters",
         f"{PREFIX}-zh-cn-8k-common-vocab3445-pytorch-offline", 8000),
    card("dialects", ("zh",), "dialects of Chinese", f"{PREFIX}-cn-dialect-16k-vocab8358-{OFFLINE}"),
    # Published by its streaming name only, and no worse for files than the others.
    replace(
        card("yue", ("yue",), "Cantonese in simplified characters",
             f"{PREFIX}-cantonese-CHS-16k-common-vocab1468-{ONLINE}"),
        modes=MODES,
    ),
    card("nan", ("nan",), "Southern Min", f"{PREFIX}-minnan-16k-common-vocab3825"),
    common("en", "English", 1080),
    common("ru", "Russian", 1664),
    common("ja", "Japanese", 93),
    common("ko", "Korean", 6400),
    common("id", "Indonesian", 1067),
    common("vi", "Vietnamese", 1001, "pytorch-offline"),
    common("es", "Spanish", 3445),
    common("pt", "Portuguese", 1617),
    common("fr", "French", 3472),
    common("de", "German", 3690),
    common("fa", "Persian", 1257, "pytorch-offline"),
    common("my", "Burmese", 696, "pytorch"),
    common("he", "Hebrew", 1085, "pytorch"),
    common("ur", "Urdu", 877, "pytorch"),
    common("tr", "Turkish", 1582, "pytorch"),
)  # fmt: skip
