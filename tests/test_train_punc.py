import json
import random
from pathlib import Path

import pytest
import torch
import yaml

from asr_cli import checkpoint
from asr_cli.errors import InputError, ModelError, UsageError
from asr_cli.models.ct_punc import WEIGHTS
from asr_cli.nn.rows import Rows
from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train import events
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.data.marks import labels_of, paragraphs_of, tokens_and_marks
from asr_cli.train.data.material import find_material
from asr_cli.train.data.prose_marks import Mistakes
from asr_cli.train.loop import train
from asr_cli.train.tasks.punctuator import Stretch, build, collate
from asr_cli.transcript import Segment, Word
from tests.tools.small_punc import MARKS, TOKENS, config, write_folder, write_old_folder

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
SHAPES = {
    variant: {name: tuple(shape) for name, shape in found.items()}
    for variant in ("offline", "realtime")
    for found in [json.loads((Path(__file__).parent / "golden" / "funasr_punc.json").read_text())[f"{variant}/shapes"]]
}
QUICK = ("max_steps=100", "validate_every=50", "save_every=10", "warmup_steps=10", "batch_words=300", "max_tokens=40",
         "workers=0", "mistakes=0", "vocabulary.size=60", "model_conf.att_unit=32", "model_conf.embed_unit=32",
         "encoder_conf.input_size=32", "encoder_conf.output_size=32", "encoder_conf.linear_units=64",
         "encoder_conf.num_blocks=2", "encoder_conf.dropout_rate=0.0", "lr=0.005")  # fmt: skip


def prose(n: int, seed: int) -> str:
    """A language in which a mark depends on what stands before it and after."""
    chance = random.Random(seed)
    said = []
    for _ in range(n):
        words = [chance.choice(("red", "blue", "green", "black")) for _ in range(chance.randint(2, 5))]
        middle = chance.choice((" pause", " pause, and"))
        said.append(f"The {' '.join(words)}{middle} {words[0]} {chance.choice(('now?', 'end.'))}")
    return " ".join(said)


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    for seed in range(2):
        (folder / f"{seed}.txt").write_text(f"A HEADING\n\n{prose(80, seed)}\n\n{prose(60, seed + 7)}\n")
    (folder / "valid.jsonl").write_text("".join(json.dumps({"text": prose(5, seed)}) + "\n" for seed in range(20, 25)))
    return folder


def run(books, out, *changes, recipe="ct-punc-tiny", init=None):
    quick = [one for one in QUICK if init is None or "_conf" not in one]
    found = read_recipe(recipe, [*quick, *changes])
    data, valid = (str(books),), (str(books / "valid.jsonl"),)
    return Run(recipe=found, data=data, valid=valid, out=out, init=init, device="cpu")


@pytest.fixture(scope="module")
def learned(books, tmp_path_factory):
    out = tmp_path_factory.mktemp("learned") / "run"
    return out, list(train(run(books, out)))


def test_marks_are_learned_in_seconds(learned):
    told = learned[1]
    finished = told[-1]
    assert isinstance(finished, events.Finished)
    assert finished.metric == "1-F1" and finished.rate < 0.02
    assert (told[0].unit, told[0].seconds) == ("stretches", 0.0)
    last = [one for one in told if isinstance(one, events.Validated)][-1]
    assert last.parts.keys() == {"F1 ，", "F1 。", "F1 ？"}
    assert finished.use == "asr transcribe --punc-model {} FILE"


def test_what_was_learned_punctuates(learned):
    punctuator = CtPunctuator.from_folder(learned[0] / "model")
    text = "the red blue pause and red end the green black pause green now the red red pause red end the blue blue end"
    words = tuple(Word(f" {word}", at, at + 0.5) for at, word in enumerate(text.split()))
    said = "".join(one.text for one in punctuator([Segment(words)])).lower()
    assert [one for one in said if one in ",.?，。？"] in ([*",.?.."], [*"，。？。。"])


