import json
import pickle
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from asr_cli.checkpoint import fill, theirs
from asr_cli.errors import InputError, ModelError, NotFoundError, OutputError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.paraformer import WEIGHTS
from asr_cli.nn.cif import integrate
from asr_cli.nn.rows import Rows
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.text.words import Piece, join
from asr_cli.train import state
from asr_cli.train.average import Ema, Kept, average, keep, tidy
from asr_cli.train.config import AugmentConfig, SpecConfig, TrainConfig, VocabularyConfig, read_recipe
from asr_cli.train.data.augment import Augmenter, faster, in_room, masked, noisy
from asr_cli.train.data.batches import Order, divide, shuffled
from asr_cli.train.data.corpus import Corpus
from asr_cli.train.data.lists import Skipped, add_skipped, measured, read_lists, read_skipped, write_records
from asr_cli.train.data.tokens import Speller, build_tokens, lexicon
from asr_cli.train.data.transcripts import metric_of
from asr_cli.train.optimizer import learning_rate
from asr_cli.train.task import Example, find_builder
from asr_cli.train.tasks.paraformer import Aligned, ParaformerBatch, build
from asr_cli.train.tasks.sanm import encode
from tests.tools.funasr_paraformer_training import CONFS, IDS, N_ROWS, features
from tests.tools.small_paraformer import TOKENS, config, seeded
from tests.tools.tones import recipe, write_corpus, write_recipe, write_wav

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_paraformer_training.json").read_text())
SHAPES = json.loads((GOLDEN / "funasr_paraformer.json").read_text())["paraformer/shapes"]
IDENTITY = Cmvn(torch.zeros(560), torch.ones(560))


def task(**model_conf):
    settings = config("paraformer") | {"model_conf": model_conf}
    found = build(settings, Path("config.yaml"), Vocabulary(TOKENS), IDENTITY, None)
    fill(found.net, seeded((name, tuple(shape)) for name, shape in SHAPES.items()), WEIGHTS, Path("model.pt"))
    return found


def batch(bias):
    ids = [[*one, *[2] * bias] for one in IDS]
    rows = torch.from_numpy(features()).flatten(0, 1)
    return ParaformerBatch(
        rows, (N_ROWS,) * len(IDS), torch.tensor([id for one in ids for id in one]), tuple(map(len, ids))
    )


# The Paraformer's losses


@pytest.mark.parametrize("name", CONFS)
def test_losses_and_gradients_are_funasrs(name):
    ours, golden = task(**CONFS[name]), FACTS[name]
    ours.net.eval()
    found = ours.losses(batch(ours.conf.predictor_bias), ours.net)
    found.total.backward()
    assert found.total.item() == pytest.approx(golden["loss"], rel=1e-5)
    assert found.parts["spelling"].item() == pytest.approx(golden["spelling"], rel=1e-5)
    assert found.parts["counting"].item() == pytest.approx(golden["counting"], rel=1e-5)
    assert found.weight == golden["weight"]
    gradients = {name: one.grad for name, one in ours.net.named_parameters() if one.grad is not None}
    norms = {name: one.norm().item() for name, one in theirs(gradients, WEIGHTS)}
    assert norms == pytest.approx(golden["gradients"], rel=1e-4, abs=1e-6)


