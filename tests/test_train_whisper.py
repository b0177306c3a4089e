"""Whispers in training, and students that learn from them."""

import dataclasses
import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from asr_cli import checkpoint
from asr_cli.errors import ModelError, UsageError
from asr_cli.train import events
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.data.augment import Augmenter
from asr_cli.train.data.laid import Laid, Spoken
from asr_cli.train.data.windows import FULL, ROOM, SHORT, Windows, packed
from asr_cli.train.loop import train
from asr_cli.train.ship import ship
from asr_cli.train.tasks.ctc import ctc_loss
from asr_cli.train.tasks.whisper import NEARBY, NO_TARGET, Heard, build, greedy
from asr_cli.train.tasks.whisper_alignment import Aligned, alignment_heads
from asr_cli.train.tasks.whisper_distill import Distillation, DistillTask, divergence, farthest, student_of
from asr_cli.train.tasks.whisper_folder import OURS, Conf
from asr_cli.train.tasks.whisper_tokens import Ids, build_tokenizer, decoded, encoded
from tests.tools.tones import write_corpus

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric", "ignore::FutureWarning"
)
SIZES = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_source_positions": 150,
    "max_target_positions": 48, "init_std": 0.1,
}  # fmt: skip
TEXTS = ["ba bo bu", "da do du", "ka ko ba"]
HERE = Path("here")


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(TEXTS, 270, "en", 3.0)


def small(tokenizer, **changes):
    torch.manual_seed(0)
    return build({"model": "Whisper", "model_conf": SIZES | changes}, HERE, tokenizer, None, where=HERE)


def window(task, text, seed, n_frames=300, before=(), frames=None):
    features = torch.randn(80, 300, generator=torch.Generator().manual_seed(seed))
    ids = (*before, *task.ids.head(times=False), *encoded(task.tokenizer, text), task.ids.end)
    labels = (*[NO_TARGET] * len(before), *ids[len(before) + 1 :])
    return Heard(f"w{seed}", features, n_frames, ids[:-1], labels, tuple(text.encode()), frames, text)


def some(task):
    return [window(task, "ba bo", 1), window(task, "du ka ko", 2, before=(task.ids.before, 80, 81))]


def whisper_of(task):
    """transformers' network with the weights of a task."""
    from transformers import WhisperForConditionalGeneration

    whisper = WhisperForConditionalGeneration(task.config)
    whisper.model.encoder.load_state_dict(task.net.encoder.state_dict())
    whisper.model.decoder.load_state_dict(task.net.decoder.state_dict())
    return whisper.train(task.net.training)


# What is learned


def test_the_loss_and_its_gradients_are_transformers(tokenizer):
    task = small(tokenizer)
    task.net.eval()
    batch, theirs = task.collate(some(task)), whisper_of(task)
    ours = task.losses(batch, task.net)
    wanted = theirs(input_features=batch.features, decoder_input_ids=batch.ids, labels=batch.labels).loss
    ours.total.backward()
    wanted.backward()
    assert ours.total.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert ours.weight == sum(one != NO_TARGET for row in some(task) for one in row.labels)
    for part in ("encoder", "decoder"):
        known = dict(getattr(theirs.model, part).named_parameters())
        for name, one in getattr(task.net, part).named_parameters():
            if one.requires_grad:
                assert torch.allclose(one.grad, known[name].grad, atol=1e-5), name


def test_the_encoder_alone_spells_what_it_hears_when_it_is_said_or_in_that_order(tokenizer):
    task = small(tokenizer, hearing_weight=0.3)
    task.net.eval()
    frames = torch.randint(0, 257, (150,), generator=torch.Generator().manual_seed(3))
    timed, untimed = window(task, "ba bo", 1, frames=frames), window(task, "du ka ko", 2)
    batch = task.collate([timed, untimed])
    found = task.losses(batch, task.net)
    logits = task.net.hearing(task.net.encode(batch.features))
    assert logits.shape == (2, 150, 257)
    when = torch.nn.functional.cross_entropy(logits[0], frames)
    letters = torch.tensor([[1 + one for one in b"du ka ko"]])
    order = ctc_loss(logits[1:], torch.tensor([150]), letters, torch.tensor([8])) / 8
    assert found.parts["hearing"].item() == pytest.approx(0.3 * (when + order).item() / 2, rel=1e-5)
    assert found.total.item() == pytest.approx(sum(one.item() for one in found.parts.values()), rel=1e-6)


