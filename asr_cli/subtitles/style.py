"""What a subtitle should look like: the numbers of the public style guides, by language."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asr_cli.errors import UsageError

FRAME = 0.1  # seconds; nothing shorter is seen at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a cue may look. Widths in display columns (a CJK character takes two), times in seconds.

    linger: how long a cue stays after its last word, where there is silence.
    max_cps: reading units a second (`columns.reading_units`); never enforced, only reported.
    """

    max_line_width: int = 42
    max_line_count: int = 2
    max_words_per_line: int | None = None
    min_duration: float = 0.83  # five sixths of a second, 20 frames of film
    max_duration: float = 7.0
    min_gap: float = 0.083  # two frames of film: the eye must see that the text changed
    linger: float = 0.5
    max_cps: float = 20.0

    def __post_init__(self) -> None:
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1")
        for name in ("min_duration", "min_gap", "linger", "max_cps"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must not be negative")
        if not self.max_duration >= max(self.min_duration, FRAME):
            shortest = max(self.min_duration, FRAME)
            raise UsageError(f"max_duration is {self.max_duration} s; it must be at least {shortest} s")


PRESETS: dict[str, dict[str, Any]] = {
    "en": {"max_line_width": 42, "max_cps": 20.0},
    "zh": {"max_line_width": 32, "max_cps": 9.0},
    "ja": {"max_line_width": 32, "max_cps": 7.0},  # verbatim captions
    "netflix-ja": {"max_line_width": 26, "max_cps": 4.0},  # translated subtitles
}


def preset(name: str, **changes: Any) -> Style:
    """The style of that name, with some of its fields changed."""
    if name not in PRESETS:
        raise UsageError(f"no preset is named {name!r}; there are {', '.join(PRESETS)}")
    unknown = changes.keys() - Style.__dataclass_fields__.keys()
    if unknown:
        raise UsageError(f"a subtitle style has no {', '.join(sorted(unknown))}")
    return Style(**(PRESETS[name] | changes))


# A style, or a choice made by looking at the text to lay out.
Styling = Style | Callable[[str], Style]

KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
LETTER = re.compile(r"[^\W\d_]")


def script(text: str) -> str:
    """Whose rules `text` wants, by its letters: "ja", "zh", or "en" for all spaced scripts.

    >>> script("今天天气很好"), script("今日は良い天気です"), script("a fine day"), script("用 iPhone 拍的")
    ('zh', 'ja', 'en', 'zh')
    """
    n_kana, n_han = len(KANA.findall(text)), len(HAN.findall(text))
    n_other = len(LETTER.findall(text)) - n_kana - n_han
    # A Latin word has about five letters where an ideograph is nearly one.
    if n_kana + n_han == 0 or (n_kana + n_han) * 5 < n_other:
        return "en"
    return "ja" if n_kana * 10 > n_han else "zh"


@dataclass(frozen=True, slots=True)
class ByScript:
    """A choice of style by the letters of the text; a value like a style, so that it can be compared and sent."""

    en: Style
    zh: Style
    ja: Style

    def __call__(self, text: str) -> Style:
        choice: Style = getattr(self, script(text))
        return choice


def by_script(**changes: Any) -> ByScript:
    """A chooser: the preset that the letters ask for, with some fields changed."""
    return ByScript(**{name: preset(name, **changes) for name in ("en", "zh", "ja")})


def for_language(language: str | None, **changes: Any) -> Styling:
    """The style of a BCP 47 language; None looks at the text."""
    if language is None:
        return by_script(**changes)
    primary = language.partition("-")[0].lower()
    name = "zh" if primary in ("zh", "yue", "wuu") else "ja" if primary == "ja" else "en"
    return preset(name, **changes)


def choose(style: Styling, text: str) -> Style:
    return style if isinstance(style, Style) else style(text)
