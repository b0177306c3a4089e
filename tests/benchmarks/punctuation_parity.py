"""CT-Transformer at its published size beside FunASR's own: the same labels, and what they cost.

usage: punctuation_parity.py FUNASR_PYTHON [SHARED_DATA]      (an interpreter with funasr==1.4.16)

The weights are seeded random numbers under the published names: 272,727 words, 73 million parameters. The text is
Chinese prose without its marks, and English. Where no mark is ever found, FunASR's cost grows as the square of the
text: such texts are short here.
"""

import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from small_punc import published

from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.punctuation.tokens import tokens_of
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.data.prose import tokens
from asr_cli.transcript import Word

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parents[1] / "shared" / "data"
# A network that ends a sentence now and then, and one that never does; and for how many characters.
NETWORKS = {
    "usual": ([-9.0, 3.0, 1.0, 0.0, -0.5, 0.0], (1_000, 10_000)),
    "no marks": ([-9.0, 30.0, 0.0, 0.0, 0.0, 0.0], (1_000, 3_000)),
}


def write_checkpoint(folder: Path, data: Path, bias: list[float]) -> None:
    words = Vocabulary.from_file(data / "configs" / "ct-punc-272727" / "tokens.txt").tokens
    config = (data / "configs" / "funasr-templates" / "ct_transformer.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(config)
    settings["model_conf"]["punc_list"] = ["<unk>", "_", "，", "。", "？", "、"]
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(words), encoding="utf-8")
    torch.save(weights(len(words), bias), folder / "model.pt")


def weights(n_words: int, bias: list[float]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in published(4):
        size = (n_words, *shape[1:]) if name == "embed.weight" else shape
        found[name] = torch.randn(size, generator=generator) / (shape[-1] ** 0.5 if len(shape) > 1 else 10)
        found[name] += float("norm" in name and name.endswith("weight"))
    found["decoder.weight"] *= 2
    found["decoder.bias"] = torch.tensor(bias)
    return found


def texts(data: Path, sizes: tuple[int, ...]) -> list[str]:
    novel = next((data / "text" / "zh").glob("*.txt")).read_text(encoding="utf-8")
    chinese = "".join(character for character in islice(novel, 40_000) if "一" <= character <= "鿿")
    book = (data / "text" / "en" / "the_time_machine.txt").read_text(encoding="utf-8")
    english = " ".join(token.word for token in islice(tokens(book), 4_000))
    return [text[:size] for size in sizes for text in (chinese, english)]


def main() -> None:
    python, data = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else SHARED
    torch.set_num_threads(1)
    print("| network | text | labels that differ | FunASR | ours |")
    print("|---|---|---|---|---|")
    for name, (bias, sizes) in NETWORKS.items():
        with tempfile.TemporaryDirectory() as directory:
            folder = Path(directory)
            write_checkpoint(folder, data, bias)
            plan = folder / "plan.json"
            plan.write_text(json.dumps(texts(data, sizes)), encoding="utf-8")
            subprocess.run([python, ROOT / "tools" / "funasr_punc.py", folder, plan], check=True)
            theirs = json.loads(plan.with_suffix(".out.json").read_text(encoding="utf-8"))
            punctuator = CtPunctuator.from_folder(folder)
            for text, found in zip(texts(data, sizes), theirs, strict=True):
                compare(name, text, found, punctuator)


def compare(name: str, text: str, theirs: dict[str, object], punctuator: CtPunctuator) -> None:
    numbers = {mark: index for index, mark in enumerate(punctuator.net.config.punc_list)} | {"": 1}
    begun = time.perf_counter()
    read = tokens_of([Word(text, 0.0, 0.0)])
    ours = [numbers[one.mark] for one in punctuator.marked([read])]
    seconds = time.perf_counter() - begun
    labels = theirs["labels"]
    assert isinstance(labels, list) and len(labels) == len(ours)
    n_different = sum(a != b for a, b in zip(labels, ours, strict=True))
    script = "English" if text.isascii() else "Chinese"
    print(f"| {name} | {script}, {len(text):,} characters, {len(ours):,} tokens | {n_different} |"
          f" {theirs['seconds']:.2f} s | {seconds:.2f} s |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