def test_windows_do_not_hear_their_company(tokenizer):
    task = small(tokenizer)
    task.net.eval()
    both = task.losses(task.collate(some(task)), task.net)
    alone = [task.losses(task.collate([one]), task.net) for one in some(task)]
    mean = sum(one.total.item() * one.weight for one in alone) / both.weight
    assert both.total.item() == pytest.approx(mean, rel=1e-5)


def test_in_training_some_windows_end_with_their_sound(tokenizer):
    task = small(tokenizer)
    batch = task.collate([window(task, "ba", 1, n_frames=101)])
    task.net.train()
    lengths = set()
    for seed in range(20):
        torch.manual_seed(seed)
        lengths.add(task.encoded(batch, task.net).shape[1])
    assert lengths == {51, 150}
    assert task.encoded(batch, task.net.eval()).shape[1] == 150


def test_what_is_transcribed_is_what_transformers_generates(tokenizer):
    task = small(tokenizer)
    task.net.eval()
    batch = task.collate(some(task))
    with torch.inference_mode():
        found = greedy(task.net, batch.features, task.ids, 20)
    theirs = whisper_of(task)
    theirs.generation_config.suppress_tokens = [*range(task.ids.end + 1, task.config.vocab_size)]
    theirs.generation_config.begin_suppress_tokens = None
    head = torch.tensor([task.ids.head(times=False)] * 2)
    from transformers import GenerationMixin

    wanted = GenerationMixin.generate(theirs, batch.features, decoder_input_ids=head, max_length=20, do_sample=False)
    rows = [[one for one in row if one < task.ids.end] for row in wanted[:, head.shape[1] :].tolist()]
    assert found == rows and len(found[0]) > 3


# Students


def test_a_student_has_the_layers_of_its_teacher_that_are_farthest_apart(tokenizer):
    teacher = whisper_of(small(tokenizer))
    student = student_of(teacher, 2)
    assert [farthest(4, 2), farthest(32, 2), farthest(4, 4), farthest(3, 1)] == [[0, 3], [0, 31], [0, 1, 2, 3], [0]]
    for ours, theirs in ((0, 0), (1, 2)):
        known = teacher.model.decoder.layers[theirs].state_dict()
        for name, tensor in student.model.decoder.layers[ours].state_dict().items():
            assert torch.equal(tensor, known[name])
    for name in ("encoder.conv1.weight", "decoder.embed_tokens.weight", "decoder.layer_norm.weight"):
        assert torch.equal(student.model.get_parameter(name), teacher.model.get_parameter(name))
    assert student.config.decoder_layers == 2 and teacher.config.decoder_layers == 3


def distilled(tokenizer, **changes):
    task = small(tokenizer)
    conf = Conf(**SIZES)
    return DistillTask(whisper_of(task), Distillation(**changes), conf, tokenizer, task.ids)


def test_a_student_learns_labels_and_its_teachers_doubts(tokenizer):
    task = distilled(tokenizer, label_weight=0.7, divergence_weight=0.4)
    task.net.train()
    batch = task.collate(some(task))
    torch.manual_seed(0)
    found = task.losses(batch, task.net)
    torch.manual_seed(0)
    hidden = task.encoded(batch, task.net)
    from asr_cli.train.tasks.whisper import spell

    said, wanted = (spell(one, batch.ids, hidden).softmax(-1) for one in (task.net.decoder, task.teacher))
    rows = [(i, j) for i, row in enumerate(batch.labels.tolist()) for j, one in enumerate(row) if one != NO_TARGET]
    by_hand = sum((wanted[at] * (wanted[at] / said[at]).log()).sum().item() for at in rows) / len(rows)
    cross = -sum(said[at][batch.labels[at]].log().item() for at in rows) / len(rows)
    assert found.parts["divergence"].item() == pytest.approx(0.4 * by_hand, rel=1e-4)
    assert found.parts["labels"].item() == pytest.approx(0.7 * cross, rel=1e-5)
    assert found.total.item() == pytest.approx(0.4 * by_hand + 0.7 * cross, rel=1e-5)


def test_who_says_the_same_does_not_diverge():
    logits, labels = torch.randn(2, 3, 5), torch.tensor([[1, 2, NO_TARGET], [0, 1, 2]])
    assert divergence(logits, logits + 3, labels).item() == pytest.approx(0, abs=1e-6)
    other = logits.clone()
    other[0, 2] = 100 * torch.randn(5)  # where nothing counts
    assert divergence(logits, other, labels).item() == pytest.approx(0, abs=1e-6)


