import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from asr_plugins.bat import BACKEND
from asr_plugins.bat.cards import CARDS
from asr_plugins.bat.loading import load, mode_of
from asr_plugins.bat.look import look
from asr_plugins.bat.recognizer import BatRecognizer, StreamingBatRecognizer

from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.errors import ModelError, UsageError
from asr_cli.models.bat_folder import read_folder
from asr_cli.nn.packed import PackedLinear
from asr_cli.nn.precision import Int8Linear
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.registry import LoadOptions
from asr_cli.text.words import Piece, join
from tests.tools.listening import listen, said
from tests.tools.small_bat import ENCODERS, TOKENS, config, sounds, weights, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_bat.json").read_text(encoding="utf-8"))
MODES = ("beam", "greedy")
CHUNKED = {"unified_model_training": True, "default_chunk_size": 8, "left_chunk_size": 2}


def tensors(encoder):
    return weights(encoder, list(FACTS[f"{encoder}/shapes"].items()))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("bats")
    found = {encoder: write_folder(root / encoder, encoder, tensors(encoder)) for encoder in ENCODERS}
    conf = config("conformer")
    conf["encoder_conf"] |= CHUNKED
    return found | {"chunked": write_folder(root / "chunked", "conformer", tensors("conformer"), conf)}


@pytest.fixture(scope="session")
def recognizers(folders):
    read = {name: read_folder(folder) for name, folder in folders.items()}
    return {(name, mode): StreamingBatRecognizer(folder, mode=mode) if name != "conformer"
            else BatRecognizer(folder, mode=mode) for name, folder in read.items() for mode in MODES}  # fmt: skip


STREAMING = [(name, mode) for name in ("rwkv", "chunked") for mode in MODES]


@pytest.mark.parametrize("key", STREAMING)
@pytest.mark.parametrize("size", [1_111, 9_600, 50_000])
def test_any_split_of_an_utterance_ends_in_the_same_text(recognizers, key, size):
    recognizer = recognizers[key]
    for sound in sounds()[:4]:
        whole = listen(recognizer, sound, len(sound), start=5.0)[-1]
        last = listen(recognizer, sound, size, start=5.0)[-1]
        assert said(last.words) == said(whole.words)
        assert last.n_final == len(last.words)
        if key[0] == "rwkv":  # chunks hear less of what comes than a whole utterance does
            [segment] = recognizer.recognize([Audio(sound, start=5.0)])
            assert said(last.words) == said(segment.words)
            sure = [[word.confidence for word in words] for words in (last.words, segment.words)]
            assert sure[0] == pytest.approx(sure[1], abs=1e-3)


@pytest.mark.parametrize("key", STREAMING)
def test_what_a_draft_calls_final_stays(recognizers, key):
    most = 0
    for index in (0, 2, 4):
        drafts = listen(recognizers[key], sounds()[index], 4_000)
        for draft in drafts:
            assert said(draft.words[: draft.n_final]) == said(drafts[-1].words[: draft.n_final])
        most = max(most, *(draft.n_final for draft in drafts[:-1]))
    assert most > 0 or key[1] == "beam"  # which may have rivals to the end


@pytest.mark.parametrize("key", STREAMING)
def test_streams_are_heard_alike_in_any_company(recognizers, key):
    recognizer = recognizers[key]
    alone = [listen(recognizer, sound, 8_000) for sound in sounds()]
    states = [None] * len(sounds())
    parts = [[sound[begin : begin + 8_000] for begin in range(0, len(sound), 8_000)] for sound in sounds()]
    for step in range(max(map(len, parts))):
        going = [index for index in range(len(parts)) if step < len(parts[index])]
        chunks = [
            Chunk(Audio(parts[index][step], start=step / 2), states[index], step == len(parts[index]) - 1)
            for index in going
        ]
        for index, (draft, state) in zip(going, recognizer.hear(chunks), strict=True):
            assert (said(draft.words), draft.n_final) == (said(alone[index][step].words), alone[index][step].n_final)
            states[index] = state


