"""What models are and can do: the card, and those of the models beside recognisers, which are a fixed list."""

from dataclasses import dataclass

N_GUESSED = 4  # languages; of a model that knows more, nobody can guess the one that is spoken


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model is and can do; everything `asr models` shows."""

    name: str
    summary: str
    languages: tuple[str, ...]  # BCP 47, most specific form the model was made for
    license: str
    sample_rate: int = 16_000
    devices: tuple[str, ...] = ("cpu",)  # kinds it can run on: cpu, cuda, mps
    compute_types: tuple[str, ...] = ()  # it can be put into, beside "auto"
    bundled: bool = False  # its weights come with an installed package: usable without a network
    kind: str = "recognizer"  # or "vad", "punctuation"
    modelscope: str | None = None  # "owner/name"
    modelscope_revision: str = "master"
    huggingface: str | None = None
    huggingface_revision: str = "main"
    files: tuple[str, ...] = ()  # patterns of the files it needs; none for those of FunASR's layout
    word_times: bool = False
    punctuation: bool = False  # its text has punctuation
    streaming: bool = False
    modes: tuple[str, ...] = ()  # in which it can decode, its own first
    hotwords: bool = False
    decoding: tuple[str, ...] = ()  # fields of DecodingOptions that it knows, and perhaps "assistant_model"
    aliases: tuple[str, ...] = ()  # other names that people know it by

    @property
    def names(self) -> tuple[str, ...]:
        """What it answers to: its name, its other names, and its ids on the hubs."""
        return tuple(name for name in (self.name, *self.aliases, self.modelscope, self.huggingface) if name)

    @property
    def prompt(self) -> bool:
        return "initial_prompt" in self.decoding

    @property
    def translate(self) -> bool:
        return "task" in self.decoding

    @property
    def usual_language(self) -> str | None:
        """What is taken to be spoken where nobody says; None of a model that knows too many languages to guess."""
        return self.languages[0] if len(self.languages) <= N_GUESSED else None


FUNASR_LICENSE = "FunASR Model Licence 1.1"

VAD_CARDS = (
    ModelCard(
        name="fsmn-vad",
        kind="vad",
        summary="FSMN-VAD of the FunASR project",
        languages=("und",),
        license=FUNASR_LICENSE,
        modelscope="iic/speech_fsmn_vad_zh-cn-16k-common-pytorch",
        huggingface="funasr/fsmn-vad",
        streaming=True,
    ),
    ModelCard(
        name="fsmn-vad-mini",
        kind="vad",
        summary="FSMN-VAD trained by this project on synthesised speech",
        languages=("und",),
        license="Apache-2.0",
        bundled=True,
        streaming=True,
    ),
)

PUNC_CARDS = (
    ModelCard(
        name="ct-punc",
        kind="punctuation",
        summary="CT-Transformer of the FunASR project, large, Chinese and English",
        languages=("zh", "en"),
        license=FUNASR_LICENSE,
        modelscope="iic/punc_ct-transformer_cn-en-common-vocab471067-large",
        huggingface="funasr/ct-punc",
        punctuation=True,
    ),
    ModelCard(
        name="ct-punc-c",
        kind="punctuation",
        summary="CT-Transformer of the FunASR project, a quarter of the size, Chinese",
        languages=("zh",),
        license=FUNASR_LICENSE,
        modelscope="iic/punc_ct-transformer_zh-cn-common-vocab272727-pytorch",
        punctuation=True,
    ),
    ModelCard(
        name="ct-punc-en-mini",
        kind="punctuation",
        summary="CT-Transformer trained by this project on public-domain books",
        languages=("en",),
        license="Apache-2.0",
        bundled=True,
        punctuation=True,
    ),
)
COMPANIONS = {
    "vad": ("VAD", "--vad-model"),
    "punctuation": ("punctuation", "--punc-model"),
}  # what they are, who takes them