def test_encoder_and_teacher_learn_nothing(tokenizer):
    task = distilled(tokenizer)
    task.net.train()
    task.losses(task.collate(some(task)), task.net).total.backward()
    assert all(one.grad is None for one in [*task.net.encoder.parameters(), *task.teacher.parameters()])
    assert all(one.grad is not None for one in task.net.decoder.parameters())


# Windows


FILLS = st.sampled_from((SHORT, FULL))


@given(st.lists(st.floats(0.1, 11.7), min_size=1, max_size=60), FILLS)
def test_every_utterance_is_in_one_window_that_has_room_for_it(seconds, fill):
    found = packed(seconds, range(len(seconds)), 12.0, None, fill)
    assert sorted(one for place in found for one in place.utterances) == list(range(len(seconds)))
    for place in found:
        assert sum(seconds[one] + ROOM for one in place.utterances) <= place.seconds + 1e-9
        assert place.utterances


@given(st.lists(st.floats(0.1, 11.7), min_size=1, max_size=30), st.integers(1, 50), FILLS)
def test_an_epoch_has_as_many_windows_as_are_asked_for_and_as_long_ones(seconds, n_windows, fill):
    found = packed(seconds, range(len(seconds)), 12.0, n_windows, fill)
    assert len(found) == n_windows
    short = [place.seconds for i, place in enumerate(found) if place.seconds != fill[i % 3] * 12.0]
    assert set(short) <= {12.0}


def utterance(key, text, words=(), seconds=1.0):
    return Spoken(key, "nowhere.wav", 0.0, None, text, seconds, words)


def test_an_utterance_that_a_window_cuts_says_what_was_heard_whole():
    laid = Laid(16_000)
    laid.wait(0.4)
    laid.say(torch.ones(16_000), utterance("a", "one two", ((0.1, 0.4), (0.5, 0.9))), 1.0, 0)
    assert laid.heard == ["one"] and laid.left == 0
    [said] = laid.said
    assert (said.text, said.start, said.end) == ("one", pytest.approx(0.5), None)
    assert laid.samples[6399] == 0 and laid.samples[6400] == 1


def test_an_utterance_may_begin_before_its_window():
    laid = Laid(32_000)
    laid.say(torch.ones(16_000), utterance("a", "one two", ((0.1, 0.4), (0.5, 0.9))), 1.0, 1)
    [said] = laid.said
    assert (said.text, said.start, said.end) == ("two", 0.0, pytest.approx(0.45))
    assert laid.samples.sum() == 16_000 - 0.45 * 16_000


def test_faster_speech_has_its_words_sooner():
    laid = Laid(32_000)
    laid.say(torch.ones(8000), utterance("a", "one", ((0.2, 0.8),)), 2.0, 0)
    assert (laid.said[0].start, laid.said[0].end) == (pytest.approx(0.1), pytest.approx(0.4))


def test_what_nobody_knows_the_words_times_of_is_whole_or_not_there():
    laid = Laid(8000)
    laid.say(torch.ones(16_000), utterance("a", "one"), 1.0, 0)
    assert not laid.said and not laid.samples.any()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = write_corpus(tmp_path_factory.mktemp("tones") / "data")
    lines = []
    for line in (folder / "text").read_text().splitlines():
        key, *words = line.split()
        lines += [f"{key} 1 {i * 0.3:.2f} 0.20 {word}\n" for i, word in enumerate(words)]
    (folder / "words.ctm").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def windows(corpus, tokenizer):
    texts = dict(line.split(maxsplit=1) for line in (corpus / "text").read_text().splitlines())
    spoken = [
        Spoken(key, str(corpus / f"{key}.wav"), 0.0, None, text, n * 0.3, tuple((i * 0.3, i * 0.3 + 0.2)
               for i in range(n))) for key, text in texts.items() for n in [len(text.split())] if n < 6
    ]  # fmt: skip
    conf, ids = Conf(**SIZES), Ids.of(tokenizer, "en", HERE)
    places = packed([one.seconds for one in spoken], range(len(spoken)), conf.window, None)
    config = read_recipe("whisper-mini").train.augment
    return [
        Windows(places, spoken, conf, tokenizer, ids, seed=1, augmenter=augmenter)
        for augmenter in (None, Augmenter(config, torch.zeros(80)))
    ]