@pytest.mark.parametrize("key", STREAMING)
def test_nothing_more_can_come_as_the_end_of_an_utterance(recognizers, key):
    recognizer, sound = recognizers[key], sounds()[0]
    [(_, state)] = recognizer.hear([Chunk(Audio(sound))])
    [(draft, _)] = recognizer.hear([Chunk(Audio(sound[:0]), state, True)])
    assert said(draft.words) == said(listen(recognizer, sound, len(sound))[-1].words)
    assert recognizer.hear([]) == recognizer.recognize([]) == []


def test_words_have_times_in_order_inside_the_utterance_and_are_as_sure_as_a_probability(recognizers):
    n_words = 0
    for recognizer in recognizers.values():
        for sound in sounds():
            [segment] = recognizer.recognize([Audio(sound, start=100.0)])
            flat = [time for word in segment.words for time in (word.start, word.end)]
            assert flat == sorted(flat)
            assert all(100.0 <= time <= 100.0 + len(sound) / 16_000 + 1e-9 for time in flat)
            assert all(0 < word.confidence <= 1 for word in segment.words)
            n_words += len(segment.words)
    assert n_words > 50


@pytest.mark.parametrize("encoder", ENCODERS)
def test_text_is_funasrs_or_that_of_a_likelier_path(recognizers, encoder):
    """But for spaces, which are ours; test_bat_search says why it may be another."""
    n_same = 0
    for index, sound in enumerate(sounds()):
        [segment] = recognizers[encoder, "beam"].recognize([Audio(sound)])
        theirs = [Piece(TOKENS[token], 0, 0) for token in FACTS[f"{encoder}/{index}/10"]["ids"] if token > 2]
        n_same += segment.text == "".join(word.text for word in join(theirs)).strip()
    assert n_same >= 3


def test_too_little_sound_is_no_words_and_no_error(recognizers):
    nothing, scrap, short = (Audio(np.zeros(n, np.float32)) for n in (0, 399, 160))
    for (name, _), recognizer in recognizers.items():
        segments = recognizer.recognize([nothing, Audio(sounds()[0]), scrap, short])
        assert segments[0].words == segments[2].words == segments[3].words == ()
        if name != "conformer":
            assert listen(recognizer, nothing.samples, 100)[-1].words == ()


def test_it_keeps_both_promises_where_the_encoder_can(folders):
    options = LoadOptions(device="cpu", compute_type="float32", mode="greedy")
    loaded = {name: load(look(folder), folder, options) for name, folder in folders.items()}
    for name, recognizer in loaded.items():
        assert isinstance(recognizer, Recognizer)
        assert isinstance(recognizer, StreamingRecognizer) is look(folders[name]).streaming is (name != "conformer")
    assert loaded["rwkv"].chunk_duration == loaded["chunked"].chunk_duration == pytest.approx(0.32)
    utterances = [Audio(sound) for sound in sounds()]
    plain = BatRecognizer(read_folder(folders["rwkv"]), mode="greedy").recognize(utterances)
    assert [said(one.words) for one in loaded["rwkv"].recognize(utterances)] == [said(one.words) for one in plain]
    assert said(listen(loaded["rwkv"], sounds()[0], 4_000)[-1].words) == said(plain[0].words)
    for recognizer in loaded.values():
        recognizer.close()


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_fewer_bits_say_nearly_the_same(folders, encoder, compute_type):
    options = LoadOptions(device="cpu", compute_type=compute_type, threads=1)
    loaded = load(look(folders[encoder]), folders[encoder], options)
    net = loaded.recognizer.net
    layers = [one for one in net.encoder.modules() if isinstance(one, PackedLinear | Int8Linear | torch.nn.Linear)]
    if compute_type == "int8":
        assert {type(one) for one in layers} == {Int8Linear}
    else:
        assert {one.dtype for one in layers} == {torch.bfloat16}
    assert all(isinstance(one, torch.nn.Linear) for one in (net.joiner.enc, net.joiner.dec, net.joiner.out))
    utterances = [Audio(sound) for sound in sounds()]
    exact = BatRecognizer(read_folder(folders[encoder])).recognize(utterances)
    found = loaded.recognize(utterances)
    same = sum(one.text == other.text for one, other in zip(found, exact, strict=True))
    assert same >= 3 and any(one.words for one in found)
    loaded.close()


