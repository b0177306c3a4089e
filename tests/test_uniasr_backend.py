import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from asr_plugins.uniasr import BACKEND
from asr_plugins.uniasr.cards import CARDS
from asr_plugins.uniasr.loading import lighten, load, mode_of
from asr_plugins.uniasr.look import look
from asr_plugins.uniasr.recognizer import UniAsrRecognizer

from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.errors import ModelError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.longform.halve import halving
from asr_cli.models.ear import Ear
from asr_cli.models.paraformer_folder import Frontend
from asr_cli.models.uniasr_folder import read_folder
from asr_cli.nn.precision import Int8Linear
from asr_cli.protocols import Chunk, Recognizer, StreamingRecognizer
from asr_cli.registry import LoadOptions
from asr_cli.text.settled import n_settled
from asr_cli.text.words import Piece, join
from asr_cli.transcript import Segment
from tests.tools.listening import listen, said
from tests.tools.small_uniasr import MODES, TOKENS, VARIANTS, config, seeded, sounds, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_uniasr.json").read_text(encoding="utf-8"))
SPLITS = (160, 3_333, 9_600, 50_000)  # samples


def weights(variant="long"):
    return seeded(((name, tuple(shape)) for name, shape in FACTS["shapes"].items()), variant)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("uniasrs")
    return {variant: write_folder(root / variant, weights(variant)) for variant in VARIANTS}


@pytest.fixture(scope="session")
def recognizers(folders):
    read = {variant: read_folder(folder) for variant, folder in folders.items()}
    return {(variant, mode): UniAsrRecognizer(read[variant], mode=mode) for variant in VARIANTS for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SPLITS)
