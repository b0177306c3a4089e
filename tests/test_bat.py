import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from asr_cli import checkpoint
from asr_cli.errors import ModelError, OutputError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.models import write_folder as writing
from asr_cli.models.bat import HEADS, Bat, BoundaryPredictor, PredictorConfig, alike
from asr_cli.models.bat_folder import named, read_config, read_folder, read_frontend, write_folder
from asr_cli.models.paraformer_folder import Frontend
from tests.tools import small_bat
from tests.tools.small_bat import ENCODERS, TOKENS, config, sounds, weights

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_bat.json").read_text(encoding="utf-8"))
HERE = Path("config.yaml")
OLD = {"ChunkConformerEncoder": "chunk_conformer", "BAT": "bat", "rnnt_decoder": "rnnt", "WavFrontend": "wav_frontend"}


def tensors(encoder):
    return weights(encoder, list(FACTS[f"{encoder}/shapes"].items()))


@pytest.fixture(scope="session")
def paths(tmp_path_factory):
    root = tmp_path_factory.mktemp("bats")
    return {encoder: small_bat.write_folder(root / encoder, encoder, tensors(encoder)) for encoder in ENCODERS}


@pytest.fixture(scope="session")
def folders(paths):
    return {encoder: read_folder(path) for encoder, path in paths.items()}


def features(folder):
    return [folder.cmvn(Fbank()(torch.tensor(sound))[0]) for sound in sounds()]


def transcribed(folder, mode="greedy"):
    with torch.inference_mode():
        found = folder.net.transcribe(features(folder), mode)
    return [[(token.id, token.frame) for token in one.best.tokens()] for one in found]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_from_sound_to_tokens_all_is_funasrs(folders, encoder):
    """Where its search keeps equal texts apart it may find less than ours, which test_bat_search goes into."""
    arrays = np.load(GOLDEN / "funasr_bat.npz")
    folder = folders[encoder]
    with torch.inference_mode():
        for index, one in enumerate(features(folder)):
            heard, counts = folder.net.encoder(one[None], torch.tensor([len(one)]))
            assert counts.tolist() == [len(arrays[f"{encoder}/{index}"])]
            assert np.abs(heard[0].numpy() - arrays[f"{encoder}/{index}"]).max() < 1e-4
    found = [[token for token, _ in one] for one in transcribed(folder, "beam")]
    theirs = [FACTS[f"{encoder}/{index}/10"]["ids"] for index in range(len(sounds()))]
    assert sum(one == other for one, other in zip(found, theirs, strict=True)) >= 3


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("mode", ["greedy", "beam"])
def test_an_utterance_is_heard_alike_in_any_company(folders, encoder, mode):
    folder = folders[encoder]
    together = transcribed(folder, mode)
    with torch.inference_mode():
        for index, one in enumerate(features(folder)):
            [alone] = folder.net.transcribe([one], mode)
            assert [(token.id, token.frame) for token in alone.best.tokens()] == together[index]
        assert [one.best.tokens() for one in folder.net.transcribe([torch.zeros(0, 80)] * 2, mode)] == [[], []]


@pytest.mark.parametrize("mode", ["greedy", "beam"])
@pytest.mark.parametrize("size", [1, 9, 200])
def test_however_features_are_divided_the_tokens_are_the_same(folders, mode, size):
    net = folders["rwkv"].net
    whole = transcribed(folders["rwkv"], mode)
    with torch.inference_mode():
        for index, one in enumerate(features(folders["rwkv"])):
            if size == 1 and len(one) > 300:
                continue
            parts, state = one.split(size), None
            for at, part in enumerate(parts):
                [state] = net.hear([part], [state], [at == len(parts) - 1], mode)
            assert [(token.id, token.frame) for token in state.decoded.best.tokens()] == whole[index]


@pytest.mark.parametrize("lengths", [[], [0], [5], [100, 99, 98, 1], [1, 2, 3, 4, 5, 6, 7, 8, 0]])
def test_groups_hold_everything_once_and_little_padding(lengths):
    groups = list(alike(lengths))
    assert sorted(index for group in groups for index in group) == [
        index for index, length in enumerate(lengths) if length
    ]
    for group in groups:
        own = [lengths[index] for index in group]
        assert sum(own) >= 0.8 * max(own) * len(own)


def test_the_heads_of_training_are_dropped_kept_or_made_anew(tmp_path, paths):
    assert read_folder(paths["conformer"]).net.predictor is None
    fresh = read_folder(paths["conformer"], heads=HEADS).net
    given = dict(named(fresh))
    assert given["predictor.cif_conv1d.weight"].shape == (32, 1, 3)
    assert given["cif_output_layer.weight"].shape == given["ctc_lin.weight"].shape == (len(TOKENS), 32)
    path = small_bat.write_folder(tmp_path, "conformer", {f"module.{name}": x for name, x in given.items()})
    again = dict(named(read_folder(path, heads=HEADS).net))
    assert all(torch.equal(again[name], given[name]) for name in given)
    assert read_folder(path, heads=("ctc_lin",)).net.predictor is None
    assert read_folder(path).net.cif_output_layer is None


