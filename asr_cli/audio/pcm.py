"""Raw samples: what has no header must be told."""

from dataclasses import dataclass
from typing import Self

from asr_cli.errors import UsageError

SAMPLE_FORMATS = (
    "s16le", "s16be", "u8", "s8", "s24le", "s24be", "s32le", "s32be",
    "f32le", "f32be", "f64le", "f64be", "alaw", "mulaw",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How raw samples are stored."""

    sample_rate: int
    channels: int = 1
    sample_format: str = "s16le"  # one of SAMPLE_FORMATS

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        >>> PcmFormat.parse("8000:2:mulaw")
        PcmFormat(sample_rate=8000, channels=2, sample_format='mulaw')
        """
        rate, _, rest = text.partition(":")
        channels, _, sample_format = rest.partition(":")
        sample_format = sample_format or "s16le"
        channels = channels or "1"
        if not (is_count(rate) and is_count(channels) and sample_format in SAMPLE_FORMATS):
            raise UsageError(
                f"{text!r} is no raw format; write rate:channels:format as in 16000:1:s16le"
                f" (formats: {', '.join(SAMPLE_FORMATS)})"
            )
        return cls(int(rate), int(channels), sample_format)


def is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 10_000_000