def test_a_model_is_a_folder_as_funasr_has_them(learned):
    folder = learned[0] / "model"
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["model"] == "CTTransformer" and settings["tokenizer"] == "CharTokenizer" and "train" not in settings
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "model.pt", "model.safetensors", "tokens.json"}
    assert checkpoint.read(folder / "model.pt").keys() >= {"embed.weight", "decoder.weight", "encoder.after_norm.bias"}
    tokens = json.loads((folder / "tokens.json").read_text())
    assert tokens[:3] == ["<blank>", "<s>", "</s>"] and {"red", "pause", "<unk>"} < set(tokens)


def test_a_run_that_is_left_goes_on_as_if_it_had_not(books, tmp_path):
    weights = []
    for name, n_events in (("whole", None), ("left", 17)):
        asked = run(books, tmp_path / name, "max_steps=20", "mistakes=0.2")
        if n_events:
            going = train(asked)
            for _ in range(n_events):
                next(going)
            going.close()
        list(train(asked))
        weights.append(checkpoint.read(tmp_path / name / "model" / "model.pt"))
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("variant", "write"), [("offline", write_folder), ("realtime", write_old_folder)])
def test_a_checkpoint_is_fine_tuned_whatever_its_layout(books, tmp_path, variant, write):
    init = write(tmp_path / "init", variant, SHAPES[variant])
    told = list(train(run(books, tmp_path / "run", "max_steps=3", "lr=1e-6", recipe=None, init=init)))
    assert isinstance(told[-1], events.Finished) and told[0].n_tokens == len(TOKENS)
    before = CtPunctuator.from_folder(init).net.state_dict()
    found = CtPunctuator.from_folder(tmp_path / "run" / "model")
    assert found.net.config.realtime == (variant == "realtime")
    assert all(torch.allclose(one, before[name], atol=1e-4) for name, one in found.net.state_dict().items())
    assert not all(torch.equal(one, before[name]) for name, one in found.net.state_dict().items())


def task(variant, **model_conf):
    settings = config(variant)
    settings["model_conf"] |= model_conf
    made = build(settings, Path("config.yaml"), Vocabulary(TOKENS), None)
    chance = torch.Generator().manual_seed(3)
    tensors = {name: torch.randn(shape, generator=chance) * 0.2 for name, shape in SHAPES[variant].items()}
    checkpoint.fill(made.net, tensors, WEIGHTS, Path("model.pt"))
    made.net.eval()
    return made


def stretches():
    chance = random.Random(4)
    for length, heard in ((9, 0), (14, 5), (6, 3)):
        ids, labels = ([chance.randrange(3, 40) for _ in range(length)], [chance.randint(1, 5) for _ in range(length)])
        yield Stretch("a", tuple(ids), tuple(labels), heard, "")


@pytest.mark.parametrize("variant", ["offline", "realtime"])
def test_training_reads_as_the_model_itself_does(variant):
    ours, batch = task(variant), collate(list(stretches()))
    with torch.no_grad():
        wanted, _ = ours.net(batch.ids, Rows(batch.lengths), list(batch.heard))
        assert torch.allclose(ours.logits(ours.net, batch), wanted, atol=1e-5)
        ours.net.train()
        assert not torch.allclose(ours.logits(ours.net, batch), wanted, atol=1e-2)


def test_the_loss_is_a_mean_over_tokens_whatever_they_weigh():
    weights = [1.0, 1.0, 2.0, 1.5, 3.0, 0.5]
    ours, batch = task("offline", punc_weight=weights), collate(list(stretches()))
    logs = ours.logits(ours.net, batch).log_softmax(1)
    wanted = sum(-weights[label] * logs[at, label] for at, label in enumerate(batch.labels.tolist())) / len(batch.ids)
    losses = ours.losses(batch, ours.net)
    assert losses.total.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert losses.weight == len(batch.ids) == 29
    with pytest.raises(ModelError, match="punc_weight"):
        task("offline", punc_weight=[1.0])