def test_shares_depend_on_an_utterances_own_frames_only():
    torch.manual_seed(0)
    predictor = BoundaryPredictor(8, PredictorConfig(smooth_factor=1.2, noise_threshold=0.1)).eval()
    x = torch.randn(2, 9, 8)
    with torch.inference_mode():
        both = predictor(x, torch.tensor([9, 5]))
        alone = predictor(x[1:, :5], torch.tensor([5]))
    assert torch.allclose(both[1, :5], alone[0], atol=1e-6) and both[1, 5:].eq(0).all()
    queries = torch.nn.functional.pad(x[0].T, (1, 1))
    mixed = (torch.nn.functional.conv1d(queries[None], predictor.cif_conv1d.weight, predictor.cif_conv1d.bias, groups=8)
             [0].T + x[0]).relu()  # fmt: skip
    expected = (predictor.cif_output(mixed).squeeze(1).sigmoid() * 1.2 - 0.1).relu()
    assert torch.allclose(both[0], expected, atol=1e-6)


def test_a_folder_of_before_1_0_is_the_same_network(tmp_path, folders):
    conf = config("conformer")
    conf = {name: OLD.get(value, value) if isinstance(value, str) else value for name, value in conf.items()}
    del conf["joint_network"]
    conf |= {"token_list": TOKENS, "predictor": "bat_predictor", "model_conf": {"cif_weight": 1.0, "r_d": 3, "r_u": 5},
             "predictor_conf": {"idim": 32, "threshold": 1.0, "l_order": 1, "return_accum": True}}  # fmt: skip
    path = small_bat.write_folder(tmp_path, "conformer", tensors("conformer"), conf)
    (path / "model.pt").rename(path / "model.pb")
    for name in ("tokens.json", "configuration.json"):
        (path / name).unlink()
    assert transcribed(read_folder(path)) == transcribed(folders["conformer"])


def test_the_published_sizes_are_those_of_the_published_configurations():
    """As the reference counted them: 90.11 and 78.32 million, without what only training needs."""
    for encoder, expected in (("conformer", 90.11), ("rwkv", 78.32)):
        conf = config(encoder) | {
            "decoder_conf": {"embed_size": 512, "hidden_size": 512},
            "joint_network_conf": {"joint_space_size": 512},
        }
        conf["encoder_conf"] |= {"output_size": 512, "num_blocks": 18}
        if encoder == "conformer":
            conf["encoder_conf"] |= {
                "num_blocks": 12, "attention_heads": 8, "linear_units": 2048, "cnn_module_kernel": 15,
            }  # fmt: skip
        with torch.device("meta"):
            net = Bat(read_config(conf, HERE, read_frontend(conf, HERE), 4234))
        millions = sum(tensor.numel() for tensor in net.state_dict().values()) / 1e6
        assert millions == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "Paraformer"}, "describes no BAT"),
        ({"encoder": "SANMEncoder"}, "wants the encoder 'SANMEncoder'"),
        ({"decoder": "ParaformerSANMDecoder"}, "wants the decoder"),
        ({"joint_network": "other"}, "wants the joint_network"),
        ({"encoder_conf": {"output_size": 32, "strange": 1}}, "does not know: strange"),
        ({"encoder_conf": {"output_size": 32, "attention_heads": 5}}, "width 32 for 5 heads"),
        ({"encoder_conf": {"time_reduction_factor": 0}}, "wants time_reduction_factor 0"),
        ({"encoder": "RWKVEncoder", "encoder_conf": {"linear_size": "wide"}}, "wants linear_size 'wide'"),
        ({"encoder": "RWKVEncoder", "encoder_conf": {"kernel": 4}}, "kernel 4 is not known"),
        ({"encoder_conf": {"dropout_rate": 2}}, "wants dropout_rate 2.0, where a number from 0 to below 1"),
        ({"predictor": "bat_predictor", "predictor_conf": {"dropout": -0.1}}, "wants dropout -0.1"),
        ({"encoder_conf": {"unified_model_training": True, "jitter_range": 16}}, "give or take jitter_range 16"),
        ({"encoder_conf": {"unified_model_training": True, "jitter_range": -1}}, "give or take jitter_range -1"),
        ({"decoder_conf": {"rnn_type": "gru"}}, "wants rnn_type 'gru'"),
        ({"decoder_conf": {"embed_dropout_rate": 1}}, "wants embed_dropout_rate 1.0"),
        ({"decoder_conf": {"embed_size": 0}}, "wants embed_size 0"),
        ({"model_conf": {"blank_id": 3}}, "wants blank_id 3"),
        ({"model_conf": {"strange": 3}}, "does not know: strange"),
        ({"joint_network_conf": {"joint_activation_type": "relu"}}, "wants joint_activation_type"),
        ({"frontend_conf": {"fs": 44100}}, "44100"),
        ({"frontend_conf": {"lfr_m": 3, "lfr_n": 5}}, "some are lost"),
        ({"predictor": "CifPredictorV2"}, "wants the predictor"),
    ],
)
def test_what_is_not_known_is_an_error_that_says_what(tmp_path, change, says):
    path = small_bat.write_folder(tmp_path, "conformer", tensors("conformer"), config("conformer") | change)
    with pytest.raises(ModelError, match=says):
        read_folder(path)