def test_every_token_is_made_of_its_share_of_the_frames_even_where_a_frame_makes_three():
    frames = torch.eye(3).unsqueeze(0)
    found = integrate(frames, torch.tensor([[0.4, 3.6, 0.0]]), 4)
    wanted = torch.tensor([[[0.4, 0.6, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]])
    assert torch.allclose(found, wanted, atol=1e-6)


def test_utterances_do_not_hear_their_company():
    ours = task(predictor_weight=1.0, sampling_ratio=0.0)
    ours.net.eval()
    rows = torch.from_numpy(features()).flatten(0, 1)[: N_ROWS + 9]
    both = ParaformerBatch(rows, (N_ROWS, 9), torch.tensor([*IDS[0], *IDS[1]]), (len(IDS[0]), len(IDS[1])))
    first = ParaformerBatch(rows[:N_ROWS], (N_ROWS,), torch.tensor(IDS[0]), (len(IDS[0]),))
    second = ParaformerBatch(rows[N_ROWS:], (9,), torch.tensor(IDS[1]), (len(IDS[1]),))
    alone = [ours.losses(one, ours.net).total.item() for one in (first, second)]
    assert ours.losses(both, ours.net).total.item() == pytest.approx(sum(alone) / 2, rel=1e-5)
    assert ours.transcribe(both) == ours.transcribe(first) + ours.transcribe(second)


def test_dropout_drops_in_training_and_only_there():
    ours = task(sampling_ratio=0.0)
    rows, x = Rows([N_ROWS]), torch.from_numpy(features()[0])
    still, again, shaken = (
        encode(ours.net.encoder, x, rows, ours.encoder_dropout, training) for training in (False, False, True)
    )
    assert torch.equal(still, again)
    assert torch.allclose(still, ours.net.encoder(x, rows), atol=1e-5)
    assert not torch.allclose(still, shaken, atol=1e-2)


def test_the_sampler_shows_right_tokens_in_the_places_it_draws():
    ours = task(sampling_ratio=0.5)
    torch.manual_seed(0)
    tokens = Rows([5, 3])
    ids = torch.tensor([*IDS[0], *IDS[1]])
    rows = Rows([N_ROWS] * 2)
    x = torch.from_numpy(features()).flatten(0, 1)
    with torch.no_grad():
        embeds = torch.randn(8, 32)
        aligned = Aligned(ours.net.encoder(x, rows), rows, embeds, tokens, n_heard=torch.zeros(2))
        decode = partial(ours.decode, ours.net.eval(), aligned)
        wrong = decode(embeds).argmax(-1) != ids
        shown, n_right = ours.glance(ours.net, embeds, tokens, ids, decode)
    replaced = (shown != embeds).any(1)
    assert torch.equal(shown[replaced], ours.net.embed(ids)[replaced])
    wanted = [int(part.sum() * 0.5) for part in tokens.split(wrong)]
    assert [int(part.sum()) for part in tokens.split(replaced)] == wanted
    assert sum(wanted) and int(n_right) == 8 - int(wrong.sum())


def test_a_text_that_is_longer_than_its_sound_is_refused():
    ours = task(predictor_bias=1)
    assert ours.refusal(600, range(10)) is None
    assert "11 tokens" in ours.refusal(60, range(10))


# Settings


def test_a_setting_that_nobody_knows_is_refused_with_what_was_meant(tmp_path):
    write_recipe(tmp_path / "r.yaml", warmup_step=3)
    with pytest.raises(UsageError, match="did you mean 'warmup_steps'"):
        read_recipe(str(tmp_path / "r.yaml"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("lr=fast", "a number should be"),
        ("lr=0", "above 0"),
        ("betas=0.9", "a list of numbers"),
        ("schedule=linear", "warmup or cosine"),
        ("augment.speed=[3]", "from 0.5 to 2"),
        ("augment.spec.freq_mask=1", "did you mean 'freq_masks'"),
        ("augment.speed=[3]", r"train\.augment\.speed \(3\.0,\), where"),
        ("augment.noise_snr=[3]", r"train\.augment\.noise_snr \(3\.0,\), where two"),
        ("augment.spec.freq_width=-1", r"augment\.spec\.freq_width -1, where 0 or more"),
        ("augment.reverb=2", "a share from 0 to 1"),
        ("weight_decay=-1", "0 or more"),
        ("seed=-1", "2\\^63"),
        ("seed=9223372036854775808", "2\\^63"),
        ("vocabulary.size=0", "above 0"),
        ("vocabulary.kind=phones", "char"),
        ("lr", "no setting"),
        ("encoder_cof.num_blocks=3", "did you mean 'encoder_conf'"),
        ("max_steps=0", "above 0"),
        ("train={schedule: cosine, max_hours: 1}", "know its end"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(change, says):
    with pytest.raises(UsageError, match=says):
        read_recipe("paraformer-tiny", [change])


def test_a_table_that_no_checkpoint_has_is_refused_with_what_was_meant():
    assert read_recipe(None, ["encoder_conf.dropout_rate=0.2"]).architecture == {"encoder_conf": {"dropout_rate": 0.2}}
    with pytest.raises(UsageError, match="did you mean 'encoder_conf'"):
        read_recipe(None, ["encodr_conf.dropout_rate=0.2"])


@pytest.mark.parametrize(
    ("text", "says"), [("a: b\n: : [", "line 2 is no YAML"), ("", "no table"), ("- a", "no table")]
)
def test_a_recipe_that_is_none_is_its_writers_to_mend(tmp_path, text, says):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(UsageError, match=f"cannot be read as a recipe.*{says}"):
        read_recipe(str(tmp_path / "r.yaml"))


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [("model_conf", "predictor_bias", 2), ("model_conf", "ctc_weight", 1.0), ("model_conf", "lsm_weight", -0.1),
     ("model_conf", "predictor_weight", -1.0), ("model_conf", "sampling_ratio", -0.2),
     ("encoder_conf", "dropout_rate", 2), ("decoder_conf", "dropout_rate", -1)],
)  # fmt: skip
def test_a_share_that_is_none_is_refused_before_the_first_step(table, name, value):
    settings = recipe()
    settings[table][name] = value
    vocabulary = Vocabulary.from_list(["<blank>", "<s>", "</s>", "a", "<unk>"], source="here")
    with pytest.raises(ModelError, match=f"{name} {value}"):
        build(settings, Path("r.yaml"), vocabulary, Cmvn(torch.zeros(560), torch.ones(560)), None)


def test_changes_reach_into_tables_and_lone_names_are_of_train():
    found = read_recipe("paraformer-tiny", ["encoder_conf.num_blocks=2", "lr=5e-4", "train.augment.spec=null"])
    assert found.architecture["encoder_conf"]["num_blocks"] == 2
    assert found.train.lr == 5e-4
    assert found.train.augment.spec is None


def test_a_lone_name_is_of_train_though_funasrs_configurations_have_one_like_it(tmp_path):
    (tmp_path / "r.yaml").write_text("model: Paraformer\nnormalize: null\nseed: 0\n")
    found = read_recipe(str(tmp_path / "r.yaml"), ["normalize=false", "seed=5", "augment.reverb=0.5"])
    assert not found.train.normalize and found.train.seed == 5 and found.train.augment.reverb == 0.5
    assert found.architecture == {"model": "Paraformer", "normalize": None, "seed": 0}


@pytest.mark.parametrize("name", ["seaco_decoder_conf", "encoder2_conf", "predictor2_conf"])
def test_every_part_of_a_checkpoint_can_be_told_something_else(name):
    assert read_recipe(None, [f"{name}.dropout_rate=0.2"]).architecture == {name: {"dropout_rate": 0.2}}


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(NotFoundError, match="did you mean 'paraformer-tiny'"):
        read_recipe("paraformer-tin")


def test_a_model_that_cannot_be_trained_is_refused():
    with pytest.raises(ModelError, match="cannot be trained here"):
        find_builder({"model": "SenseVoiceSmall"}, Path("config.yaml"))


def test_learning_rates_are_those_of_funasrs_warmup():
    train = TrainConfig(lr=0.002, warmup_steps=100)
    for step in (1, 50, 100, 400):
        wanted = 0.002 * 100**0.5 * min(step**-0.5, step * 100**-1.5)
        assert learning_rate(step, train, None) == pytest.approx(wanted)
    cosine = TrainConfig(lr=1.0, warmup_steps=10, schedule="cosine")
    assert learning_rate(10, cosine, 110) == 1
    assert learning_rate(60, cosine, 110) == pytest.approx(0.5)
    assert learning_rate(110, cosine, 110) == pytest.approx(0)


# Vocabularies


TEXTS = ["the lower the newer", "a lowest one", "用 iphone 打电话", "wide widest wider"]


def spoken(ids, vocabulary):
    words = join((Piece(vocabulary.piece(one), 0, 0) for one in ids), sentencepiece=vocabulary.sentencepiece)
    return "".join(word.text for word in words).strip()


@pytest.mark.parametrize("kind", ["char", "bpe", "word", "mixed"])
def test_what_a_vocabulary_spells_reads_as_it_was_written(kind):
    vocabulary = Vocabulary(build_tokens(TEXTS, VocabularyConfig(kind=kind, size=70)))
    assert vocabulary.tokens[:3] == ("<blank>", "<s>", "</s>") and vocabulary.tokens[-1] == "<unk>"
    for text in TEXTS:
        ids, unknown = Speller(vocabulary).ids(text)
        assert not unknown
        assert spoken(ids, vocabulary).replace(" ", "") == text.replace(" ", "")
    assert spoken(Speller(vocabulary).ids(TEXTS[0])[0], vocabulary) == TEXTS[0]


def test_pieces_within_words_carry_funasrs_mark():
    tokens = build_tokens(TEXTS, VocabularyConfig(kind="bpe", size=70))
    assert any(len(token) > 3 and token.endswith("@@") for token in tokens)
    assert len(tokens) <= 70
    ids, _ = Speller(Vocabulary(tokens)).ids("lowlower")
    pieces = [tokens[one] for one in ids]
    assert len(pieces) > 2
    assert [piece.endswith("@@") for piece in pieces] == [True] * (len(pieces) - 1) + [False]


@pytest.mark.parametrize("kind", ["bpe", "mixed"])
def test_any_word_of_known_letters_can_be_spelled(kind):
    vocabulary = Vocabulary(build_tokens(TEXTS, VocabularyConfig(kind=kind, size=70)))
    letters = sorted({letter for text in TEXTS for letter in text if letter.isascii() and letter != " "})
    chance = random.Random(5)
    for _ in range(200):
        word = "".join(chance.choice(letters) for _ in range(chance.randint(1, 12)))
        ids, unknown = Speller(vocabulary).ids(word)
        assert not unknown and spoken(ids, vocabulary).replace(" ", "").lower() == word


def test_the_commonest_words_are_whole_in_a_mixed_vocabulary():
    vocabulary = Vocabulary(build_tokens(["the cat", "the hat"], VocabularyConfig(kind="mixed", size=15)))
    assert vocabulary.tokens[3:-1] == ("a", "a@@", "c", "c@@", "e", "e@@", "h", "h@@", "t", "t@@", "the")
    found = [[vocabulary.piece(one) for one in Speller(vocabulary).ids(word)[0]] for word in ("the", "cat", "hat")]
    assert found == [["the"], ["c@@", "a@@", "t"], ["h@@", "a@@", "t"]]


def test_the_same_texts_in_any_order_make_the_same_vocabulary():
    for kind in ("char", "bpe", "word", "mixed"):
        conf = VocabularyConfig(kind=kind, size=60)
        assert build_tokens(TEXTS, conf) == build_tokens(TEXTS[::-1], conf)


def test_a_word_without_tokens_is_told():
    vocabulary = Vocabulary(["<blank>", "<s>", "</s>", "a", "a@@", "b", "<unk>"])
    assert Speller(vocabulary).ids("ab é a") == ((4, 5, 6, 3), ("é",))


def test_vocabularies_that_mark_beginnings_are_spelled_too():
    vocabulary = Vocabulary(["<blank>", "▁hel", "lo", "▁lo", "你", "<unk>"])
    assert Speller(vocabulary).ids("hello lo你") == ((1, 2, 3, 4), ())


def test_what_other_processes_are_given_holds_no_net():
    ours = task()
    corpus = Corpus([], ours.vocabulary, sample_rate=16_000, n_mels=80, refusal=ours.refusal)
    assert b"asr_cli.models" not in pickle.dumps((corpus, ours.collate))


def test_in_fewer_bits_every_weight_that_spells_learns():
    """The glancing sampler's first look leaves no gradient behind."""
    ours = task(sampling_ratio=0.5)
    ours.net.train()
    with torch.autocast("cpu", torch.bfloat16):
        ours.losses(batch(0), ours.net).total.backward()
    still = [name for name, one in ours.net.named_parameters() if one.grad is None or not one.grad.any()]
    assert not [name for name in still if name.startswith(("decoder", "output"))], still


def test_a_list_of_what_is_left_out_that_a_power_cut_tore_is_read_and_goes_on(tmp_path):
    path = tmp_path / "skipped.jsonl"
    write_records(path, [Skipped("a", "it is empty")])
    path.write_text(path.read_text() + '{"key": "b", "wh')
    assert read_skipped(path) == {"a"}
    add_skipped(path, [Skipped("c", "it is empty")])
    assert read_skipped(path) == {"a", "c"}


def test_the_lexicon_says_how_words_are_spelled():
    vocabulary = Vocabulary(["<blank>", "<s>", "a", "a@@", "b", "<unk>"])
    # FunASR takes what is not in it for unknown, tokens too.
    assert lexicon(["ab a"], vocabulary) == {"a": ["a"], "b": ["b"], "ab": ["a@@", "b"]}


def test_a_vocabulary_too_small_for_its_letters_is_refused():
    for kind in ("bpe", "mixed"):
        with pytest.raises(UsageError, match="no room"):
            build_tokens(TEXTS, VocabularyConfig(kind=kind, size=20))


# Data


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones") / "data")


def test_a_kaldi_folder_and_a_json_list_say_the_same(corpus):
    (folder, _), (lines, _) = (
        measured(read_lists([str(name)])[0], normalize=True) for name in (corpus, corpus / "list.jsonl")
    )
    assert folder == lines
    assert len(folder) == 8
    assert folder[0].seconds == pytest.approx(0.3 * len(folder[0].text.split()))


def test_what_lacks_a_text_or_a_recording_is_told_and_left_out(tmp_path):
    folder = write_corpus(tmp_path / "data", 3)
    (folder / "wav.scp").write_text("u0 u0.wav\nu1 gone.wav\nu9 u2.wav\n")
    listed, lonely = read_lists([str(folder)])
    found, missing = measured(listed, normalize=True)
    assert [one.key for one in found] == ["u0"]
    whys = {one.key: one.why for one in (*lonely, *missing)}
    assert whys.keys() == {"u1", "u2", "u9"}
    assert "no text" in whys["u9"] and "no recording" in whys["u2"] and "not found" in whys["u1"]


def test_a_text_in_another_encoding_is_told_and_left_out(tmp_path):
    folder = write_corpus(tmp_path / "data", 2)
    (folder / "text").write_bytes("u0 café\n".encode("latin-1") + b"u1 ba\n")
    found, missing = measured(read_lists([str(folder)])[0], normalize=True)
    assert [one.key for one in found] == ["u1"]
    assert [(one.key, one.why) for one in missing] == [("u0", "its text is not UTF-8")]


def test_a_command_in_a_list_is_refused_with_what_can_be_done(tmp_path):
    folder = write_corpus(tmp_path / "data", 1)
    (folder / "wav.scp").write_text("u0 sox a.mp3 -t wav - |\n")
    with pytest.raises(UsageError, match=r"wav\.scp:1.*run it once"):
        read_lists([str(folder)])


def test_segments_cut_recordings(tmp_path):
    folder = write_corpus(tmp_path / "data", 1)
    (folder / "segments").write_text("a u0 0.0 0.3\nb u0 0.3 0.6\n")
    (folder / "text").write_text("a ba\nb bo\n")
    found, _ = measured(read_lists([str(folder)])[0], normalize=True)
    assert [(one.key, one.start, one.end, one.seconds) for one in found] == [("a", 0, 0.3, 0.3), ("b", 0.3, 0.6, 0.3)]


def test_a_line_without_a_text_is_left_out_as_in_a_folder(tmp_path):
    (tmp_path / "l.jsonl").write_text('{"source": "a.wav", "text": "ba"}\n{"source": "b.wav", "text": null}\n')
    found, skipped = read_lists([str(tmp_path / "l.jsonl")])
    assert [one.text for one in found] == ["ba"]
    assert [(one.key, one.why) for one in skipped] == [("b", "it has no text, as text or target")]


def test_an_id_that_comes_twice_is_refused(corpus):
    with pytest.raises(UsageError, match="twice"):
        read_lists([str(corpus), str(corpus)])


def test_a_folder_that_is_no_data_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"it has no wav\.scp"):
        read_lists([str(tmp_path)])


def tones(corpus, **augment):
    found, _ = measured(read_lists([str(corpus)])[0], normalize=True)
    vocabulary = Vocabulary(build_tokens((one.text for one in found), VocabularyConfig(kind="word")))
    augmenter = Augmenter(AugmentConfig(**augment), torch.zeros(80)) if augment else None
    return Corpus(found, vocabulary, sample_rate=16_000, n_mels=80, seed=1, augmenter=augmenter)


def test_what_chance_does_to_an_utterance_depends_on_seed_epoch_and_id_alone(corpus):
    data = tones(corpus, reverb=0.5)
    first, again, later = data[0, 2], data[0, 2], data[1, 2]
    data.pieces = data.pieces[::-1]
    moved = data[0, 5]
    assert isinstance(first, Example) and isinstance(later, Example) and isinstance(moved, Example)
    assert torch.equal(first.features, again.features)
    assert torch.equal(first.features, moved.features)
    assert first.features.shape != later.features.shape or not torch.equal(first.features, later.features)


def test_a_faster_recording_is_shorter_and_higher():
    x = torch.sin(torch.arange(16_000) * 2 * torch.pi * 500 / 16_000)
    y = faster(x, 1.1)
    assert len(y) == pytest.approx(16_000 / 1.1, abs=1)
    peak = torch.fft.rfft(y[:10_000]).abs().argmax() * 16_000 / 10_000
    assert peak == pytest.approx(550, abs=2)
    assert faster(x, 1.0) is x


def test_noise_lies_as_far_below_as_it_should():
    x, noise = torch.randn(16_000), torch.randn(3_000) * 7
    added = noisy(x, noise, 10.0, random.Random(0)) - x
    assert 10 * torch.log10(x.square().mean() / added.square().mean()) == pytest.approx(10, abs=0.3)


def test_a_room_keeps_the_loudness():
    x = torch.randn(16_000)
    y = in_room(x, random.Random(3))
    assert not torch.allclose(x, y, atol=0.01)
    assert y.square().mean() == pytest.approx(float(x.square().mean()), rel=1e-3)


def test_hidden_stripes_are_the_mean_and_never_more_than_their_share():
    mean = torch.full((80,), 7.0)
    for seed in range(30):
        hidden = masked(torch.zeros(100, 80), SpecConfig(freq_masks=0, time_masks=1), mean, random.Random(seed)) == 7
        assert hidden.all(1).sum() == hidden.any(1).sum() <= 10
        hidden = masked(torch.zeros(50, 80), SpecConfig(freq_masks=1, time_masks=0), mean, random.Random(seed)) == 7
        assert hidden.all(0).sum() == hidden.any(0).sum() <= 27


def test_a_noise_that_cannot_be_read_is_told_and_nothing_is_added(tmp_path, caplog):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    found = Augmenter(AugmentConfig(noise=str(tmp_path), noise_probability=1.0), torch.zeros(80))
    x = torch.randn(1600)
    assert torch.equal(found.elsewhere(x, random.Random(0)), x)
    assert [one for one in caplog.messages if "broken.wav" in one]


def test_noise_is_taken_from_a_folder(tmp_path, corpus):
    write_wav(tmp_path / "noise.wav", (np.random.default_rng(0).standard_normal(8000) * 3000).astype("<i2"))
    quiet = tones(corpus)[0, 0].features
    loud = tones(corpus, speed=(1.0,), spec=None, noise=str(tmp_path), noise_probability=1.0)[0, 0].features
    assert loud.min() > quiet.min() + 2
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no audio"):
        Augmenter(AugmentConfig(noise=str(tmp_path / "nothing")), torch.zeros(80))


# Batches


def test_batches_hold_every_utterance_once_and_no_more_than_they_may():
    seconds = [random.Random(n).uniform(0.5, 15) for n in range(500)]
    found = shuffled(seconds, 60.0, seed=3, epoch=2)
    assert sorted(index for one in found for index in one) == list(range(500))
    assert all(max(seconds[i] for i in one) * len(one) <= 60 for one in found)
    assert sum(len(one) for one in found) / len(found) > 60 / 15
    assert found == shuffled(seconds, 60.0, seed=3, epoch=2) != shuffled(seconds, 60.0, seed=3, epoch=3)


def test_an_utterance_longer_than_a_batch_is_one():
    assert divide([9.0, 1.0, 1.0], [0, 1, 2], 4.0) == [[0], [1, 2]]


def test_a_walk_goes_on_where_it_is_told_and_processes_share_its_steps():
    seconds = [1.0] * 40
    one = Order(seconds, 4.0, 1, world=1, accumulate=2)
    walk = one.walk(0, 0, 0)
    whole = [next(walk) for _ in range(14)]
    later = one.walk(0, 3, 0)
    assert [next(later) for _ in range(8)] == whole[6:]
    two = [Order(seconds, 4.0, 1, world=2, accumulate=1).walk(0, 0, rank) for rank in range(2)]
    assert [next(two[n % 2]) for n in range(14)] == whole


# Weights on disk


def test_the_mean_of_weights_is_their_mean(tmp_path):
    kept = []
    for step, rate in ((1, 0.5), (2, 0.1), (3, 0.3)):
        weights = {"w": torch.full((2,), float(step)), "n": torch.tensor(step)}
        kept = keep(tmp_path, kept, Kept(rate, 0.0, -step), weights, 2)
    tidy(tmp_path, kept)
    assert [one.step for one in kept] == [2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002.pt", "step-00000003.pt"]
    found = average(one.path(tmp_path) for one in kept)
    assert found["w"].tolist() == [2.5, 2.5] and found["n"] == 2


def test_a_running_average_comes_nearer():
    net = torch.nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0)
    ema = Ema(net, 0.5)
    net.weight.data.fill_(1)
    ema.follow(net, 1000)
    assert ema.tensors["weight"].item() == pytest.approx(0.5)


def test_a_state_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    state.save(path, {"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left.*is whole"):
        state.save(path, {"step": 2})
    assert state.load(path) == {"step": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["state.pt"]


def test_a_log_forgets_what_was_never_saved(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    log = state.Log(path, 2)
    log.write({"step": 3, "loss": 1.0})
    log.write({"step": 4, "loss": float("nan"), "gradient": float("inf")})  # JSON has no words for these
    log.close()
    assert path.read_text() == (
        '{"step": 1}\n{"step": 2}\n{"step": 3, "loss": 1.0}\n{"step": 4, "loss": null, "gradient": null}\n'
    )


def test_rates_are_called_by_what_they_count():
    assert metric_of(["你好世界", "hello"]) == "WER"
    assert metric_of(["你好世界你好", "hello"]) == "CER"