def test_a_model_for_the_telephone_hears_every_second_sample(tmp_path):
    conf = config("rwkv")
    conf["frontend_conf"]["fs"] = 8000
    folder = write_folder(tmp_path / "phone", "rwkv", tensors("rwkv"), conf)
    assert look(folder).sample_rate == 8000
    recognizer = StreamingBatRecognizer(read_folder(folder))
    [segment] = recognizer.recognize([Audio(sounds()[2])])
    assert segment.words and said(listen(recognizer, sounds()[2], 1_001)[-1].words) == said(segment.words)


def test_the_published_models_have_cards_and_ours():
    assert BACKEND.models == CARDS
    streaming = {"bat": False, "rwkv-bat": True, "bat-tiny": True, "rwkv-bat-tiny": True}
    assert {card.name: card.streaming for card in CARDS} == streaming
    assert all(card.modes == MODES and card.word_times for card in CARDS)
    assert all(card.languages == (("en",) if card.bundled else ("zh-CN",)) for card in CARDS)


def test_a_folder_is_known_by_its_configuration(folders, tmp_path):
    card = look(folders["rwkv"])
    assert (card.name, card.languages, card.license) == ("rwkv", ("und",), "unknown")
    known = look(write_folder(tmp_path / "rwkv-bat", "rwkv", tensors("rwkv")))
    assert (known.languages, known.streaming, known.modelscope) == (("zh-CN",), True, None)
    hub = CARDS[0].modelscope.split("/")[1]
    assert look(write_folder(tmp_path / hub, "conformer", tensors("conformer"))).languages == ("zh-CN",)
    conf = config("conformer") | {"model": "Paraformer"}
    assert look(tmp_path) is look(write_folder(tmp_path / "no", "conformer", {}, conf)) is None
    backend, found = registry.find(str(folders["conformer"]))
    assert backend.name == "bat" and found.name == "conformer"


def test_a_mode_that_is_none_is_refused(folders):
    card = look(folders["rwkv"])
    assert mode_of(card, LoadOptions()) == "beam" and mode_of(card, LoadOptions(mode="greedy")) == "greedy"
    with pytest.raises(UsageError, match="no mode 'fast'; it has beam, greedy"):
        mode_of(card, LoadOptions(mode="fast"))


@pytest.mark.parametrize("name", ["encoder.rwkv_blocks.0.att.proj_key.weight", "decoder.rnn.0.weight_ih_l0",
                                  "joint_network.lin_out.bias"])  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_weights_that_compute_no_numbers_are_an_error_and_no_empty_text(tmp_path, name, mode):
    given = {key: tensor.clone() for key, tensor in tensors("rwkv").items()}
    given[name] *= torch.nan
    damaged = BatRecognizer(read_folder(write_folder(tmp_path / "m", "rwkv", given)), mode=mode)
    with pytest.raises(ModelError, match="weights are damaged"):
        damaged.recognize([Audio(sounds()[2])])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_program_transcribes_with_a_model_in_a_folder(folders, tmp_path, encoder):
    with wave.open(str(tmp_path / "x.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((sounds()[2] * 32768).astype("<i2").tobytes())
    result = subprocess.run(
        [sys.executable, "-m", "asr", "transcribe", tmp_path / "x.wav", "--model", folders[encoder], "--no-vad",
         "--no-punc", "--mode", "greedy", "--device", "cpu", "--compute-type", "float32"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    [segment] = BatRecognizer(read_folder(folders[encoder]), mode="greedy").recognize([Audio(sounds()[2])])
    assert result.returncode == 0, result.stderr
    assert segment.text in result.stdout
