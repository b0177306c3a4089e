"""Small CT-Transformers with seeded weights, the same for every interpreter: only the recipe is kept."""

import json
import random
from pathlib import Path
from typing import Any

import torch
import yaml

try:
    from tests.tools.small_paraformer import seeded
except ImportError:  # FunASR's interpreter runs the scripts of this folder alone
    from small_paraformer import seeded

CHINESE = (
    "今天的是不了人在有他这中大来上国个到说们为子和你地出道也时年"
    "得就那要下以生会自着去之过家学对可她里后小么心多都而能好"
)
ENGLISH = ["hello", "world", "i'm", "ibm", "a", "it's", "2024", "3.5", "transcription", "IBM"]
TOKENS = ["<blank>", "<s>", "</s>", *CHINESE, *ENGLISH[:7], "<unk>"]
MARKS = ["<unk>", "_", "，", "。", "？", "、"]
WIDTH = 32
# How much each mark is preferred: one network ends sentences often, the next hardly ever.
BIASES = {
    "offline": [-4.0, 3.0, 1.0, 0.0, -0.5, 0.0],
    "sparse": [-4.0, 5.0, 1.5, -4.0, -4.5, -1.0],
    "rough": [1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    "realtime": [-4.0, 3.0, 1.0, 0.5, 0.0, 0.0],
}


def config(variant: str) -> dict[str, Any]:
    realtime = variant == "realtime"
    return {
        "model": "CTTransformerStreaming" if realtime else "CTTransformer",
        "model_conf": {"ignore_id": 0, "embed_unit": WIDTH, "att_unit": WIDTH, "dropout_rate": 0.1,
                       "punc_list": MARKS, "punc_weight": [1.0] * len(MARKS), "sentence_end_id": 3},
        "encoder": "SANMVadEncoder" if realtime else "SANMEncoder",
        "encoder_conf": {"input_size": WIDTH, "output_size": WIDTH, "attention_heads": 4, "linear_units": 48,
                         "num_blocks": 3, "dropout_rate": 0.1, "positional_dropout_rate": 0.1,
                         "attention_dropout_rate": 0.0, "input_layer": "pe",
                         "pos_enc_class": "SinusoidalPositionEncoder", "normalize_before": True, "kernel_size": 11,
                         "sanm_shfit": 5 if realtime else 0, "selfattention_layer_type": "sanm", "padding_idx": 0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }  # fmt: skip


def weights(variant: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {**seeded(shapes.items()), "decoder.bias": torch.tensor(BIASES[variant])}


def texts() -> list[str]:
    """Chinese, English and both, of lengths around those where a block ends and a carried tail is cut."""
    dice = random.Random(5)
    found = ["你", "hello", "今天 hello"]
    for n_words in (2, 19, 20, 21, 39, 40, 41, 60, 150, 400, 900):
        for share in (0.0, 0.3, 1.0):
            found.append(" ".join(word(dice, share) for _ in range(n_words)))
    found.append("今天2024年3.5个人 i'm能说hello world去 IBM里出")
    return found


def word(dice: random.Random, share: float) -> str:
    if dice.random() < share:
        return dice.choice(ENGLISH)
    return "".join(dice.choices(CHINESE + "龘", k=dice.randint(1, 4)))


BLOCK = {
    "self_attn.linear_out.weight": (256, 256), "self_attn.linear_out.bias": (256,),
    "self_attn.linear_q_k_v.weight": (768, 256), "self_attn.linear_q_k_v.bias": (768,),
    "self_attn.fsmn_block.weight": (256, 1, 11),
    "feed_forward.w_1.weight": (1024, 256), "feed_forward.w_1.bias": (1024,),
    "feed_forward.w_2.weight": (256, 1024), "feed_forward.w_2.bias": (256,),
    "norm1.weight": (256,), "norm1.bias": (256,), "norm2.weight": (256,), "norm2.bias": (256,),
}  # fmt: skip
# Of a dictionary of jieba's: words, how frequent they are, what they are.
USER_WORDS = ["没有这个词 20 n", "语音识别", "时地就 7"]


def unspaced_texts() -> list[str]:
    """For networks that read whole words of unspaced text."""
    return [
        "今天天气怎么样",
        "今 天 天 气 怎 么 样 hello world 我 们 没 有 这 个 词",
        "他在做语音识别 it's 3.5 度 IBM吗 那时地就这样2024年了",
        "小明硕士毕业于中国科学院计算所 and then 后在日本京都大学深造",
    ]


def calls() -> list[list[str]]:
    """What is said to a realtime network, utterance after utterance."""
    dice = random.Random(6)
    return [
        [" ".join(word(dice, share) for _ in range(dice.choice((1, 2, 3, 6, 12, 30)))) for _ in range(15)]
        for share in (0.0, 0.3, 1.0)
    ]


def write_folder(folder: Path, variant: str, shapes: dict[str, tuple[int, ...]]) -> Path:
    """A checkpoint in FunASR's layout since 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config(variant), allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(TOKENS, ensure_ascii=False), encoding="utf-8")
    torch.save(weights(variant, shapes), folder / "model.pt")
    return folder


def write_old_folder(folder: Path, variant: str, shapes: dict[str, tuple[int, ...]]) -> Path:
    """The same checkpoint in the layout of before 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = [{"，": ",", "？": "?"}.get(mark, mark) for mark in MARKS]
    settings = {
        "model_conf": {"ignore_id": 0},
        "punctuation": "vad_realtime" if variant == "realtime" else "target_delay",
        "punctuation_conf": {"pos_enc": "sinusoidal", "embed_unit": WIDTH, "att_unit": WIDTH, "head": 4, "unit": 48,
                             "layer": 3, "dropout_rate": 0.1},
        "punc_list": marks,
        "token_list": TOKENS,
    }  # fmt: skip
    (folder / "punc.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    inner = {f"punc_model.{name}": tensor for name, tensor in weights(variant, shapes).items()}
    torch.save(inner, folder / "punc.pb")
    return folder


def published(n_blocks: int) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes as the public checkpoints of 272,727 words have them."""
    blocks = ["encoder.encoders0.0", *(f"encoder.encoders.{n}" for n in range(n_blocks - 1))]
    return [
        ("embed.weight", (272_727, 256)), ("decoder.weight", (6, 256)), ("decoder.bias", (6,)),
        ("encoder.after_norm.weight", (256,)), ("encoder.after_norm.bias", (256,)),
        *((f"{block}.{name}", shape) for block in blocks for name, shape in BLOCK.items()),
    ]  # fmt: skip
