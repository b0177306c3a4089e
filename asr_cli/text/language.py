"""What people call languages, as codes.

>>> code("Chinese"), code("zh_CN"), code("EN"), code("auto"), code("nb-no")
('zh', 'zh-CN', 'en', None, 'no-NO')
"""

from collections.abc import Sequence

from asr_cli.errors import UsageError

NAMES = {
    "afrikaans": "af", "albanian": "sq", "amharic": "am", "arabic": "ar", "armenian": "hy", "assamese": "as",
    "azerbaijani": "az", "bashkir": "ba", "basque": "eu", "belarusian": "be", "bengali": "bn", "bangla": "bn",
    "bosnian": "bs", "breton": "br", "bulgarian": "bg", "burmese": "my", "myanmar": "my", "cantonese": "yue",
    "catalan": "ca", "valencian": "ca", "chinese": "zh", "mandarin": "zh", "croatian": "hr", "czech": "cs",
    "danish": "da", "dutch": "nl", "flemish": "nl", "english": "en", "estonian": "et", "faroese": "fo", "finnish": "fi",
    "french": "fr", "galician": "gl", "georgian": "ka", "german": "de", "greek": "el", "gujarati": "gu",
    "haitian creole": "ht", "haitian": "ht", "hausa": "ha", "hawaiian": "haw", "hebrew": "he", "hindi": "hi",
    "hungarian": "hu", "icelandic": "is", "indonesian": "id", "italian": "it", "japanese": "ja", "javanese": "jw",
    "kannada": "kn", "kazakh": "kk", "khmer": "km", "korean": "ko", "lao": "lo", "latin": "la", "latvian": "lv",
    "lingala": "ln", "lithuanian": "lt", "luxembourgish": "lb", "letzeburgesch": "lb", "macedonian": "mk",
    "malagasy": "mg", "malay": "ms", "malayalam": "ml", "maltese": "mt", "maori": "mi", "marathi": "mr",
    "mongolian": "mn", "nepali": "ne", "norwegian": "no", "bokmal": "no", "nynorsk": "nn", "occitan": "oc",
    "pashto": "ps", "pushto": "ps", "persian": "fa", "farsi": "fa", "polish": "pl", "portuguese": "pt",
    "punjabi": "pa", "panjabi": "pa", "romanian": "ro", "moldavian": "ro", "moldovan": "ro", "russian": "ru",
    "sanskrit": "sa", "serbian": "sr", "shona": "sn", "sindhi": "sd", "sinhala": "si", "sinhalese": "si",
    "slovak": "sk", "slovenian": "sl", "somali": "so", "spanish": "es", "castilian": "es", "sundanese": "su",
    "swahili": "sw", "swedish": "sv", "tagalog": "tl", "filipino": "tl", "tajik": "tg", "tamil": "ta", "tatar": "tt",
    "telugu": "te", "thai": "th", "tibetan": "bo", "turkish": "tr", "turkmen": "tk", "ukrainian": "uk", "urdu": "ur",
    "uzbek": "uz", "vietnamese": "vi", "welsh": "cy", "yiddish": "yi", "yoruba": "yo",
    # Codes that others write, as the models have them.
    "jv": "jw", "nb": "no", "fil": "tl", "iw": "he",
}  # fmt: skip
N_LISTED = 8  # languages that a sentence names


def code(name: str | None) -> str | None:
    """The BCP 47 code of a language's name or code; None for "let the program decide"."""
    if name is None or name.lower() in ("", "auto", "none"):
        return None
    if name.lower() in NAMES:
        return NAMES[name.lower()]
    language, _, region = name.replace("_", "-").partition("-")
    if not (language.isascii() and language.isalpha() and 2 <= len(language) <= 3):
        raise UsageError(f"{name!r} is no language; use a code such as en, zh or ja, or a name such as English")
    return NAMES.get(language.lower(), language.lower()) + (f"-{region.upper()}" if region else "")


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


def listed(languages: Sequence[str]) -> str:
    """
    >>> listed(("en", "zh")), listed(("xx",) * 100)
    ('en, zh', '100 languages')
    """
    return ", ".join(languages) if len(languages) <= N_LISTED else f"{len(languages)} languages"
