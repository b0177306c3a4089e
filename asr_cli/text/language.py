"""What people call languages, as codes.

>>> code("Chinese"), code("zh_CN"), code("EN"), code("auto")
('zh', 'zh-CN', 'en', None)
"""

from asr_cli.errors import UsageError

NAMES = {
    "arabic": "ar", "burmese": "my", "cantonese": "yue", "chinese": "zh", "mandarin": "zh", "czech": "cs",
    "dutch": "nl",
    "english": "en", "french": "fr", "german": "de", "hebrew": "he", "hindi": "hi", "indonesian": "id", "italian": "it",
    "japanese": "ja", "korean": "ko", "persian": "fa", "polish": "pl", "portuguese": "pt", "russian": "ru",
    "spanish": "es", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip


def code(name: str | None) -> str | None:
    """The BCP 47 code of a language's name or code; None for "let the program decide"."""
    if name is None or name.lower() in ("", "auto", "none"):
        return None
    if name.lower() in NAMES:
        return NAMES[name.lower()]
    language, _, region = name.replace("_", "-").partition("-")
    if not (language.isascii() and language.isalpha() and 2 <= len(language) <= 3):
        raise UsageError(f"{name!r} is no language; use a code such as en, zh or ja, or a name such as English")
    return language.lower() + (f"-{region.upper()}" if region else "")


def speaks(languages: tuple[str, ...], wanted: str | None) -> bool:
    """Whether a model of `languages` can be asked for `wanted`; "und" is whatever its folder does not say.

    >>> speaks(("en-US",), "en"), speaks(("en-US",), "en-GB"), speaks(("zh", "en"), "ja"), speaks(("en",), None)
    (True, True, False, True)
    >>> speaks(("und",), "ja")
    True
    """
    if wanted is None or "und" in languages:
        return True
    return wanted.partition("-")[0] in {language.partition("-")[0] for language in languages}