def test_windows_that_are_measured_on_hold_their_utterances_whole(windows):
    still, _ = windows
    for number, place in enumerate(still.places):
        one = still[0, number]
        texts = [still.utterances[i].text for i in place.utterances]
        assert one.text == " ".join(texts)
        assert one.ids[:4] == still.ids.head(times=False) and one.labels[:3] == one.ids[1:4]
        assert decoded(still.tokenizer, one.ids, still.ids.end) == one.text
        assert one.labels[-1] == still.ids.end and one.features.shape == (80, 300)


def test_windows_that_are_learned_from_hold_all_that_whisper_hears(windows):
    _, drawn = windows
    ids, found = drawn.ids, [drawn[epoch, i] for epoch in range(60) for i in range(len(drawn.places))]
    timed = [one for one in found if ids.no_times not in one.ids]
    silent = [one for one in found if ids.no_speech in one.labels]
    told = [one for one in found if one.ids[0] == ids.before]
    assert 0.4 < len(timed) / len(found) < 0.6
    assert 0 < len(silent) < 0.1 * len(found)
    assert 0.1 < len(told) / len(found) < 0.3
    lengths, most = [one.ids.index(ids.begin) - 1 for one in told], SIZES["max_target_positions"] // 2 - 1
    assert min(lengths) < 0.2 * most and 0.9 * most < max(lengths) <= most
    for one in found:
        begin = one.ids.index(ids.begin)
        assert all(label == NO_TARGET for label in one.labels[:begin])
        assert one.labels[begin] in ((ids.no_speech, ids.language) if not one.text else (ids.language,))
        assert one.labels[begin + 1 :] == (*one.ids[begin + 2 :], ids.end)
        assert len(one.ids) == len(one.labels) <= SIZES["max_target_positions"]
        times = [id for id in one.ids if id >= ids.times]
        assert times == sorted(times) and (not times or times[-1] <= ids.times + 150)
    unfinished = [one for one in timed if one.text and sum(id >= ids.times for id in one.ids) % 2]
    assert unfinished and all(one.ids[-1] >= ids.times for one in unfinished)


def test_letters_are_heard_when_their_words_are_said(windows):
    still, _ = windows
    one = still[0, 0]
    spoken = [still.utterances[i] for i in still.places[0].utterances]
    assert bytes(one.letters).decode() == one.text
    at, letters = ROOM / 2, "".join(one.text.split())
    found = []
    for each in spoken:
        for start, end in each.words:
            middle = [round((at + start + (end - start) * share) * 50) for share in (0.25, 0.75)]
            found += [chr(int(one.frames[i]) - 1) for i in middle]
            assert one.frames[round((at + end + 0.05) * 50)] == 0
        at += each.seconds + ROOM / 2
    assert "".join(found) == letters


def test_the_same_window_is_the_same_whatever_was_drawn_before(windows):
    _, drawn = windows
    first = drawn[2, 1]
    torch.manual_seed(9)
    random.seed(9)
    again = drawn[2, 1]
    assert torch.equal(first.features, again.features) and first.ids == again.ids
    assert drawn[3, 1].ids != first.ids


# Word times


def test_a_head_that_looks_where_something_is_said_is_taken_and_others_are_not(tokenizer):
    net = small(tokenizer).net
    looks = {(0, 1): [10, 30, 70], (2, 0): [12, 99, 70], (1, 1): [90, 90, 10]}  # frames of 20 ms

    class Decoder:
        config = net.decoder.config

        def __call__(self, **_):
            maps = torch.zeros(3, 1, 2, 6, 150)
            for (layer, head), frames in looks.items():
                for row, frame in enumerate(frames):
                    maps[layer, 0, head, 3 + row, frame] = 1
            return SimpleNamespace(cross_attentions=tuple(maps))

    fake = SimpleNamespace(decoder=Decoder(), encoder=net.encoder, encode=net.encode)
    one = Aligned(torch.zeros(80, 300), (0,) * 7, 4, [(0.1, 0.3), (0.5, 0.7), (1.4, 1.5)])
    assert alignment_heads(fake, [one]) == [(0, 1), (2, 0)]
    assert alignment_heads(fake, []) == []


def test_windows_know_when_the_word_of_each_token_is_said(windows):
    still, _ = windows
    one = still.aligned(0)
    spoken = [still.utterances[i] for i in still.places[0].utterances]
    assert len(one.spans) == len(one.ids) - one.n_head
    assert one.spans[0] == pytest.approx((ROOM / 2, ROOM / 2 + 0.2))
    assert len(set(one.spans)) == sum(len(each.words) for each in spoken)


