"""What FunASR's own CT-Transformers give, written to tests/golden.

usage: FUNASR_PYTHON funasr_punc.py              small seeded networks      (funasr==1.4.16; takes seconds)
       FUNASR_PYTHON funasr_punc.py FOLDER PLAN  a checkpoint's labels and seconds for the texts of a JSON file
"""

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import torch
import yaml
from funasr_vad import torchaudio_without_its_library
from small_punc import BIASES, TOKENS, USER_WORDS, calls, config, texts, unspaced_texts, weights

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODULES = ("sanm.encoder", "ct_transformer.model", "ct_transformer_streaming.model", "ct_transformer_streaming.encoder")


def main() -> None:
    torchaudio_without_its_library()
    for module in MODULES:
        import_module(f"funasr.models.{module}")
    torch.set_num_threads(1)
    with torch.inference_mode():
        if len(sys.argv) > 1:
            measure(Path(sys.argv[1]), Path(sys.argv[2]))
        else:
            small()


def small() -> None:
    facts: dict[str, object] = {}
    for variant in BIASES:
        model = build(config(variant), len(TOKENS))
        shapes = {name: tuple(x.shape) for name, x in model.state_dict().items()}
        facts[f"{variant}/shapes"] = {name: list(shape) for name, shape in shapes.items()}
        model.load_state_dict(weights(variant, shapes))
        hear = reader(model, TOKENS)
        if variant == "realtime":
            facts[variant] = [[hear(text, cache)["text"] for text in said] for said, cache in fresh(calls())]
        else:
            facts[variant] = [[(found := hear(text))["text"], digits(found["punc_array"])] for text in texts()]
    facts["words"] = whole_words()
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items())
    (GOLDEN / "funasr_punc.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")


def whole_words() -> list[list[str]]:
    import jieba
    from funasr.models.ct_transformer.utils import split_words

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(USER_WORDS) + "\n")
        file.flush()
        jieba.load_userdict(file.name)
    return [split_words(text, jieba_usr_dict=jieba) for text in unspaced_texts()]


def digits(labels: torch.Tensor) -> str:
    return "".join(map(str, labels.tolist()))


def fresh(conversations):  # type: ignore[no-untyped-def]
    return [(said, {}) for said in conversations]


def build(conf, n_tokens):  # type: ignore[no-untyped-def]
    from funasr.register import tables

    kind = tables.model_classes[conf["model"]]
    return kind(
        encoder=conf["encoder"], encoder_conf=dict(conf["encoder_conf"]), vocab_size=n_tokens, **conf["model_conf"]
    ).eval()


def reader(model, tokens):  # type: ignore[no-untyped-def]
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    tokenizer = CharTokenizer(token_list=list(tokens), unk_symbol="<unk>")

    def hear(text, cache=None):  # type: ignore[no-untyped-def]
        more = {} if cache is None else {"cache": cache}
        return model.inference([text], key=["x"], tokenizer=tokenizer, device="cpu", **more)[0][0]

    return hear


def measure(folder: Path, plan: Path) -> None:
    conf = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    model = build(conf, len(tokens))
    model.load_state_dict(torch.load(folder / "model.pt"))
    hear = reader(model, tokens)
    found = []
    for text in json.loads(plan.read_text(encoding="utf-8")):
        begun = time.perf_counter()
        labels = hear(text)["punc_array"].tolist()
        found.append({"labels": labels, "seconds": time.perf_counter() - begun})
    plan.with_suffix(".out.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