def test_any_split_of_an_utterance_ends_in_the_text_of_the_whole(recognizers, mode, size):
    recognizer = recognizers["long", mode]
    for sound in sounds() if size > 1000 else sounds()[:2]:
        [segment] = recognizer.recognize([Audio(sound, start=5.0)])
        last = listen(recognizer, sound, size, start=5.0)[-1]
        assert said(last.words) == said(segment.words)
        assert last.n_final == len(last.words)
        sure = [[word.confidence for word in words] for words in (last.words, segment.words)]
        assert sure[0] == pytest.approx(sure[1], abs=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", MODES)
def test_what_a_draft_calls_final_stays(recognizers, variant, mode):
    recognizer = recognizers[variant, mode]
    n_final = 0
    for index in (2, 4):
        drafts = listen(recognizer, sounds()[index], 4_000)
        for draft in drafts:
            assert said(draft.words[: draft.n_final]) == said(drafts[-1].words[: draft.n_final])
        n_final = max(n_final, *(draft.n_final for draft in drafts[:-1]))
    # What ends at once may be all there is, and in long chunks little is certain before the end.
    assert n_final >= (3 if (variant, mode) == ("long", "fast") else 0)


def test_drafts_come_while_somebody_speaks_and_the_second_pass_replaces_them(recognizers):
    recognizer = recognizers["long", "normal"]
    drafts = listen(recognizer, sounds()[4], 9_600)
    fast = listen(recognizers["long", "fast"], sounds()[4], 9_600)
    assert len(drafts[3].words) > 0
    assert said(drafts[1].words) == said(fast[1].words)  # before the second pass has heard anything
    assert said(drafts[-2].words) != said(fast[-2].words)


def test_the_second_pass_looks_no_oftener_than_it_was_told(recognizers, folders):
    often = recognizers["long", "normal"]
    seldom = UniAsrRecognizer(read_folder(folders["long"]), mode="normal", refresh=5.0)
    one, other = (listen(recognizer, sounds()[4], 4_800) for recognizer in (often, seldom))
    assert len({said_by_second(draft) for draft in one}) > len({said_by_second(draft) for draft in other})
    assert said(one[-1].words) == said(other[-1].words)
    fast = listen(recognizers["long", "fast"], sounds()[4], 4_800)
    assert said(other[10].words) == said(fast[10].words) != said(one[10].words)


def said_by_second(draft):
    return tuple(word.text for word in draft.words)[:3]


@pytest.mark.parametrize("mode", MODES)
def test_streams_are_heard_alike_in_any_company(recognizers, mode):
    recognizer = recognizers["long", mode]
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
            assert said(draft.words) == said(alone[index][step].words)
            assert draft.n_final == alone[index][step].n_final
            states[index] = state


def test_a_state_can_be_heard_from_twice(recognizers):
    recognizer = recognizers["long", "normal"]
    sound = sounds()[4]
    [(_, state)] = recognizer.hear([Chunk(Audio(sound[:60_000]))])
    one = recognizer.hear([Chunk(Audio(sound[60_000:]), state, True)])[0][0]
    recognizer.hear([Chunk(Audio(sound[:20_000]), state, True)])
    again = recognizer.hear([Chunk(Audio(sound[60_000:]), state, True)])[0][0]
    assert one == again


def test_nothing_more_can_come_as_the_end_of_an_utterance(recognizers):
    recognizer = recognizers["long", "fast"]
    sound = sounds()[0]
    [(_, state)] = recognizer.hear([Chunk(Audio(sound))])
    [(draft, _)] = recognizer.hear([Chunk(Audio(sound[:0]), state, True)])
    assert said(draft.words) == said(recognizer.recognize([Audio(sound)])[0].words)
    assert recognizer.hear([]) == recognizer.recognize([]) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_words_have_times_in_order_inside_the_utterance(recognizers, variant, mode):
    n_words = 0
    for sound in sounds():
        [segment] = recognizers[variant, mode].recognize([Audio(sound, start=100.0)])
        flat = [time for word in segment.words for time in (word.start, word.end)]
        assert flat == sorted(flat)
        assert all(100.0 <= time <= 100.0 + len(sound) / 16_000 for time in flat)
        assert all(0 < word.confidence <= 1 for word in segment.words)
        n_words += len(segment.words)
    assert n_words > 0 or variant == "short"


@pytest.mark.parametrize("mode", MODES)
def test_text_is_funasrs(recognizers, mode):
    """But for spaces, which are ours."""
    for index, sound in enumerate(sounds()):
        [segment] = recognizers["long", mode].recognize([Audio(sound)])
        theirs = FACTS[f"long/{mode}/{index}"].get("ids", [])
        pieces = [Piece(TOKENS[token], 0, 0) for token in theirs if token > 2]
        assert segment.text == "".join(word.text for word in join(pieces)).strip()


def test_too_little_sound_is_no_words_and_no_error(recognizers):
    nothing, scrap = Audio(np.zeros(0, np.float32)), Audio(np.zeros(399, np.float32))
    for recognizer in recognizers.values():
        segments = recognizer.recognize([nothing, Audio(sounds()[0]), scrap])
        assert segments[0].words == segments[2].words == ()
        assert listen(recognizer, nothing.samples, 100)[-1].words == ()


def test_it_keeps_both_promises_of_a_recognizer(folders):
    loaded = load(look(folders["long"]), folders["long"], LoadOptions(device="cpu", compute_type="float32"))
    assert isinstance(loaded, Recognizer) and isinstance(loaded, StreamingRecognizer)
    assert loaded.chunk_duration == pytest.approx(0.3)  # five frames, in this small one
    utterances = [Audio(sound) for sound in sounds()]
    plain = UniAsrRecognizer(read_folder(folders["long"]), mode="normal").recognize(utterances)
    assert [said(one.words) for one in loaded.recognize(utterances)] == [said(one.words) for one in plain]
    assert said(listen(loaded, sounds()[0], 4_000)[-1].words) == said(plain[0].words)
    loaded.close()


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
def test_fewer_bits_say_nearly_the_same(folders, compute_type):
    folder = read_folder(folders["long"])
    lighten(folder.net, compute_type)
    assert isinstance(folder.net.second.decoder.output, torch.nn.Linear)
    assert isinstance(folder.net.first.predictor.out, torch.nn.Linear)
    if compute_type == "int8":
        assert isinstance(folder.net.second.decoder.layers[0].cross.kv, Int8Linear)
    recognizer = UniAsrRecognizer(folder, mode="normal")
    [segment] = recognizer.recognize([Audio(sounds()[4])])
    [exact] = UniAsrRecognizer(read_folder(folders["long"]), mode="normal").recognize([Audio(sounds()[4])])
    assert abs(len(segment.words) - len(exact.words)) <= 2
    assert said(listen(recognizer, sounds()[4], 8_000)[-1].words)


def test_a_model_for_the_telephone_hears_every_second_sample(tmp_path):
    conf = config()
    conf["frontend_conf"]["fs"] = 8000
    folder = write_folder(tmp_path / "phone", weights(), conf)
    assert look(folder).sample_rate == 8000
    recognizer = UniAsrRecognizer(read_folder(folder), mode="fast")
    [segment] = recognizer.recognize([Audio(sounds()[2])])
    assert segment.words and said(listen(recognizer, sounds()[2], 1_001)[-1].words) == said(segment.words)


@pytest.mark.parametrize("rate", [8000, 16_000])
@pytest.mark.parametrize("size", [1, 250, 801])
def test_sound_in_any_pieces_gives_the_same_features(rate, size):
    ear = Ear(Frontend(fs=rate), Cmvn(torch.zeros(560), torch.ones(560)), torch.device("cpu"))
    sound = sounds()[1][:4_001]
    whole, _ = ear.hear(sound, None, final=True)
    found, state = [], None
    for begin in range(0, len(sound), size):
        features, state = ear.hear(sound[begin : begin + size], state, final=begin + size >= len(sound))
        found.append(features)
    torch.testing.assert_close(torch.cat(found), whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_what_is_remembered_of_sound_does_not_hold_on_to_all_of_it(rate):
    ear = Ear(Frontend(fs=rate), Cmvn(torch.zeros(560), torch.ones(560)), torch.device("cpu"))
    _, state = ear.hear(sounds()[4], None, final=False)
    for tensor in (state.samples, state.resampled, state.frames.frames):
        assert tensor.untyped_storage().nbytes() == tensor.nbytes


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), 0),
        (("你",), 0),
        (("你", "好", "他"), 2),
        (("你", "hel@@", "lo"), 1),
        (("one", "two", "three", "four"), 2),
        (("so", "i", "b", "m"), 0),
        (("你", "3", "5"), 1),
    ],
)
def test_words_are_settled_when_nothing_behind_them_can_change_them(pieces, expected):
    assert n_settled([Piece(text, 0.0, 0.0, 1.0) for text in pieces], sentencepiece=False) == expected