def test_frames_are_stacked_if_the_configuration_says_so():
    conf = {"frontend": "WavFrontend", "frontend_conf": {"lfr_m": 5, "lfr_n": 2}}
    assert read_frontend(conf, HERE) == Frontend(lfr_m=5, lfr_n=2)
    assert read_frontend({"frontend": "WavFrontend", "frontend_conf": {"fs": 8000}}, HERE) == Frontend(
        fs=8000, lfr_m=1, lfr_n=1
    )


def test_weights_of_another_network_or_vocabulary_are_errors(tmp_path, paths):
    small = small_bat.write_folder(tmp_path / "a", "conformer", tensors("rwkv"))
    with pytest.raises(ModelError, match="other weights than its configuration says"):
        read_folder(small)
    other = small_bat.write_folder(tmp_path / "b", "rwkv", tensors("rwkv"))
    (other / "tokens.json").write_text(json.dumps(TOKENS[:-2]))
    with pytest.raises(ModelError, match="knows 65 tokens and the vocabulary beside it 63"):
        read_folder(other)
    for name in ("am.mvn", "tokens.json", "model.pt"):
        path = small_bat.write_folder(tmp_path / name, "rwkv", tensors("rwkv"))
        (path / name).unlink()
        with pytest.raises(ModelError, match="download it again"):
            read_folder(path)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_is_written_is_read_again(tmp_path, folders, encoder):
    folder = folders[encoder]
    path = tmp_path / "new" / "model"
    for _ in range(2):  # the second time something is there
        write_folder(path, folder.net, config(encoder), folder.cmvn, folder.vocabulary)
    assert sorted(one.name for one in path.iterdir()) == [
        "am.mvn", "config.yaml", "model.pt", "model.safetensors", "tokens.json",
    ]  # fmt: skip
    assert [one.name for one in path.parent.iterdir()] == ["model"]
    again = read_folder(path)
    assert transcribed(again) == transcribed(folder)
    assert torch.equal(again.cmvn.shift, folder.cmvn.shift) and torch.equal(again.cmvn.scale, folder.cmvn.scale)
    assert again.vocabulary.tokens == folder.vocabulary.tokens
    theirs = tensors(encoder)
    for name in ("model.pt", "model.safetensors"):
        written = checkpoint.read(path / name)
        assert written.keys() == theirs.keys()
        assert all(torch.equal(written[one], theirs[one]) for one in theirs)
    assert yaml.safe_load((path / "config.yaml").read_text())["tokenizer"] == "CharTokenizer"


def test_a_normalization_is_written_exactly(tmp_path):
    cmvn = Cmvn(torch.randn(560) * 1e-3, torch.rand(560).pow(9))
    (tmp_path / "am.mvn").write_text(writing.mvn(cmvn))
    again = Cmvn.from_file(tmp_path / "am.mvn")
    assert torch.equal(again.shift, cmvn.shift) and torch.equal(again.scale, cmvn.scale)


@pytest.mark.parametrize("failing", ["save", "save_safetensors", "flush"])
def test_a_full_disk_leaves_what_was_there(tmp_path, folders, monkeypatch, failing):
    folder = folders["rwkv"]
    path = tmp_path / "model"
    write_folder(path, folder.net, config("rwkv"), folder.cmvn, folder.vocabulary)

    def fail(*_, **__):
        raise {"save": RuntimeError("PytorchStreamWriter failed"), "flush": OSError(28, os.strerror(28))}.get(
            failing, writing.SafetensorError("I/O error")
        )

    monkeypatch.setattr(writing.torch if failing == "save" else writing, failing, fail)
    with pytest.raises(OutputError, match="what was there before is as it was"):
        write_folder(path, folder.net, config("conformer"), folder.cmvn, folder.vocabulary)
    monkeypatch.undo()
    assert transcribed(read_folder(path)) == transcribed(folder)
    assert [one.name for one in tmp_path.iterdir()] == ["model"]
