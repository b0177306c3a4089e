import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from asr_cli import checkpoint
from asr_cli.errors import ModelError
from asr_cli.models.ct_punc import WEIGHTS, Config, CtPuncNet
from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.punctuation.tokens import tokens_of
from asr_cli.punctuation.weights import read_folder
from asr_cli.transcript import Segment, Word
from tests.tools.small_punc import (
    BIASES,
    MARKS,
    TOKENS,
    calls,
    config,
    published,
    texts,
    write_folder,
    write_old_folder,
)

FACTS = json.loads((Path(__file__).parent / "golden" / "funasr_punc.json").read_text(encoding="utf-8"))
OFFLINE = [variant for variant in BIASES if variant != "realtime"]
PUBLISHED = {
    "offline": {"num_blocks": 4}, "realtime": {"num_blocks": 3, "sanm_shfit": 5, "realtime": True},
}  # fmt: skip


def shapes(variant: str) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in FACTS[f"{variant}/shapes"].items()}


@pytest.fixture(scope="module", params=[write_folder, write_old_folder], ids=["since 1.0", "before 1.0"])
def punctuators(request, tmp_path_factory) -> dict[str, CtPunctuator]:
    root = tmp_path_factory.mktemp("puncs")
    models = {variant: read_folder(request.param(root / variant, variant, shapes(variant))) for variant in BIASES}
    return {variant: CtPunctuator(model.net, model.vocabulary) for variant, model in models.items()}


def spoken(text: str) -> list[Word]:
    """The words of a text, a second each."""
    return [Word(f" {word}", at, at + 1) for at, word in enumerate(text.split())]


def labels(punctuator: CtPunctuator, text: str) -> str:
    names = dict(zip(MARKS, range(6), strict=True)) | {"": 1}
    return "".join(str(names[one.mark]) for one in punctuator.marked([tokens_of(spoken(text))]))


@pytest.mark.parametrize("variant", OFFLINE)
def test_labels_are_those_of_funasr(punctuators: dict[str, CtPunctuator], variant: str) -> None:
    for text, (_, theirs) in zip(texts(), FACTS[variant], strict=True):
        assert labels(punctuators[variant], text) == theirs.replace("0", "1")


@pytest.mark.parametrize("variant", OFFLINE)
def test_text_is_that_of_funasr_but_for_its_mistakes(punctuators: dict[str, CtPunctuator], variant: str) -> None:
    for text, (theirs, _) in zip(texts(), FACTS[variant], strict=True):
        heard = tuple(Word(piece, 0, 0) for piece in re.findall(r"\s*[!-~]+|[^\x00-\x7f\s]", text))
        ours = "".join(segment.text for segment in punctuators[variant]([Segment(heard)]))
        # It writes "Ibm", labels that mean nothing, "、" after English, and at the end the stop of either script.
        assert bare(ours)[:-1].lower() == re.sub("(?<=[!-~])、", ",", bare(theirs)[:-1]).lower()
        assert ours[-1] in (".?" if ours[-2].isascii() else "。？")
        assert ours.count("IBM") == text.count("IBM")


def test_realtime_marks_are_those_of_funasr(punctuators: dict[str, CtPunctuator]) -> None:
    for said, theirs in zip(calls(), FACTS["realtime"], strict=True):
        ours = list(punctuators["realtime"].marked(tokens_of(spoken(text)) for text in said))
        # The end of all that is said ends a sentence; FunASR never gives its last mark.
        assert bare("".join(one.token.text + one.mark for one in ours)[:-1]) == bare("".join(theirs))


def bare(text: str) -> str:
    return text.replace("<unk>", "").replace(" ", "")


@pytest.mark.parametrize("variant", ["offline", "realtime"])
def test_the_map_covers_every_published_tensor_and_every_one_of_ours(variant: str) -> None:
    conf = PUBLISHED[variant]
    with torch.device("meta"):
        module = CtPuncNet(Config(272_727, **conf))
        theirs = {name: torch.empty(shape) for name, shape in published(conf["num_blocks"])}
    checkpoint.fill(module, theirs, WEIGHTS, Path("model.pt"))
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    assert (len(theirs), n_parameters) == {"offline": (57, 72_990_470), "realtime": (44, 72_197_894)}[variant]


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        ("model_conf", "lsm_weight", 0.1, "lsm_weight"),
        ("encoder_conf", "interctc_layer_idx", [1], "interctc_layer_idx"),
        ("encoder_conf", "input_layer", "conv2d", "input_layer"),
        ("model_conf", "sentence_end_id", 2, "punc_list"),
        ("encoder_conf", "input_size", 64, "wide"),
        ("encoder_conf", "num_blocks", 4, "missing"),
        ("encoder_conf", "num_blocks", 2, "not known"),
        ("encoder_conf", "attention_heads", 5, "heads"),
        ("encoder_conf", "attention_heads", 0, "attention_heads 0"),
        ("encoder_conf", "kernel_size", -1, "kernel_size -1"),
        ("encoder_conf", "sanm_shfit", 7, "too far"),
        ("model_conf", "punc_list", 7, "punc_list"),
        ("model_conf", "punc_list", ["<unk>", "_", "，", "。", "！"], "！"),
        (None, "encoder_conf", [1, 2], "encoder_conf is no table"),
        (None, "model_conf", "x", "model_conf is no table"),
        (None, "model", {"a": 1}, "no CT-Transformer"),
        (None, "encoder", "ConformerEncoder", "ConformerEncoder"),
        (None, "model", "Paraformer", "no CT-Transformer"),
    ],
)
def test_what_a_checkpoint_asks_for_and_nobody_here_knows_is_refused(
    tmp_path: Path, section: str | None, name: str, value: object, says: str
) -> None:
    write_folder(tmp_path, "offline", shapes("offline"))
    changed = config("offline")
    (changed[section] if section else changed)[name] = value
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ModelError, match=says):
        read_folder(tmp_path)


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, "offline", shapes("offline"))
    (tmp_path / "tokens.json").write_text(json.dumps(TOKENS[1:]), encoding="utf-8")
    with pytest.raises(ModelError, match="embed"):
        read_folder(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not say what is mapped")
def test_the_words_of_a_checkpoint_stay_on_the_disk(tmp_path: Path) -> None:
    model = read_folder(write_folder(tmp_path, "offline", shapes("offline")))
    assert model.net.embed.weight.data_ptr() in mapped(tmp_path / "model.pt")


def mapped(path: Path) -> range:
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
    first, last = lines[0][0].split("-")[0], lines[-1][0].split("-")[1]
    return range(int(first, 16), int(last, 16))