def test_every_language_has_a_card_and_a_mode_of_its_own():
    names = {card.name: card for card in CARDS}
    assert BACKEND.models == CARDS and len(names) == len(CARDS) == 22
    assert names["uniasr-ja"].modelscope == "damo/speech_UniASR_asr_2pass-ja-16k-common-vocab93-tensorflow1-offline"
    assert names["uniasr-ja"].modes == ("offline", "normal", "fast")
    assert names["uniasr-tr"].modes == ("normal", "fast", "offline")
    assert names["uniasr-zh-8k"].sample_rate == 8000
    assert all(card.streaming and card.word_times and set(card.modes) == set(MODES) for card in CARDS)


def test_a_folder_is_known_by_its_configuration_and_decoded_as_its_name_says(folders, tmp_path):
    card = look(folders["long"])
    assert (card.modes[0], card.languages, card.streaming) == ("normal", ("und",), True)
    for ending, mode in (("online", "fast"), ("offline", "offline")):
        name = f"speech_UniASR_asr_2pass-ja-16k-common-vocab93-tensorflow1-{ending}"
        card = look(write_folder(tmp_path / name, weights()))
        assert card.modes[0] == mode and card.name == name
    assert card.languages == ("ja",)
    assert look(tmp_path) is None
    backend, found = registry.find(str(folders["short"]))
    assert backend.name == "uniasr" and found.name == "short"


def test_a_folder_that_this_program_downloaded_is_what_its_card_says(folders, tmp_path):
    for name in ("uniasr-ja", "uniasr-yue"):
        [known] = (card for card in CARDS if card.name == name)
        found = look(write_folder(tmp_path / name, weights()))
        assert (found.languages, found.modes, found.license) == (known.languages, known.modes, known.license)
    assert look(folders["long"]).license == "unknown"  # whoever made it says so


def test_a_mode_that_is_none_is_refused(folders):
    card = look(folders["long"])
    assert mode_of(card, LoadOptions()) == "normal" and mode_of(card, LoadOptions(mode="fast")) == "fast"
    with pytest.raises(UsageError, match="no mode 'slow'; it has normal, fast, offline"):
        mode_of(card, LoadOptions(mode="slow"))


def set_conf(folder, *path_and_value):
    *path, value = path_and_value
    file = folder / "config.yaml"
    conf = yaml.safe_load(file.read_text(encoding="utf-8"))
    table = conf
    for name in path[:-1]:
        table = table[name]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    file.write_text(yaml.safe_dump(conf, allow_unicode=True), encoding="utf-8")


def drop_tensor(folder, name):
    tensors = torch.load(folder / "model.pt")
    del tensors[name]
    torch.save(tensors, folder / "model.pt")


