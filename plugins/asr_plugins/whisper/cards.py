"""The checkpoints of Whisper (Radford et al. 2022, arXiv:2212.04356) and Distil-Whisper (Gandhi et al. 2023,
arXiv:2311.00430) that were published.
"""

from dataclasses import fields, replace

from asr_cli.decoding import DecodingOptions
from asr_cli.hub.manifest import TRANSFORMERS
from asr_cli.models.look import COMPUTE_TYPES, DEVICES
from asr_cli.registry import ModelCard

FILES = (
    *TRANSFORMERS, "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "vocab.json",
    "merges.txt", "added_tokens.json", "README.md", "LICENSE*",
)  # fmt: skip
# English first, then as the models' tokens stand; large-v3 has one more, for Cantonese.
CODES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml"
    " cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am"
    " yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
LANGUAGES = tuple(CODES.split())
SAME = {"yue": "zh", "nb": "no", "jv": "jw"}  # what else a language is called, to a model without that code
EVERY = (*(field.name for field in fields(DecodingOptions)), "assistant_model")
UNTRANSLATED = tuple(name for name in EVERY if name != "task")
ENGLISH = ("en",)


def also_called(languages: tuple[str, ...]) -> tuple[str, ...]:
    """The languages with all codes that mean them, none twice.

    >>> also_called(("en", "zh", "no"))
    ('en', 'zh', 'no', 'yue', 'nb')
    """
    return (*languages, *(other for other, one in SAME.items() if one in languages and other not in languages))


WHISPER = ModelCard(
    name="whisper",
    summary="Whisper",
    languages=also_called(LANGUAGES),
    license="unknown",
    devices=DEVICES,
    compute_types=COMPUTE_TYPES,
    files=FILES,
    word_times=True,
    punctuation=True,
    hotwords=True,
    decoding=EVERY,
)


def openai(
    name: str, what: str, *aliases: str, mirrored: bool = False, english: bool = False, license: str = "Apache-2.0"
) -> ModelCard:
    """mirrored: on ModelScope, under the same name."""
    return replace(
        WHISPER,
        name=f"whisper-{name}",
        summary=f"Whisper of OpenAI, {what}",
        languages=ENGLISH if english else WHISPER.languages,
        license=license,
        huggingface=f"openai/whisper-{name}",
        modelscope=f"openai-mirror/whisper-{name}" if mirrored else None,
        aliases=aliases,
        decoding=UNTRANSLATED if english else EVERY,
    )


def distilled(name: str, what: str) -> ModelCard:
    return replace(
        WHISPER,
        name=f"distil-{name}",
        summary=f"Distil-Whisper, {what}",
        languages=ENGLISH,
        license="MIT",
        huggingface=f"distil-whisper/distil-{name}",
        aliases=(f"distil-whisper-{name}",),
        decoding=UNTRANSLATED,
    )


CARDS = (
    replace(
        openai("large-v3-turbo", "large-v3 with a short decoder: nearly as good, much faster",
               "large-v3-turbo", "turbo", "whisper-turbo", mirrored=True, license="MIT"),
        decoding=UNTRANSLATED,  # it never learned to
    ),
    openai("large-v3", "99 languages and Cantonese", "large-v3", "large", mirrored=True),
    openai("large-v2", "99 languages", "large-v2"),
    openai("large", "99 languages, the first of its size", "large-v1", "whisper-large-v1"),
    openai("medium", "99 languages, half the size of large", "medium", mirrored=True),
    openai("small", "99 languages, 244 million parameters", "small", mirrored=True),
    openai("base", "99 languages, 74 million parameters", "base", mirrored=True),
    openai("tiny", "99 languages, 39 million parameters", "tiny", mirrored=True),
    distilled("large-v3.5", "large-v3 with two layers of decoder: English, trained for longest"),
    distilled("large-v3", "large-v3 with two layers of decoder: English"),
    distilled("large-v2", "large-v2 with two layers of decoder: English"),
    distilled("medium.en", "medium.en with two layers of decoder: English"),
    distilled("small.en", "small.en with four layers of decoder: English"),
    openai("medium.en", "English", "medium.en", english=True),
    openai("small.en", "English, 244 million parameters", "small.en", english=True),
    openai("base.en", "English, 74 million parameters", "base.en", english=True),
    openai("tiny.en", "English, 39 million parameters", "tiny.en", english=True),
    replace(
        WHISPER, name="whisper-mini", summary="trained by this project on 450 words that synthesisers say, for tests",
        languages=ENGLISH, license="Apache-2.0", bundled=True, punctuation=False, decoding=UNTRANSLATED,
    ),
)  # fmt: skip


def card_named(model_id: str) -> ModelCard:
    """Of any Whisper on Hugging Face; what it hears is in its folder, so nothing is refused before."""
    owner, _, name = model_id.partition("/")
    return replace(
        WHISPER,
        name=model_id,
        summary=f"a Whisper of {owner}",
        languages=("und",),
        huggingface=model_id,
        decoding=UNTRANSLATED if name.endswith(".en") else EVERY,
    )