# Runs


def recipe(**train):
    return {
        "model": "Whisper",
        "model_conf": SIZES | {"hearing_weight": 0.3},
        "train": {
            "max_steps": 12, "batch_seconds": 9, "lr": 0.004, "warmup_steps": 4, "validate_every": 6, "save_every": 3,
            "workers": 0, "average": 2, "max_seconds": 1.6, "vocabulary": {"kind": "bpe", "size": 270}, **train,
        },
    }  # fmt: skip


def run(corpus, out, settings, init=None):
    path = out.with_name(f"{out.name}.yaml")
    path.write_text(yaml.safe_dump(settings))
    return Run(
        recipe=read_recipe(str(path)), data=(str(corpus),), valid=(str(corpus / "list.jsonl"),), out=out, init=init,
        device="cpu",
    )  # fmt: skip


def steps(out):
    records = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [{name: value for name, value in one.items() if name != "elapsed"} for one in records]


@pytest.fixture(scope="module")
def teacher(corpus, tmp_path_factory):
    """A run of a few steps, and what it told."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    told = list(train(run(corpus, out, recipe())))
    return out, told


def test_a_run_that_is_left_after_any_step_goes_on_as_if_it_had_not(teacher, corpus, tmp_path):
    out = tmp_path / "run"
    for _ in range(3):  # as kill -9 leaves it: nobody is told, and nothing saved
        going = train(run(corpus, out, recipe()))
        for one in going:
            if isinstance(one, events.Stepped) and one.step % 5 == 0:
                break
        going.close()
    list(train(run(corpus, out, recipe())))
    assert steps(out) == steps(teacher[0])
    ours, theirs = (checkpoint.read(one / "model" / "model.safetensors") for one in (out, teacher[0]))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_tells_what_others_tell(teacher):
    out, told = teacher
    kinds = [type(one).__name__ for one in told]
    assert kinds[0] == "Started" and kinds.count("Stepped") == 12 and kinds.count("Validated") == 2
    assert told[0].unit == "windows" and 256 + 9 + 151 < told[0].n_tokens <= 270 + 9 + 151
    assert told[-1].metric == "WER" and told[-1].model == out / "model" and told[-1].n_averaged in (1, 2)
    assert set(next(one for one in told if isinstance(one, events.Stepped)).parts) == {"spelling", "hearing"}


def test_transformers_loads_what_was_learned_and_generates_with_it(teacher, corpus):
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    folder = teacher[0] / "model"
    assert {one.name for one in folder.iterdir()} == {
        "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json",
        "model.safetensors",
    }  # fmt: skip
    net, told = WhisperForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    processor = WhisperProcessor.from_pretrained(folder)
    assert processor.feature_extractor.n_samples == 48_000 and processor.feature_extractor.nb_max_frames == 300
    assert processor.decode(processor.tokenizer("ba bo").input_ids, skip_special_tokens=True) == "ba bo"
    features = processor([0.1 * torch.randn(20_000).numpy()], sampling_rate=16_000, return_tensors="pt").input_features
    plain = net.generate(features, max_new_tokens=12, language="en", task="transcribe")
    timed = net.generate(features, max_new_tokens=12, return_timestamps=True)
    ids = Ids.of(build_tokenizer(TEXTS, 270, "en", 3.0), "en", HERE)
    assert ((plain <= ids.end) | (plain >= ids.no_times)).all()
    assert timed[0, 0] >= ids.times and isinstance(processor.decode(timed[0], decode_with_timestamps=True), str)


def test_what_ships_is_half_as_large_and_training_begins_from_it(teacher, corpus, tmp_path):
    folder, shipped = teacher[0] / "model", tmp_path / "whisper-mini"
    ship(folder, shipped)
    sizes = [(one / "model.safetensors").stat().st_size for one in (folder, shipped)]
    assert sizes[1] < 0.55 * sizes[0]
    assert {one.name for one in shipped.iterdir()} == {one.name for one in folder.iterdir()}
    told = list(train(run(corpus, tmp_path / "more", {"train": recipe(max_steps=1)["train"]}, shipped)))
    assert told[-1].step == 1


def test_a_checkpoint_is_gone_on_with(teacher, corpus, tmp_path):
    begun = run(corpus, tmp_path / "more", {"train": recipe(max_steps=1, lr=1e-9)["train"]}, teacher[0] / "model")
    told = list(train(begun))
    ours, theirs = (checkpoint.read(one / "model.safetensors") for one in (told[-1].model, teacher[0] / "model"))
    assert ours.keys() == theirs.keys() and all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    ours, theirs = ((one / "tokenizer.json").read_text() for one in (told[-1].model, teacher[0] / "model"))
    assert json.loads(ours) == json.loads(theirs)


def student(**changes):
    return {"model": "Whisper", "distill": {"layers": 2, "most_errors": 100.0, **changes}, "train": recipe()["train"]}


def test_a_student_learns_from_its_teacher(teacher, corpus, tmp_path):
    out, folder = tmp_path / "student", teacher[0] / "model"
    told = list(train(run(corpus, out, student(), folder)))
    ours, theirs = (checkpoint.read(one / "model.safetensors") for one in (told[-1].model, folder))
    assert json.loads((told[-1].model / "config.json").read_text())["decoder_layers"] == 2
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if ".encoder." in name)
    assert not torch.equal(ours["model.decoder.embed_tokens.weight"], theirs["model.decoder.embed_tokens.weight"])
    assert not [name for name in ours if "decoder.layers.2" in name]
    heard = [json.loads(line) for line in (out / "heard.jsonl").read_text().splitlines()]
    listed = [json.loads(line)["key"] for line in (out / "train-list.jsonl").read_text().splitlines()]
    assert {one["key"] for one in heard} >= set(listed)
    assert set(next(one for one in told if isinstance(one, events.Stepped)).parts) == {"labels", "divergence"}


def test_what_a_teacher_hears_wrong_is_not_learned(teacher, corpus, tmp_path):
    with pytest.raises(UsageError, match="the teacher hears"):  # this one has learned nothing yet
        list(train(run(corpus, tmp_path / "student", student(most_errors=0.0), teacher[0] / "model")))


# What is refused


@pytest.mark.parametrize(
    ("change", "says"),
    [({"max_source_positions": 149}, "whole seconds"), ({"d_model": 30, "encoder_attention_heads": 4}, "4 heads"),
     ({"hearing_weight": -1.0}, "hearing_weight -1"), ({"dropout": 1.0}, "dropout 1.0"),
     ({"decoder_layers": 0}, "positive"), ({"d_modle": 3}, "d_modle"), ({"language": "xx"}, "no <.xx.>")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(tokenizer, change, says):
    with pytest.raises(ModelError, match=says):
        small(tokenizer, **change)


def test_a_student_without_a_teacher_is_refused(corpus, tmp_path):
    with pytest.raises(UsageError, match="no teacher"):
        list(train(run(corpus, tmp_path / "run", student() | {"model_conf": SIZES})))


@pytest.mark.parametrize(
    ("settings", "says"),
    [(student(layers=4), "layers 4"), (student(layers=0), "positive"), (student(label_weight=-1.0), "0 or more"),
     ({"model": "Whisper", "model_conf": {"d_model": 64}, "train": recipe()["train"]}, "sizes to the checkpoint")],
)  # fmt: skip
def test_a_checkpoint_is_no_other_one(teacher, corpus, tmp_path, settings, says):
    with pytest.raises((UsageError, ModelError), match=says):
        list(train(run(corpus, tmp_path / "run", settings, teacher[0] / "model")))


def test_a_folder_of_another_model_is_told(corpus, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="no Whisper, but 'bert'"):
        list(train(run(corpus, tmp_path / "run", recipe(), tmp_path / "other")))


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(UsageError, match="256 or more"):
        build_tokenizer(TEXTS, 100, "en", 3.0)


def test_every_setting_is_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "train.md").read_text(encoding="utf-8")
    for name in [*(one.name for one in dataclasses.fields(Distillation)), *OURS, "max_source_positions"]:
        assert f"`{name}`" in text, name


def test_an_encoders_heads_begin_with_what_is_near(tokenizer):
    task = small(tokenizer)
    encoder = task.net.encoder
    task.config._attn_implementation = "eager"
    places = encoder.embed_positions.weight[:100].unsqueeze(0)
    for layer in encoder.layers:
        _, shares = layer.self_attn(layer.self_attn_layer_norm(places), output_attentions=True)
        for head, distance in enumerate(NEARBY[: shares.shape[1]]):
            looked = shares[0, head, 20:80].argmax(-1) - torch.arange(20, 80)
            assert (looked.float().mean() - distance).abs() < 1.5