@pytest.mark.parametrize(
    ("text", "tokens", "marks"),
    [
        ("Well, well! Who's there?", "well well who's there", "， 。 - ？"),
        ("他说：“好。”我走了", "他 说 好 我 走 了", "- ， 。 - - 。"),
        ("Mr. Smith -- he paid 3.5 million; and left", "mr smith he paid 3.5 million and left", "- ， - - - ， - 。"),
        ("用 iPhone 打、拍吗？不……", "用 iphone 打 拍 吗 不", "- - 、 - ？ 。"),
        ("ＡＢＣ、１２、「はい。」", "abc 12 は い", "、 、 - 。"),
    ],
)
def test_marks_are_taken_from_a_text_and_stand_behind_their_words(text, tokens, marks):
    found = tokens_and_marks(text)
    assert found == (tokens.split(), [mark.strip("-") for mark in marks.split()])


def test_words_a_network_reads_whole_carry_the_mark_of_their_last_character():
    found = tokens_and_marks("今天天气好，你好吗？", lambda text: ["今天", "天气", "好", "你好", "吗"])
    assert found == (["今天", "天气", "好", "你好", "吗"], ["", "", "，", "", "？"])


def test_marks_that_a_network_lacks_are_said_with_the_nearest():
    assert labels_of(MARKS) == {"": 1, "，": 2, "。": 3, "？": 4, "、": 5}
    assert labels_of(["<unk>", "_", ",", "。"]) == {"": 1, "，": 2, "。": 3, "？": 3, "、": 2}


def test_headings_are_no_prose():
    text = "CHAPTER I\n\nIt was late,\nand cold.\n\n第一回　土不制水\n却说那年有个游客，名叫老残。\n此人姓铁"
    assert paragraphs_of(text) == ["It was late, and cold.", "却说那年有个游客，名叫老残。"]


def test_what_is_misheard_keeps_its_marks():
    ids, labels = list(range(10, 210)), [1, 1, 2, 1, 3] * 40
    mistakes = Mistakes(0.5, unknown=5, none=1)
    assert Mistakes(0.0, unknown=5, none=1)(ids, labels, ids, random.Random(1)) == (ids, labels)
    lengths = set()
    for seed in range(8):
        found, after = mistakes(ids, labels, ids, random.Random(seed))
        assert len(found) == len(after) and found != ids
        assert abs(after.count(3) - 40) <= 4  # two marks of which one is lost are rare
        lengths.add(len(found))
    assert len(lengths) > 3


def test_every_word_is_measured_on_once(books, tmp_path):
    asked = run(books, tmp_path)
    found = find_material(asked, asked.recipe.architecture)
    records, _ = found.read(asked.valid)
    found.begin(records)
    task = found.build()
    items = found.items(records)
    corpus = found.corpus(task, items, by_chance=False)
    texts = " ".join(corpus[0, at].text for at in range(len(items))).split()
    said = " ".join(json.loads(line)["text"] for line in (books / "valid.jsonl").read_text().splitlines())
    assert texts == said.lower().replace(",", "").replace(".", "").replace("?", "").split()


def test_data_that_is_no_prose_is_refused(books, tmp_path):
    (tmp_path / "bare.txt").write_text("no marks at all and no end\n\n" * 3)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.jsonl").write_text('{"txt": "x"}\n')
    (tmp_path / "half.jsonl").write_text('{"text": "so \\ud83d it is."}\n')
    for name, kind, says in (
        ("bare.txt", UsageError, "no text to make a vocabulary|nothing to train"),
        ("empty", InputError, "holds no text"),
        ("gone", InputError, "there is no"),
        ("a.jsonl", UsageError, 'no "text" in it'),
        ("half.jsonl", UsageError, "its text is not UTF-8"),
    ):
        asked = Run(
            recipe=read_recipe("ct-punc-tiny", QUICK), data=(str(tmp_path / name),), valid=(str(books),),
            out=tmp_path / "run", device="cpu",
        )  # fmt: skip
        with pytest.raises(kind, match=says):
            list(train(asked))
    with pytest.raises(UsageError, match="reads whole words"):
        list(train(run(books, tmp_path / "run", "vocabulary.kind=bpe")))