BROKEN = {
    "describes no UniASR": lambda f: set_conf(f, "model", "Paraformer"),
    "encoder2 'SANMEncoder'": lambda f: set_conf(f, "encoder2", "SANMEncoder"),
    "does not know: quantum": lambda f: set_conf(f, "model_conf", "quantum", 1),
    "does not know: spin": lambda f: set_conf(f, "decoder2_conf", "spin", 1),
    "wants decoder_attention_chunk_type2 'full'": lambda f: set_conf(
        f, "model_conf", "decoder_attention_chunk_type2", "full"
    ),
    "wants sos 3; only 1": lambda f: set_conf(f, "model_conf", "sos", 3),
    "look back .encoder_att_look_back_factor": lambda f: set_conf(
        f, "encoder_conf", "encoder_att_look_back_factor", [1, 1]
    ),
    "has decoder_att_look_back_factor None": lambda f: set_conf(
        f, "encoder_conf", "decoder_att_look_back_factor", None
    ),
    "has chunk_size 'long'": lambda f: set_conf(f, "encoder_conf", "chunk_size", "long"),
    "do not cover everything": lambda f: set_conf(f, "encoder_conf", "stride", [9, 15]),
    "wants sanm_shfit 5; only 0": lambda f: set_conf(f, "encoder_conf", "sanm_shfit", 5),
    "remembers the future": lambda f: set_conf(f, "decoder_conf", "sanm_shfit", 0),
    "does not hear what fired": lambda f: set_conf(f, "decoder_conf", "concat_embeds", None),
    "wants tail_threshold 0.45": lambda f: set_conf(f, "predictor_conf", "tail_threshold", 0.45),
    "looks beyond its chunk": lambda f: set_conf(f, "predictor_conf", "l_order", 6),
    "an even kernel_size": lambda f: set_conf(f, "decoder_conf", "kernel_size", 10),
    "width 24 for 5 heads": lambda f: set_conf(f, "decoder_conf", "attention_heads", 5),
    "wants kernel_size 3; only 2": lambda f: set_conf(f, "stride_conv_conf", "kernel_size", 3),
    "stride_conv_conf is no table": lambda f: set_conf(f, "stride_conv_conf", None),
    "is incomplete": lambda f: set_conf(f, "predictor_conf", "idim", None),
    "a predictor 16 wide on an encoder 32 wide": lambda f: set_conf(f, "predictor2_conf", "idim", 16),
    "normalization of 2 values": lambda f: (f / "am.mvn").write_text(
        "<AddShift> 2 2\n<LearnRateCoef> 0 [ 1 1 ]\n<Rescale> 2 2\n<LearnRateCoef> 0 [ 1 1 ]\n"
    ),
    "they do not belong together": lambda f: (f / "tokens.json").write_text(json.dumps(TOKENS[:-1])),
    "missing: second.predictor.out.bias": lambda f: drop_tensor(f, "predictor2.cif_output.bias"),
    "of another shape": lambda f: set_conf(f, "encoder2_conf", "linear_units", 64),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_folder_that_is_not_what_it_says_is_refused_with_the_reason(tmp_path, sentence):
    folder = write_folder(tmp_path / "model", weights())
    BROKEN[sentence](folder)
    with pytest.raises(ModelError, match=sentence):
        read_folder(folder)


def test_a_folder_of_before_funasr_1_0_loads_the_same(tmp_path, recognizers):
    folder = write_folder(tmp_path / "old", weights())
    conf = config() | {
        "model": "uniasr", "encoder": "sanm_chunk_opt", "encoder2": "sanm_chunk_opt", "decoder": "fsmn_scama_opt",
        "decoder2": "fsmn_scama_opt", "predictor": "cif_predictor_v2", "predictor2": "cif_predictor_v2",
        "frontend": "wav_frontend", "token_list": TOKENS,
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(conf, allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").unlink()
    metas = {"model": {"model_config": {"am_model_config": "config.yaml", "mvn_file": "am.mvn"},
                       "am_model_name": "model.pb"}}  # fmt: skip
    (folder / "configuration.json").write_text(json.dumps(metas))
    (folder / "model.pt").rename(folder / "model.pb")
    assert look(folder) is not None
    old = UniAsrRecognizer(read_folder(folder), mode="offline")
    [segment] = old.recognize([Audio(sounds()[2])])
    assert said(segment.words) == said(recognizers["long", "offline"].recognize([Audio(sounds()[2])])[0].words)


@pytest.mark.parametrize("name", ["predictor2.cif_output.bias", "decoder2.output_layer.weight"])
def test_weights_that_compute_no_numbers_are_an_error_and_no_empty_text(tmp_path, name):
    tensors = {key: tensor.clone() for key, tensor in weights().items()}
    tensors[name] *= torch.nan
    damaged = UniAsrRecognizer(read_folder(write_folder(tmp_path / "m", tensors)), mode="normal")
    with pytest.raises(ModelError, match="weights are damaged"):
        damaged.recognize([Audio(sounds()[2])])


def test_where_memory_does_not_suffice_half_the_utterances_are_heard_at_a_time():
    sizes = []

    def recognize(utterances):
        sizes.append(len(utterances))
        if len(utterances) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [Segment(()) for _ in utterances]

    sound = Audio(np.zeros(160, np.float32))
    assert len(halving(recognize, [sound] * 5, torch.device("cpu"))) == 5
    assert sizes == [5, 2, 3, 1, 2]


@pytest.mark.parametrize(("words", "error"), [("not enough memory", ModelError), ("a broken network", RuntimeError)])
def test_what_does_not_go_at_all_is_an_error(words, error):
    def recognize(utterances):
        raise RuntimeError(words)

    with pytest.raises(error, match="memory does not suffice for 1 s" if error is ModelError else words):
        halving(recognize, [Audio(np.zeros(16_000, np.float32))], torch.device("cpu"))
